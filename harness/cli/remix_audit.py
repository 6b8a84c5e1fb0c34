"""`rebench remix audit`: what a training file should not be learnt from, counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import CacheOption, DataOption, JsonOption, settings_from

if TYPE_CHECKING:
    from harness.core.protocols import Reporter
    from harness.core.settings import Settings
    from harness.core.types import Task
    from remixer.audit import Audit
    from remixer.scorers import Scorer

_AT_ONCE = 6
"""Columns of tasks that a table of the terminal holds."""


def run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A training file (.gz too), or a folder of them."),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task", "-t", metavar="T[,T…]", help="Hold it against these tasks; may be repeated."
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option("--corpus", metavar="DIR", help="The documents that rows were made from."),
    ] = None,
    embedder: Annotated[
        str,
        typer.Option("--embedder", metavar="NAME", help="Also look for false negatives with it."),
    ] = "",
    sample: Annotated[
        int, typer.Option("--sample", min=0, help="Rows of a task that are ranked; 0: all.")
    ] = 300,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample and the hashes.")] = 42,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 2 when a limit is passed.")
    ] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="MEASURE=SHARE", help="Another limit; may be repeated."),
    ] = None,
    note: Annotated[
        list[str] | None,
        typer.Option("--note", metavar="TEXT", help="A paragraph for the head of the report."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.md", help="Write a report.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    cache_dir: CacheOption = None,
) -> None:
    """Audit a training file, ours or anybody's: rows with query, pos and neg.

    Triviality, contamination, false negatives, duplicates and labels, by task, with limits.
    """
    from harness.cli.progress import reporter_for_stderr
    from harness.core.files import write_text
    from remixer.audit import AuditTools, audit
    from remixer.audit_measures import parse_limits, with_limits
    from remixer.audit_report import render_audit
    from remixer.audit_scan import Sampling

    measures = with_limits(parse_limits(limit or ()))
    settings = settings_from(data=data, cache=cache_dir)
    reporter = reporter_for_stderr()
    tasks = _loaders(task or [], corpus, settings, reporter)
    own = tasks[-1] if corpus is not None else None
    tools = AuditTools(reporter, tasks, _scorer(embedder, settings), own)
    found = audit(file, tools, Sampling(rows=sample, seed=seed), measures)
    if output is not None:
        write_text(output, render_audit(found, note or ()))
    _show(found, as_json=as_json)
    _judge(found, strict=strict)


def _loaders(
    specs: Sequence[str], corpus: Path | None, settings: Settings, reporter: Reporter
) -> list[Callable[[], Task]]:
    """Return what loads each task; a single one is loaded once and kept."""
    from harness.data.registry import resolve_tasks
    from remixer.corpus import folder_task

    names = resolve_tasks(",".join(specs)) if specs else ()
    loaders = [_task_loader(name, settings, reporter) for name in names]
    if corpus is not None:
        folder = corpus
        loaders.append(lambda: folder_task(folder, reporter))
    return [cache(loaders[0])] if len(loaders) == 1 else loaders


def _task_loader(name: str, settings: Settings, reporter: Reporter) -> Callable[[], Task]:
    """Return what loads a task, its queries alone where its documents are not at hand."""
    from harness.core.errors import DataUnavailable
    from harness.data.registry import TaskOptions, load_task

    def load() -> Task:
        try:
            return load_task(name, TaskOptions(data_dir=settings.data_dir), reporter)
        except DataUnavailable as error:
            options = TaskOptions(data_dir=settings.data_dir, with_corpus=False)
            task = load_task(name, options, reporter)
            reporter.warn(f"{name} is held against without its documents: {error.message}")
            return task

    return load


def _scorer(embedder: str, settings: Settings) -> Scorer | None:
    """Return the scorer of an embedder's name (`None` for no name)."""
    from harness.cli.remix_tools import scorer_for

    return scorer_for("embedding", embedder, settings) if embedder else None


def _show(found: Audit, *, as_json: bool) -> None:
    """Print what was found: some tasks at a time, side by side."""
    from harness.cli.console import print_json, print_table, print_text
    from remixer.audit_report import audit_json, broken_lines, columns, measure_rows

    if as_json:
        print_json(audit_json(found))
        return
    print_text(f"{', '.join(found.files)}: {found.rows:,} rows, {found.passages:,} passages")
    names = columns(found)
    for first in range(0, len(names), _AT_ONCE):
        shown = names[first : first + _AT_ONCE]
        print_table("measures", measure_rows(found, shown), as_json=False)
    lines = broken_lines(found)
    print_text("limits passed:" if lines else "no limit is passed")
    for line in lines:
        print_text(f"  {line}")


def _judge(found: Audit, *, strict: bool) -> None:
    """Raise `BadInput` when a limit is passed and that matters."""
    from harness.core.errors import BadInput
    from remixer.audit_report import broken_lines

    lines = broken_lines(found)
    if strict and lines:
        raise BadInput(
            f"{len(lines)} limit{'s are' if len(lines) > 1 else ' is'} passed: {'; '.join(lines)}",
            fix="Mend or drop those rows, or allow more with --limit MEASURE=SHARE.",
        )
