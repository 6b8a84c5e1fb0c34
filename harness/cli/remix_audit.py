"""`rebench remix audit`: reasons not to train on a file, counted."""

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
    from remixer.audit.run import Audit
    from remixer.stages.scorers import CandidateScorer

_AT_ONCE = 6
"""Task columns in one table of the terminal."""


def run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A training file (.gz too), or a folder of them."),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task", "-t", metavar="T[,T…]", help="Compare with these tasks; may be repeated."
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option("--corpus", metavar="DIR", help="The documents that rows were made from."),
    ] = None,
    embedder: Annotated[
        str,
        typer.Option(
            "--embedder", metavar="NAME", help="An embedder that also looks for false negatives."
        ),
    ] = "",
    sample: Annotated[
        int, typer.Option("--sample", min=0, help="Rows to rank per task; 0: all.")
    ] = 300,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample and the hashes.")] = 42,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 2 if a limit is exceeded.")
    ] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="MEASURE=SHARE", help="Another limit; may be repeated."),
    ] = None,
    note: Annotated[
        list[str] | None,
        typer.Option("--note", metavar="TEXT", help="A paragraph at the top of the report."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.md", help="Write a report.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    cache_dir: CacheOption = None,
) -> None:
    """Audit a training file, ours or anybody's: rows with query, pos and neg.

    Reports triviality, contamination, false negatives, duplicates and labels by task.
    """
    from harness.cli.progress import reporter_for_stderr
    from harness.core.files import write_text
    from remixer.audit.measures import parse_limits, with_limits
    from remixer.audit.report import render_audit
    from remixer.audit.run import AuditTools, audit
    from remixer.audit.scan import AuditSampling

    measures = with_limits(parse_limits(limit or ()))
    settings = settings_from(data=data, cache=cache_dir)
    reporter = reporter_for_stderr()
    tasks = _loaders(task or [], corpus, settings, reporter)
    own = tasks[-1] if corpus is not None else None
    tools = AuditTools(reporter, tasks, _scorer(embedder, settings), own)
    result = audit(file, tools, AuditSampling(rows=sample, seed=seed), measures)
    if output is not None:
        write_text(output, render_audit(result, note or ()))
    _show(result, as_json=as_json)
    _judge(result, strict=strict)


def _loaders(
    specs: Sequence[str], corpus: Path | None, settings: Settings, reporter: Reporter
) -> list[Callable[[], Task]]:
    """Return a loader for each task; a single task is loaded once and kept."""
    from harness.data.registry import resolve_tasks
    from remixer.corpus import folder_task

    names = resolve_tasks(",".join(specs)) if specs else ()
    loaders = [_task_loader(name, settings, reporter) for name in names]
    if corpus is not None:
        folder = corpus
        loaders.append(lambda: folder_task(folder, reporter))
    return [cache(loaders[0])] if len(loaders) == 1 else loaders


def _task_loader(name: str, settings: Settings, reporter: Reporter) -> Callable[[], Task]:
    """Return a loader of a task; without its documents if they are not available."""
    from harness.core.errors import DataUnavailable
    from harness.data.registry import TaskOptions, load_task

    def load() -> Task:
        try:
            return load_task(name, TaskOptions(data_dir=settings.data_dir), reporter)
        except DataUnavailable as error:
            options = TaskOptions(data_dir=settings.data_dir, with_corpus=False)
            task = load_task(name, options, reporter)
            reporter.warn(f"{name} is compared without its documents: {error.message}")
            return task

    return load


def _scorer(embedder: str, settings: Settings) -> CandidateScorer | None:
    """Return a scorer for an embedder's name (`None` without one)."""
    from harness.cli.remix_tools import scorer_for

    return scorer_for("embedding", embedder, settings) if embedder else None


def _show(result: Audit, *, as_json: bool) -> None:
    """Print the audit, a few tasks side by side at a time."""
    from harness.cli.console import print_json, print_table, print_text
    from remixer.audit.report import audit_json, columns, measure_rows, violation_lines

    if as_json:
        print_json(audit_json(result))
        return
    print_text(f"{', '.join(result.files)}: {result.rows:,} rows, {result.passages:,} passages")
    names = columns(result)
    for first in range(0, len(names), _AT_ONCE):
        shown = names[first : first + _AT_ONCE]
        print_table("measures", measure_rows(result, shown), as_json=False)
    lines = violation_lines(result)
    print_text("limits exceeded:" if lines else "no limit is exceeded")
    for line in lines:
        print_text(f"  {line}")


def _judge(result: Audit, *, strict: bool) -> None:
    """Raise `BadInput` if a limit is exceeded and `strict` is set."""
    from harness.core.errors import BadInput
    from remixer.audit.report import violation_lines

    lines = violation_lines(result)
    if strict and lines:
        limits = "limits are" if len(lines) > 1 else "limit is"
        raise BadInput(
            f"{len(lines)} {limits} exceeded: {'; '.join(lines)}",
            fix="Fix or remove those rows, or allow more with --limit MEASURE=SHARE.",
        )
