"""`rebench audit`: what rewrites and runs look like beside chance; numbers, never a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DataOption, JsonOption, ResultsOption, settings_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipelines.permutation import Measure

app = typer.Typer(
    help="Hold rewrites and runs against chance: numbers, never a verdict.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
TaskChoice = Annotated[str, typer.Option("--task", "-t", metavar="T", help="The task.")]


@app.command("queries")
def queries(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Rewrites: .jsonl rows, or .json as rewriters write."),
    ],
    task: TaskChoice,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Do rewrites know the answer? What they share with it, and with other queries' answers.

    chance: the mean with another query's answer or titles. p: the share of random pairings that
    reach the value. A rewriter may know an answer from what it was trained on, or find it.

    Example: rebench audit queries rewrites.json --task biology
    """
    from harness.cli.progress import reporter_for_stderr
    from harness.data.query_sets import read_rewrites
    from harness.data.registry import TaskOptions, load_task
    from harness.pipelines.answers import known_of
    from harness.pipelines.audit_queries import audit_queries

    settings = settings_from(data=data)
    options = TaskOptions(data_dir=settings.data_dir, with_corpus=False)
    loaded = load_task(task, options, reporter_for_stderr())
    rewrites = read_rewrites(loaded, file)
    known = known_of(loaded, settings.data_dir)
    _print(audit_queries(loaded, rewrites, known), as_json)


@app.command("run")
def run(
    run_file: Annotated[
        str, typer.Argument(metavar="RUN", help="A run file, or the name of a measured system.")
    ],
    task: TaskChoice,
    query_set: Annotated[
        str, typer.Option("--query-set", metavar="SET", help="The measured system's queries.")
    ] = "",
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """How far is a run from a list that never read the query, and what is odd about it?

    chance: the score when each query is answered with another query's list.

    Example: rebench audit run biology.trec.gz --task biology --data BRIGHT
    """
    from harness.api.session import open_session
    from harness.cli.progress import reporter_for_stderr
    from harness.compare.selection import named_tasks, select_named
    from harness.data.bright_tasks import TASKS
    from harness.data.registry import TaskOptions, load_task
    from harness.data.trec import read_run
    from harness.derived import EntryReader
    from harness.pipelines.audit_run import audit_run

    session = open_session(results=results, data=data, progress=reporter_for_stderr())
    if Path(run_file).is_file():
        options = TaskOptions(data_dir=session.settings.data_dir, with_corpus=task not in TASKS)
        loaded = load_task(task, options, session.reporter)
        _print(audit_run(read_run(Path(run_file)), loaded), as_json)
        return
    entries = session.entries()
    only = named_tasks(task, entries).only(query_set)
    entry = select_named(entries, [run_file], only).systems[0].entries[only.tasks[0]]
    reader = EntryReader(session.store)
    _print(audit_run(reader.run(entry), reader.judgements(entry)), as_json)


def _print(measures: Sequence[Measure], as_json: bool) -> None:
    """Print measures as a table, what they mean below it."""
    from dataclasses import asdict

    from harness.cli.console import print_aligned, print_json, print_wrapped
    from harness.render.numbers import decimal, p_value

    if as_json:
        print_json([asdict(measure) for measure in measures])
        return
    print_aligned(
        [
            {
                "measure": measure.name,
                "value": decimal(measure.value),
                "unit": measure.unit,
                "chance": decimal(measure.chance),
                "p": p_value(measure.p),
                "queries": f"{measure.queries:,}",
            }
            for measure in measures
        ]
    )
    for measure in measures:
        if measure.help:
            print_wrapped(f"{measure.name}: {measure.help}")
