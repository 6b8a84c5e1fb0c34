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
)


def run(
    run_file: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="TREC lines, score.json or another system's lists (docs/tasks.md), plain or .gz.",
        ),
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
    from harness.api.evaluating import score
    from harness.cli.console import print_outcomes
    from harness.cli.progress import reporter_for_stderr

    scored = score(
        run_file,
        task,
        name=name,
        queries=queries,
        made_with=made_with,
        record=record,
        command=command_line(),
        results=results,
        data=data,
        progress=reporter_for_stderr(),
    )
    print_outcomes(scored.outcomes, as_json=as_json)
