"""The rows of a run's stage files, each knowing its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import BadInput
from harness.core.files import read_jsonl
from harness.core.types import Json


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A document to write a query from, and the conditions drawn for it."""

    doc_id: str
    length: str
    education: str


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query and what it was written from; `reasoning_query` is empty until it is known.

    `model` wrote the query and `prompt` is the hash of the wording it was asked with;
    `reasoning_model` and `reasoning_prompt` are the same for the reasoning.
    """

    doc_id: str
    length: str
    education: str
    query: str
    model: str
    prompt: str
    reasoning_query: str = ""
    reasoning_model: str = ""
    reasoning_prompt: str = ""


@dataclass(frozen=True, slots=True)
class MinedRow:
    """Candidates of the query written from `doc_id`, best first, with the retriever's scores."""

    doc_id: str
    candidates: tuple[str, ...]
    scores: tuple[float, ...]
    retriever: str


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Relevance of a query's candidates, 1 to 5 and 0 where there is none, in their order.

    `annotator` names the model or scorer, `prompt` the hash of its wording (empty without one).
    """

    doc_id: str
    candidates: tuple[str, ...]
    labels: tuple[int, ...]
    annotator: str
    prompt: str = ""


R = TypeVar("R", SourceRow, QueryRow, MinedRow, LabelRow)


def row_values(row: SourceRow | QueryRow | MinedRow | LabelRow) -> dict[str, Json]:
    """Return a row as a JSON object."""
    return asdict(row)


def read_stage(path: Path, kind: type[R]) -> Iterator[R]:
    """Yield the rows of a stage's file; raises `BadInput` naming file, line and field."""
    for number, values in read_jsonl(path):
        yield _row(values, kind, f"{path}, line {number}")


def rows_by_id(rows: Iterable[R]) -> dict[str, R]:
    """Return doc_id -> row, in order."""
    return {row.doc_id: row for row in rows}


def _row(values: Mapping[str, Any], kind: type[R], where: str) -> R:
    """Return one row; raises `BadInput` when its fields are not those of its kind."""
    names = {field.name: field.type for field in fields(kind)}
    if set(values) != set(names):
        raise BadInput(
            f"{where}: the fields are {sorted(values)}",
            fix=f"A row here has {sorted(names)}; remove the file to make it again.",
        )
    made = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    for key, value in made.items():
        if isinstance(value, tuple) != str(names[key]).startswith("tuple"):
            raise BadInput(f"{where}: {key} is {value!r}", fix="Remove the file to make it again.")
    constructor: Callable[..., R] = kind
    return constructor(**made)
