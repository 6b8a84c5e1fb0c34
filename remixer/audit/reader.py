"""Read training files for an audit: anybody's rows, each with its location and its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import open_text, read_jsonl
from harness.core.training_row import TrainingRow, row_from_json

_SUFFIXES = (".jsonl", ".jsonl.gz")
_PIECE = 1 << 20
_OWN = "training.jsonl.gz"
_IDS = ("pos_ids", "pos_id")


@dataclass(frozen=True, slots=True)
class RowLocation:
    """The file name and line (from 1) of a row."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return `name:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row with its location, its task, and its positives' ids if it has them."""

    location: RowLocation
    task: str
    row: TrainingRow
    positive_ids: tuple[str, ...] = ()


def training_files(path: Path) -> tuple[Path, ...]:
    """Return a file itself, a run folder's training file, or all JSONL files of another folder.

    Raises `BadInput` when there is nothing to read.
    """
    if not path.is_dir():
        if not path.is_file():
            raise BadInput(f"no such file or folder: {path}", fix="Check the path.")
        return (path,)
    if (path / _OWN).is_file():
        return (path / _OWN,)
    files = tuple(
        each for each in sorted(path.iterdir()) if each.is_file() and each.name.endswith(_SUFFIXES)
    )
    if not files:
        raise BadInput(f"{path} holds no .jsonl or .jsonl.gz", fix="Give a training file.")
    return files


def count_lines(path: Path) -> int:
    """Return how many lines a file has, without decoding them; raises `BadInput` for damage."""
    with open_text(path) as handle:
        raw = handle.detach()
        pieces = iter(lambda: raw.read(_PIECE), b"")
        return sum(piece.count(b"\n") for piece in pieces)


def read_audit_rows(files: Sequence[Path], tasks: Sequence[str]) -> Iterator[AuditRow]:
    """Yield the rows of all files in order.

    A row without a task belongs to the one of `tasks` that its file is named after (FlagEmbedding's
    `biology-formatted.jsonl`), to the only task if there is one file and one task, or else to a
    task named like its file. Absent lists count as empty. Raises `BadInput`, naming file and
    line, for a row that is no JSON object or whose fields have a wrong type, and when there are no
    rows at all.
    """
    rows = 0
    for path in files:
        unnamed = _task_of(path, tasks, alone=len(files) == 1)
        for line, values in read_jsonl(path):
            filled = {**values, "pos": values.get("pos") or [], "neg": values.get("neg") or []}
            row = row_from_json(filled, f"{path}, line {line}")
            rows += 1
            yield AuditRow(RowLocation(path.name, line), row.task or unnamed, row, _ids(values))
    if not rows:
        names = ", ".join(str(path) for path in files)
        raise BadInput(f"{names}: no rows", fix="Give a file with one JSON object a line.")


def _task_of(path: Path, tasks: Sequence[str], *, alone: bool) -> str:
    """Return the task of a file's rows that name none."""
    name = path.name
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        name = name.removesuffix(suffix)
    named = [task for task in tasks if name == task or name.startswith((f"{task}-", f"{task}_"))]
    if named:
        return max(named, key=len)
    return tasks[0] if alone and len(tasks) == 1 else name


def _ids(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of a row's positives, if it has them under a usual name."""
    for key in _IDS:
        ids = values.get(key)
        if isinstance(ids, list):
            return tuple(map(str, ids))
    return ()
