"""`rebench verify`: every measured number again, from the stored runs."""

from __future__ import annotations

import typer

from harness.cli.options import JsonOption, ResultsOption, settings_from


def run(as_json: JsonOption = False, results: ResultsOption = None) -> None:
    """Recompute each entry's metrics from its stored run; exit 2 if any number does not follow.

    The judgements are kept beside the entries, so neither the hub nor a data folder is needed.
    """
    from harness.cli.console import print_table
    from harness.evaluate import verify_all
    from results.store import ResultStore

    store = ResultStore(settings_from(results=results).results_dir)
    loaded = store.entries()
    rows = [
        {
            "model": verdict.entry.model,
            "task": verdict.entry.task.name,
            "query set": verdict.entry.task.query_set,
            "status": verdict.status,
            "detail": verdict.detail,
        }
        for verdict in verify_all(store, loaded.entries)
    ]
    rows += [
        {"model": "?", "task": "?", "query set": "?", "status": "corrupt", "detail": each.message}
        for each in loaded.problems
    ]
    print_table("entries to verify", rows, as_json=as_json)
    if any(row["status"] != "match" for row in rows):
        raise typer.Exit(2)
