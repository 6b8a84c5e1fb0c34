"""Measured entries as two Parquet tables, for SQL and notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, StoreError
from harness.core.files import atomic_file
from harness.core.hashing import canonical_json
from results.schema import Entry
from results.store import ResultStore
from results.systems import configuration_hash

ENTRIES = "entries.parquet"
"""A row per entry: who, on what, its head metric, and all else that the entry holds."""

VALUES = "per_query.parquet"
"""A row per entry, metric and query, the metrics' means left to whoever reads."""


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A table that was written, and how many rows it has."""

    path: Path
    rows: int


@dataclass(frozen=True, slots=True)
class ParquetExport:
    """The tables that were written, and the entries whose values could not be read."""

    tables: tuple[ParquetTable, ...]
    problems: tuple[StoreError, ...]


def export_parquet(entries: Iterable[Entry], store: ResultStore, folder: Path) -> ParquetExport:
    """Write `entries.parquet` and `per_query.parquet` into a folder, made if absent.

    The tables share the column `entry`. An entry whose values by query cannot be read is in
    neither, and named in `problems`. Each table is replaced whole or not at all, values first.
    Raises `StoreError` where the folder cannot be written, `BadInput` if no entry is left.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept: list[Entry] = []
    problems: list[StoreError] = []
    count = 0
    values, facts = folder / VALUES, folder / ENTRIES
    with atomic_file(values) as temporary:
        with pq.ParquetWriter(temporary, _value_schema(pa)) as writer:
            for entry in entries:
                try:
                    block = _values(pa, entry, store)
                except StoreError as error:
                    problems.append(error)
                    continue
                writer.write_table(block)
                kept.append(entry)
                count += len(block)
        if not kept:
            raise BadInput(
                "there is no entry to write" + (f": {problems[0].message}" if problems else ""),
                fix="Check --models and --tasks, or measure a system with `rebench eval`.",
            )
    with atomic_file(facts) as temporary:
        pq.write_table(_entries(pa, kept), temporary)
    written = (ParquetTable(facts, len(kept)), ParquetTable(values, count))
    return ParquetExport(written, tuple(problems))


def _entry_id(entry: Entry) -> str:
    """Return what names a measurement: two results may share one identity."""
    files = entry.files
    return f"{entry.identity_hash[:16]}-{files.run_sha256[:16] if files else ''}"


def _value_schema(pa: Any) -> Any:
    texts = ("entry", "model", "task", "metric", "query")
    return pa.schema([*((name, pa.string()) for name in texts), ("value", pa.float64())])


def _values(pa: Any, entry: Entry, store: ResultStore) -> Any:
    """Return an entry's values; its checksum is looked at on the way."""
    metrics: list[str] = []
    queries: list[str] = []
    numbers: list[float] = []
    for metric, by_query in store.per_query(entry).items():
        metrics += [metric] * len(by_query)
        queries += by_query
        numbers += by_query.values()
    same = (_entry_id(entry), entry.model, entry.task.name)
    columns = [*([text] * len(numbers) for text in same), metrics, queries, numbers]
    schema = _value_schema(pa)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _entries(pa: Any, entries: list[Entry]) -> Any:
    """Return the table of entries; what has no fixed columns is JSON text."""
    metrics = dict.fromkeys(metric for entry in entries for metric in entry.metrics)
    rows = [{**_row(entry), **{name: entry.metrics.get(name) for name in metrics}}
            for entry in entries]  # fmt: skip
    texts = (
        "entry", "model", "system", "task", "group", "query_set", "revision", "gold",
        "fingerprint", "queries_fingerprint", "corpus_fingerprint", "head_metric", "created",
        "identity", "facts", "environment", "timings", "command",
    )  # fmt: skip
    counts = ("k", "n_queries", "n_documents", "missing_queries")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts),
            *((name, pa.int64()) for name in counts),
            *((name, pa.float64()) for name in ("value", "seconds", *metrics)),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _row(entry: Entry) -> dict[str, Any]:
    task = entry.task
    return {
        "entry": _entry_id(entry),
        "model": entry.model,
        "system": configuration_hash(entry),
        "task": task.name,
        "group": task.group,
        "query_set": task.query_set,
        "revision": task.revision,
        "gold": task.gold,
        "fingerprint": task.fingerprint,
        "queries_fingerprint": task.queries_fingerprint,
        "corpus_fingerprint": task.corpus_fingerprint,
        "head_metric": task.head_metric,
        "created": entry.created,
        "identity": canonical_json(entry.identity),
        "facts": canonical_json(entry.facts),
        "environment": canonical_json(entry.environment),
        "timings": canonical_json(entry.timings),
        "command": canonical_json(list(entry.command)),
        "k": entry.k,
        "n_queries": task.n_queries,
        "n_documents": task.n_documents,
        "missing_queries": len(entry.missing_queries),
        "value": entry.metrics[task.head_metric],
        "seconds": sum(entry.timings.values()),
    }
