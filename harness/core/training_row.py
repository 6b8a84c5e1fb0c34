"""The training row: what ReMixer writes and Redapter reads, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import damage_first, packed, read_jsonl, write_atomic
from harness.core.types import Json

LISTS = {"pos": str, "neg": str, "pos_scores": (int, float), "neg_scores": (int, float)}
TEXTS = ("prompt", "query", "reasoning_query", "source_id", "task")
COUNTS = ("train_group_size", "batch_size")


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One query with judged documents, in FlagEmbedding's field names.

    `prompt` is the instruction; `pos` and `neg` are document texts, `pos_scores` and `neg_scores`
    their relevance (1 to 5 from an annotator; empty: not known). `reasoning_query` is the query
    with its reasoning, which Redapter needs (empty: not known). `source_id` names the document
    that the query was written from, which is in neither list. `train_group_size` (passages a
    query, the positive included) and `batch_size` (queries a device) override the recipe's where
    they are not 0. `task` groups rows into batches.
    """

    query: str
    pos: tuple[str, ...]
    neg: tuple[str, ...]
    prompt: str = ""
    reasoning_query: str = ""
    pos_scores: tuple[float, ...] = ()
    neg_scores: tuple[float, ...] = ()
    source_id: str = ""
    task: str = ""
    conditions: Mapping[str, Json] = field(default_factory=dict)
    train_group_size: int = 0
    batch_size: int = 0


def row_json(row: TrainingRow) -> dict[str, Json]:
    """Return a row as a JSON object; fields that are not known are left out."""
    every: dict[str, Json] = {
        "prompt": row.prompt,
        "query": row.query,
        "reasoning_query": row.reasoning_query,
        "pos": list(row.pos),
        "neg": list(row.neg),
        "pos_scores": list(row.pos_scores),
        "neg_scores": list(row.neg_scores),
        "source_id": row.source_id,
        "task": row.task,
        "conditions": dict(row.conditions),
        "train_group_size": row.train_group_size,
        "batch_size": row.batch_size,
    }
    needed = ("query", "pos", "neg")
    return {key: value for key, value in every.items() if value or key in needed}


def row_from_json(values: Mapping[str, Any], where: str) -> TrainingRow:
    """Return the row of a JSON object; raises `BadInput` naming `where` and the field.

    Fields that other tools add (`id`, `type`) are left out; those named here must have their
    type, `query`, `pos` and `neg` must be there, and scores must match their list in length.
    """
    for key in ("query", "pos", "neg"):
        if key not in values:
            raise BadInput(f"{where}: the field {key!r} is missing", fix="Add it to that row.")
    known: dict[str, Any] = {}
    for key in TEXTS:
        known[key] = _typed(values.get(key) or "", str, key, where)
    for key, kind in LISTS.items():
        items = _typed(values.get(key) or [], list, key, where)
        known[key] = tuple(
            _typed(item, kind, f"{key}[{at}]", where) for at, item in enumerate(items)
        )
    for key in COUNTS:
        known[key] = _typed(values.get(key) or 0, int, key, where)
    known["conditions"] = _typed(values.get("conditions") or {}, dict, "conditions", where)
    row = TrainingRow(**known)
    for name, texts, scores in (
        ("pos", row.pos, row.pos_scores),
        ("neg", row.neg, row.neg_scores),
    ):
        if scores and len(scores) != len(texts):
            raise BadInput(
                f"{where}: {len(texts)} {name} but {len(scores)} {name}_scores",
                fix="Give one score a document, or none.",
            )
    if row.train_group_size < 0 or row.batch_size < 0:
        raise BadInput(
            f"{where}: train_group_size {row.train_group_size}, batch_size {row.batch_size}",
            fix="They must be 1 or more; leave them out to use the recipe's.",
        )
    return row


def read_rows(path: Path) -> Iterator[TrainingRow]:
    """Yield the rows of a JSONL file, plain or `.gz`; raises `BadInput` with file and line."""
    with damage_first(path):
        for number, values in read_jsonl(path):
            yield row_from_json(values, f"{path}, line {number}")


def write_rows(path: Path, rows: Iterable[TrainingRow]) -> None:
    """Write rows as JSONL (gzipped where the name ends in `.gz`), whole or not at all."""
    write_atomic(path, rows_bytes(rows, path.suffix))


def rows_bytes(rows: Iterable[TrainingRow], suffix: str) -> bytes:
    """Return rows as JSONL, gzipped without a time stamp where `suffix` is `.gz`."""
    lines = (json.dumps(row_json(row), ensure_ascii=False) for row in rows)
    return packed("".join(f"{line}\n" for line in lines), suffix)


def _typed(value: Any, kind: Any, key: str, where: str) -> Any:
    """Return the value if it has its type (a bool is no number); raises `BadInput`."""
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = getattr(kind, "__name__", "number")
        raise BadInput(
            f"{where}: {key} is {value!r}", fix=f"It must be of type {wanted}; mend that row."
        )
    return value
