"""Training rows to files: JSONL for the trainers, Parquet for everybody else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from harness.core.files import atomic_file, open_writer
from harness.core.training_row import TrainingRow, row_json

_GROUP = 256
"""Rows a group of the Parquet file: what is held in memory."""


CONDITIONS = (
    "length", "education", "generate_model", "generate_prompt", "reason_model", "reason_prompt",
    "annotator", "annotate_prompt",
)  # fmt: skip
"""What a row's `conditions` hold."""


def write_training(path: Path, rows: Iterable[TrainingRow]) -> int:
    """Write rows as JSONL (gzipped for `.gz`) as they come, whole or not at all; return how many.

    Every row has every field, empty ones too, since readers that infer columns want them alike.
    Raises `StoreError`.
    """
    count = 0
    with atomic_file(path) as temporary, open_writer(temporary, path.suffix) as handle:
        for row in rows:
            handle.write(json.dumps(_columns(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def write_parquet(path: Path, rows: Iterable[TrainingRow]) -> int:
    """Write rows as a Parquet file, whole or not at all; return how many. Raises `StoreError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(pa)
    count = 0
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist([_columns(row) for row in group], schema))
            count += len(group)
    return count


def _columns(row: TrainingRow) -> dict[str, Any]:
    """Return a row with all its fields."""
    empty = {"prompt": "", "reasoning_query": "", "pos_scores": [], "neg_scores": []}
    more = {"source_id": "", "task": "", "conditions": {}, "train_group_size": 0, "batch_size": 0}
    return {**empty, **more, **row_json(row)}


def _groups(rows: Iterable[TrainingRow]) -> Iterator[list[TrainingRow]]:
    """Yield rows some at a time."""
    source = iter(rows)
    while group := list(islice(source, _GROUP)):
        yield group


def _schema(pa: Any) -> Any:
    """Return the columns of the Parquet file."""
    texts, scores = pa.list_(pa.string()), pa.list_(pa.float64())
    return pa.schema(
        [
            ("prompt", pa.string()),
            ("query", pa.string()),
            ("reasoning_query", pa.string()),
            ("pos", texts),
            ("neg", texts),
            ("pos_scores", scores),
            ("neg_scores", scores),
            ("source_id", pa.string()),
            ("task", pa.string()),
            ("conditions", pa.struct([(name, pa.string()) for name in CONDITIONS])),
            ("train_group_size", pa.int64()),
            ("batch_size", pa.int64()),
        ]
    )
