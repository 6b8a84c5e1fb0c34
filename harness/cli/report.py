"""`rebench report`: a Markdown report with figures on chosen entries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.options import DataOption, ResultsOption, command_line


def run(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE.md", help="Where to; absent folders are made."
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="Measured models, the first the baseline [default: all]."
        ),
    ] = None,
    tasks: shared.TasksChoice = "",
    metric: shared.MetricChoice = "",
    query_set: shared.QuerySetChoice = "",
    permutations: shared.PermutationsChoice = 0,
    seed: shared.SeedChoice = None,
    changes: Annotated[
        int, typer.Option("--changes", metavar="N", help="Queries shown for gains and losses.")
    ] = 5,
    texts: Annotated[
        bool, typer.Option("--texts", help="Show the texts of queries, where they are here.")
    ] = False,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Write a report: means, tested differences, where they lie, cost, published numbers.

    Every system is compared with the first that is named. Each number of the text is in the JSON
    file beside it.

    Example: rebench report reasonir-8b rader-gte-qwen2-7b --query-set gpt4 -o report
    """
    from harness.api.comparing import report
    from harness.cli.console import print_text
    from harness.cli.progress import reporter_for_stderr
    from harness.compare.differences import ComparisonSettings
    from harness.stats.conventions import SEED

    start = SEED if seed is None else seed
    written = report(
        output,
        *(models or ()),
        tasks=tasks,
        metric=metric,
        query_set=query_set,
        settings=ComparisonSettings(
            permutations=permutations, seed=start, changes=changes, pairs="first"
        ),
        texts=texts,
        command=command_line(),
        results=results,
        data=data,
        progress=reporter_for_stderr(),
    )
    print_text("\n".join(map(str, written.paths)))
