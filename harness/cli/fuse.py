"""`rebench fuse`: several runs as one system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.options import (
    DataOption,
    JsonOption,
    ResultsOption,
    command_line,
)

if TYPE_CHECKING:
    from harness.api.piping import FusionResult
    from harness.pipelines.fuse import FuseResult, Gain


def run(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Two measured systems or more, or run files; {task} in a path stands for a task.",
        ),
    ],
    tasks: shared.TasksChoice = "",
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="rrf, wsum, sum, mnz, isr …")
    ] = "rrf",
    norm: Annotated[
        str,
        typer.Option("--norm", metavar="NAME", help="min-max, zmuv, rank, neg-log-rank, none …"),
    ] = "",
    missing: Annotated[
        str,
        typer.Option(
            "--missing",
            metavar="RULE",
            help="How a document counts that a list lacks: zero or lowest [default: the norm's].",
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option("--weights", metavar="LIST", help="0.5,0.5 or NAME=0.75,NAME=0.25."),
    ] = "",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=NUMBER", help="The method's, such as k=60 of rrf."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option("--depth", metavar="N", help="Documents read of each list.")
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose out of fold what is not given.")
    ] = False,
    name: Annotated[str, typer.Option("--name", metavar="N", help="Name of the new entry.")] = "",
    k: Annotated[int, typer.Option("-k", help="Documents kept for each query.")] = 1000,
    query_set: shared.QuerySetChoice = "",
    force: Annotated[bool, typer.Option("--force", help="Repeat what is stored.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Fuse runs into one system, and store it as an entry.

    Norms and methods have ranx's names. With --tune, weights, parameters and depth that are not
    given are chosen on four folds of the queries and used on the fifth, in turn.

    Example: rebench fuse reasonir-8b rader-gte-qwen2-7b --tasks bright --method rrf
    """
    from harness.api.piping import fuse
    from harness.cli.progress import reporter_for_stderr
    from harness.pipelines.fusion import read_parameters

    found = fuse(
        *runs,
        tasks=tasks,
        method=method,
        norm=norm,
        missing=missing,
        weights=weights,
        parameters=read_parameters(param or ()),
        depth=depth,
        tune=tune,
        name=name,
        k=k,
        query_set=query_set,
        force=force,
        command=command_line(),
        results=results,
        data=data,
        progress=reporter_for_stderr(),
    )
    _print(found, as_json)


def _print(fused: FusionResult, as_json: bool) -> None:
    """Print the entries by task with their parts, and what fusing brought."""
    from harness.cli.console import print_aligned, print_json, print_wrapped
    from harness.metrics.names import label, parse_metric
    from harness.render.numbers import signed, signed_interval

    result, found = fused.result, fused.gain
    if as_json:
        print_json(fused.to_dict())
        return
    print_aligned(_rows(result, found))
    print_wrapped(
        f"{result.name}: {label(parse_metric(found.metric))} × 100 is "
        f"{signed(found.delta)} ({signed_interval(found.interval)}) against {found.better}, the "
        "better part"
    )
    for note in result.notes:
        print_wrapped(f"note: {note}")
    if "tuned" in result.settings:
        print_wrapped("note: tuned: each query was fused with settings chosen on the other folds")


def _rows(result: FuseResult, found: Gain) -> list[dict[str, str]]:
    """Return one row a task, and the mean over them."""
    rows = [
        {
            "task": task,
            "queries": f"{outcome.entry.task.n_queries:,}",
            **{part: _hundredths(values[task]) for part, values in found.by_task.items()},
            "fused": _hundredths(outcome.entry.metrics[found.metric]),
        }
        for task, outcome in result.outcomes.items()
    ]
    if len(rows) > 1:
        parts = {part: _hundredths(value) for part, value in found.parts.items()}
        mean = {"task": f"mean of {len(rows)}", "queries": "", **parts}
        rows.append({**mean, "fused": _hundredths(found.mean)})
    return rows


def _hundredths(value: float) -> str:
    """Return a fraction × 100 with two decimals."""
    return f"{100 * value:.2f}"
