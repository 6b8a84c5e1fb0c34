"""BRIGHT from a local folder: `DIR/<config>/<split>.parquet`, `.jsonl` or `.jsonl.gz`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, DataUnavailable
from harness.data.checks import Rows, jsonl_rows

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

LAYOUT = "DIR/<config>/<split>.parquet, .jsonl or .jsonl.gz"
_BATCH = 1_024
"""Rows of a parquet file in memory at once; the longest documents reach 9 million characters."""


def local_rows(folder: Path, config: str, split: str, columns: Sequence[str]) -> Rows:
    """Return the rows of one file of a local copy, read as they are asked for.

    Files named as the hub names them (`<split>-00000-of-00001.parquet`) are found as well.
    Raises `DataUnavailable` when there is none, naming what was looked for.
    """
    place = folder / config
    for suffix in (".jsonl", ".jsonl.gz"):
        path = place / f"{split}{suffix}"
        if path.is_file():
            return jsonl_rows(path)
    whole = place / f"{split}.parquet"
    parts = [whole] if whole.is_file() else sorted(place.glob(f"{split}-*-of-*.parquet"))
    if not parts:
        raise DataUnavailable(
            f"{folder} holds no {config}/{split}.parquet, .jsonl or .jsonl.gz",
            fix=f"The layout of a local copy is {LAYOUT}, named as on the hub; "
            "leave out --data and REBENCH_DATA to read from the hub.",
        )
    return parquet_rows(parts, columns)


def parquet_rows(paths: Sequence[Path], columns: Sequence[str]) -> Rows:
    """Return the rows of parquet files, counted through; raises `BadInput` for a damaged one."""
    label = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    return Rows(label=label, unit="row", items=_iterate(paths, columns))


def parquet_columns(path: Path) -> tuple[str, ...]:
    """Return the names of a parquet file's columns; raises `BadInput` for a damaged one."""
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def parquet_row_count(path: Path) -> int:
    """Return the number of a parquet file's rows; raises `BadInput` for a damaged one."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def _iterate(
    paths: Sequence[Path], columns: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (row number from 1 over all files, row with the asked columns)."""
    number = 0
    for path in paths:
        for row in _read_parquet(path, columns):
            number += 1
            yield number, row


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield one file's rows, batch by batch."""
    with _opened(path) as file:
        missing = sorted(set(columns).difference(file.schema_arrow.names))
        if missing:
            raise BadInput(
                f"{path} has no column {', '.join(missing)}",
                fix=f"It must hold the columns {', '.join(columns)}, as on the hub.",
            )
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    """Open a parquet file; whatever goes wrong with reading it is a `BadInput`."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        # ValueError: a text that is not UTF-8, a date that Python does not have
        raise BadInput(
            f"{path} cannot be read as parquet: {error}",
            fix="The file is damaged or cut short; fetch it again.",
        ) from error
