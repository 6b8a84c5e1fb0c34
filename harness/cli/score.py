"""`rebench score`: somebody else's run by the same protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import (
    DataOption,
    JsonOption,
    QueriesOption,
    ResultsOption,
    command_line,
    settings_from,
)


def run(
    run_file: Annotated[
        Path, typer.Argument(metavar="RUN", help="TREC run or BRIGHT score.json, plain or .gz.")
    ],
    task: Annotated[str, typer.Option("--task", "-t", metavar="T", help="The run's task.")],
    name: Annotated[str, typer.Option("--name", "-n", metavar="N", help="Name of the system.")],
    queries: QueriesOption = "original",
    made_with: Annotated[
        str,
        typer.Option(
            "--made-with",
            metavar="SET",
            help="The query set the run was made with, where its texts are not at hand.",
        ),
    ] = "",
    record: Annotated[
        bool, typer.Option("--record", help="Keep the result, for the leaderboard.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Score a run. The task's queries, gold and exclusions are needed; BRIGHT's documents are not.

    Example: rebench score biology.trec.gz --task biology --name my-system --data BRIGHT
    """
    from harness.cli.console import print_outcomes
    from harness.cli.progress import reporter_for_stderr
    from harness.data.bright_tasks import TASKS
    from harness.data.query_sets import with_unread_queries
    from harness.data.registry import TaskOptions, load_task
    from harness.evaluate import EvalConfig, score_external
    from results.store import ResultStore

    settings = settings_from(results=results, data=data)
    reporter = reporter_for_stderr()
    # BRIGHT's documents are large and on a hub; elsewhere they are at hand, and then a document
    # that the corpus lacks is found.
    options = TaskOptions(
        data_dir=settings.data_dir, query_set=queries, with_corpus=task not in TASKS
    )
    loaded = load_task(task, options, reporter)
    if made_with:
        loaded = with_unread_queries(loaded, made_with)
    store = ResultStore(settings.results_dir) if record else None
    config = EvalConfig(command=command_line())
    print_outcomes(
        [score_external(run_file, name, loaded, store, config, reporter)], as_json=as_json
    )
