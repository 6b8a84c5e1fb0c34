"""`rebench fuse`: several runs as one system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import comparing as shared
from harness.cli.options import (
    DataOption,
    JsonOption,
    ResultsOption,
    command_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.compare.selection import NamedTasks
    from harness.core.settings import Settings
    from harness.core.types import Task
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
    from harness.api.session import open_session
    from harness.cli.progress import reporter_for_stderr
    from harness.compare.selection import named_tasks
    from harness.derived import EntryReader
    from harness.evaluate import EvalConfig
    from harness.pipelines.fuse import FuseRequest, fuse, gain
    from harness.pipelines.fusion import FusionSettings, read_parameters, read_weights
    from harness.pipelines.parts import PartSource, find_parts

    session = open_session(results=results, data=data, progress=reporter_for_stderr())
    entries = session.entries()
    named = named_tasks(tasks, entries)
    reader = EntryReader(session.store)
    load = _loader(session.settings, named)
    source = PartSource(entries, reader, load, session.reporter, query_set)
    parts = find_parts(runs, named.only(query_set), source)
    asked = FusionSettings(
        method=method,
        norm=norm,
        missing=missing,
        weights=read_weights(weights, [part.label for part in parts.parts]),
        parameters=read_parameters(param or ()),
        depth=depth,
    )
    config = EvalConfig(k=k, force=force, command=command_line())
    result = fuse(parts, FuseRequest(asked, name, tune), reader, config)
    head = next(iter(result.outcomes.values())).entry.task.head_metric
    _print(result, gain(result, parts, reader, head), as_json)


def _loader(settings: Settings, named: NamedTasks) -> Callable[[str], Task]:
    """Return what loads a task without documents."""
    from harness.data.registry import TaskOptions, load_task

    options = TaskOptions(data_dir=settings.data_dir, with_corpus=False)
    return lambda task: load_task(str(named.folders.get(task, task)), options)


def _print(result: FuseResult, found: Gain, as_json: bool) -> None:
    """Print the entries by task with their parts, and what fusing brought."""
    from harness.cli.console import print_aligned, print_json, print_wrapped
    from harness.metrics.names import label, parse_metric
    from harness.render.numbers import signed, signed_interval

    if as_json:
        print_json(_json(result, found))
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


def _json(result: FuseResult, found: Gain) -> dict[str, Any]:
    """Return everything as plain JSON; values are unrounded fractions."""
    from dataclasses import asdict

    from harness.api.evaluating import outcome_json

    return {
        "name": result.name,
        "settings": dict(result.settings),
        "entries": [outcome_json(outcome) for outcome in result.outcomes.values()],
        "gain": asdict(found),
        "notes": list(result.notes),
    }
