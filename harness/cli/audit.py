"""`rebench audit`: what rewrites and runs look like beside chance; numbers, never a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.bounded import BoundedCommand
from harness.cli.options import DataOption, JsonOption, ResultsOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipelines.permutation import ChanceMeasure

app = typer.Typer(
    help="Hold rewrites and runs against chance: numbers, never a verdict.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
TaskChoice = Annotated[str, typer.Option("--task", "-t", metavar="T", help="The task.")]


@app.command("queries", cls=BoundedCommand)
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
    from harness.api.audits import audit_queries
    from harness.cli.progress import reporter_for_stderr

    _print(audit_queries(file, task, data=data, progress=reporter_for_stderr()).measures, as_json)


@app.command("run", cls=BoundedCommand)
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
    from harness.api.audits import audit_run
    from harness.cli.progress import reporter_for_stderr

    found = audit_run(
        run_file,
        task,
        query_set=query_set,
        results=results,
        data=data,
        progress=reporter_for_stderr(),
    )
    _print(found.measures, as_json)


def _print(measures: Sequence[ChanceMeasure], as_json: bool) -> None:
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
