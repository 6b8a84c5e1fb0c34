"""Measured entries as tables for other tools: `rebench.export_parquet`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.session import open_session

if TYPE_CHECKING:
    from harness.interop.parquet import ParquetExport


def export_parquet(
    folder: str | Path,
    *,
    models: str = "",
    tasks: str = "",
    results: str | Path | None = None,
) -> ParquetExport:
    """Write entries and their values by query as two Parquet tables that share `entry`.

    `models` and `tasks` (or groups) are names with commas between them; empty: all. An entry that
    cannot be read is in `problems`. Raises `BadInput` if there is none to write, `StoreError`
    where the folder cannot be written.
    """
    from harness.interop.exporting import chosen_entries
    from harness.interop.parquet import export_parquet as write

    store = open_session(results=results).store
    loaded = store.entries()
    done = write(chosen_entries(loaded.entries, models, tasks), store, Path(folder))
    return replace(done, problems=(*loaded.problems, *done.problems))
