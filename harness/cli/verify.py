"""`rebench verify`: every measured number again, from the stored runs."""

from __future__ import annotations

import typer

from harness.cli.options import JsonOption, ResultsOption


def run(as_json: JsonOption = False, results: ResultsOption = None) -> None:
    """Recompute each entry's metrics from its stored run; exit 2 if any number does not follow.

    The judgements are kept beside the entries, so neither the hub nor a data folder is needed.
    """
    from harness.api.evaluating import verify
    from harness.cli.console import print_table
    from harness.cli.progress import reporter_for_stderr

    verified = verify(results=results, progress=reporter_for_stderr())
    print_table("entries to verify", verified.rows(), as_json=as_json)
    if not verified.sound:
        raise typer.Exit(2)
