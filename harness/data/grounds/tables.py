"""One split of one configuration as rows, and which of its columns is which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, UnknownName
from harness.core.files import read_lines
from harness.data.bright_local import parquet_columns, parquet_row_count, parquet_rows
from harness.data.checks import Rows, jsonl_rows
from harness.data.grounds.files import Configs, DatasetFiles, usable_files

OWN_ID = ("_id", "id")
QUERY_ID = ("query-id", "query_id", "q_id", "qid")
DOCUMENT_ID = ("corpus-id", "corpus_id", "doc_id", "docid", "p_id", "pid")
DOCUMENT_IDS = ("corpus-ids", "corpus_ids", "doc_ids", "docids")
"""Column names as they occur: mteb's and BEIR's first, then hakari's and R2MED's."""


@dataclass(frozen=True, slots=True)
class Table:
    """One split of one configuration; `columns` are those of its first row."""

    files: DatasetFiles
    config: str
    split: str
    paths: tuple[Path, ...]
    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return what the table is called in messages: its file, or data set and configuration."""
        if len(self.paths) == 1 and not self.files.is_remote:
            return str(self.paths[0])
        return f"{self.files.label}, {self.config}/{self.split}"

    def column(self, names: Sequence[str]) -> str:
        """Return the first of some names that is a column; raises `BadInput`."""
        for name in names:
            if name in self.columns:
                return name
        raise BadInput(
            f"{self.label} has no column {' or '.join(names)}; it has {', '.join(self.columns)}",
            fix="Check that the configuration holds what its name says.",
        )

    def count(self) -> int:
        """Return the number of rows."""
        if self.paths[0].name.endswith(".parquet"):
            return sum(map(parquet_row_count, self.paths))
        return sum(1 for path in self.paths for _ in read_lines(path))

    def rows(self, *wanted: str) -> Rows:
        """Return all rows, with at least the wanted columns that there are."""
        if self.paths[0].name.endswith(".parquet"):
            there = [name for name in dict.fromkeys(wanted) if name in self.columns]
            found = parquet_rows(self.paths, there)
            return Rows(self.label, found.unit, found.items)
        return Rows(self.label, "line", _lines(self.paths))


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set's files and configurations."""

    files: DatasetFiles
    configs: Configs

    def table(self, config: str, split: str) -> Table:
        """Return a split, or the only one that a configuration has under whatever name.

        Raises `UnknownName` for a split that it does not have, `BadInput` for files that cannot
        be read.
        """
        splits = self.configs[config]
        if split not in splits and len(splits) == 1:
            split = next(iter(splits))
        if split not in splits:
            raise unknown_split(self.files, config, split, splits)
        paths = tuple(usable_files(self.files, config, split, splits[split]))
        return Table(self.files, config, split, paths, _columns(paths[0]))


def unknown_split(
    files: DatasetFiles, config: str, split: str, known: Mapping[str, object]
) -> UnknownName:
    """Return the error for a split that a configuration does not have."""
    listing = f"{config!r} of {files.label} has: {', '.join(known)}."
    return UnknownName("split", split, known, listing=listing)


def _columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a file: a parquet file's, or the keys of the first line."""
    if path.name.endswith(".parquet"):
        return parquet_columns(path)
    return next((tuple(row) for _, row in jsonl_rows(path).items), ())


def _lines(paths: Sequence[Path]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line from 1, row) of each file in turn; an error of reading names the file itself."""
    for path in paths:
        yield from jsonl_rows(path).items
