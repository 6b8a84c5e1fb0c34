"""`rebench remix audit`: reasons not to train on a file, counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import CacheOption, DataOption, JsonOption

if TYPE_CHECKING:
    from remixer.audit.run import Audit

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
    from harness.api.audits import audit_rows
    from harness.cli.progress import reporter_for_stderr
    from harness.core.files import write_text

    audited = audit_rows(
        file,
        tasks=task or (),
        corpus=corpus,
        embedder=embedder,
        sample=sample,
        seed=seed,
        limits=limit or (),
        data=data,
        cache=cache_dir,
        progress=reporter_for_stderr(),
    )
    if output is not None:
        write_text(output, audited.report(note or ()))
    _show(audited.audit, as_json=as_json)
    _judge(audited.audit, strict=strict)


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
