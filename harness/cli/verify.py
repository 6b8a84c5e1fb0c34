"""`rebench verify`: every measured number again, from the stored runs; or a report's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption, ResultsOption


def run(
    reports: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="REPORT",
            help="Folders or .md files of reports, to be held against their manifests instead.",
        ),
    ] = None,
    as_json: JsonOption = False,
    results: ResultsOption = None,
) -> None:
    """Recompute each entry's metrics from its stored run; exit 2 if any number does not follow.

    The judgements are kept beside the entries, so neither the hub nor a data folder is needed.
    With REPORT, name each file of a written report that is not what was written: one that was
    killed midway, or changed since.
    """
    from harness.api.evaluating import verify
    from harness.cli.console import print_table
    from harness.cli.progress import reporter_for_stderr

    if reports:
        _verify_reports(reports, as_json=as_json)
        return
    verified = verify(results=results, progress=reporter_for_stderr())
    print_table("entries to verify", verified.rows(), as_json=as_json)
    if not verified.sound:
        raise typer.Exit(2)


def _verify_reports(reports: list[Path], *, as_json: bool) -> None:
    """Print what is wrong with written reports; exit 2 if anything is."""
    from harness.api.comparing import check_report
    from harness.cli.console import print_table

    rows = [
        {"report": str(path), "problem": problem.message, "fix": problem.fix}
        for path in reports
        for problem in check_report(path)
    ]
    print_table("problems", rows, as_json=as_json)
    if rows:
        raise typer.Exit(2)
