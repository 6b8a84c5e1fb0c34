"""`rebench reproduce`: a model's measured numbers beside the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from harness.compare.reproduce import Reproduction


def run(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A measured model, or MODEL#VARIANT.")
    ],
    published_name: Annotated[
        str,
        typer.Option("--as", metavar="NAME", help="The name it was published under."),
    ] = "",
    tasks: shared.TasksChoice = "",
    metric: shared.MetricChoice = "",
    query_set: shared.QuerySetChoice = "",
    seed: shared.SeedChoice = None,
    as_json: JsonOption = False,
    results: ResultsOption = None,
) -> None:
    """Hold measured numbers against published ones, task by task.

    Only rows on today's gold, the same query set and the same metric count; the others are named.
    Published numbers have no per-query values, so none of them gets a p-value.

    Example: rebench reproduce reasonir-8b --query-set gpt4
    """
    from harness.api.comparing import reproduce
    from harness.cli.console import print_json
    from harness.cli.progress import reporter_for_stderr
    from harness.stats.conventions import SEED

    reproduced = reproduce(
        name,
        published_name=published_name,
        tasks=tasks,
        metric=metric,
        query_set=query_set,
        seed=SEED if seed is None else seed,
        results=results,
        progress=reporter_for_stderr(),
    )
    if as_json:
        print_json(reproduced.to_dict())
    else:
        _print(reproduced.reproduction)


def _print(found: Reproduction) -> None:
    """Print a table per source, then what was left out."""
    from harness.cli.console import print_aligned, print_text, print_wrapped
    from harness.metrics.names import label, parse_metric
    from harness.reports.sources import cells, heads, source_line, summary

    metric = label(parse_metric(found.metric))
    for source in found.sources:
        print_wrapped(
            f"{found.system.label} ({found.query_set} queries, {metric} × 100) against "
            f"{source_line(source)}"
        )
        names = heads(found)
        rows = (cells(line) for line in source.lines)
        print_aligned([dict(zip(names, row, strict=True)) for row in rows])
        print_text(f"{summary(source)}\n")
    if found.left_out:
        print_text("not compared with it, since they are on other data:")
    for reason in found.left_out:
        print_wrapped(f"  {reason}")
