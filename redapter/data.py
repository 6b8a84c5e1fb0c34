"""Training rows from files, folders or the hub, checked for the loss that is to read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.files import read_jsonl
from harness.core.hashing import sha256_parts
from harness.core.hub import HubRepository, fetch_snapshot
from harness.core.paths import user_path
from harness.core.training_row import TrainingRow, row_from_json
from redapter.config import BatchConfig, DataConfig
from redapter.options import READS_REASONING

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FOLDERS = {"hanhainebula/reason-embed-data": "reason-embed-data-0928"}
"""Hub data sets whose rows lie in a sub-folder."""
FILE_SUFFIXES = (".jsonl", ".jsonl.gz")
TASK_SUFFIX = "-formatted"
"""What the released files put after the task's name."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row ready to be drawn from: `query` and `reasoning` are formatted, texts are whole.

    `where` names file and line. `group_size` counts the positive; `batch_size` is queries a
    device; both are set. `difficulty` is what static weights read (1 where no row has one).
    """

    where: str
    task: str
    query: str
    reasoning: str
    pos: tuple[str, ...]
    neg: tuple[str, ...]
    group_size: int
    batch_size: int
    difficulty: float


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """All examples of a run in file order, their hash, and what is worth warning about."""

    examples: tuple[Example, ...]
    fingerprint: str
    notes: tuple[str, ...]


def load_examples(data: DataConfig, batch: BatchConfig, kind: str) -> TrainingSet:
    """Return the rows that `data` names, checked for the loss `kind`.

    The fingerprint covers every text that can be drawn, sizes and tasks, in order. Raises
    `BadInput` with file and line for a row that cannot be trained on, and `DataUnavailable` if a
    hub data set cannot be fetched.
    """
    reader = _ExampleReader(data, batch, kind, {})
    examples: list[Example] = []
    for located in _rows(data):
        examples.append(reader.example(located))
        if len(examples) == data.limit:
            break
    if not examples:
        raise BadInput(f"{data.path} holds no rows", fix="Name a file with one row a line.")
    short = sum(len(example.neg) < example.group_size - 1 for example in examples)
    notes: tuple[str, ...] = ()
    if short:
        notes = (
            f"{short} of {len(examples)} rows hold fewer negatives than their group needs; "
            "their lists are repeated, as the released code does",
        )
    return TrainingSet(tuple(examples), _fingerprint(examples), notes)


@dataclass(frozen=True, slots=True)
class _LocatedRow:
    """A row with its task; `where` names file and line."""

    where: str
    row: TrainingRow
    task: str


def _rows(data: DataConfig) -> Iterator[_LocatedRow]:
    """Yield the rows of every file that the path stands for."""
    for path in _files(data.path):
        stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
        for number, values in read_jsonl(path):
            where = f"{path.name}, line {number}"
            row = row_from_json(values, where)
            yield _LocatedRow(where, row, row.task or stem.removesuffix(TASK_SUFFIX))


def _files(source: str) -> list[Path]:
    """Return the JSONL files of a file, a folder or a hub data set."""
    if not source:
        raise BadInput("data.path is empty", fix="Name the training rows: --data FILE.jsonl.")
    path = user_path(source)
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        if not HUB_NAME.fullmatch(source) or source.endswith(FILE_SUFFIXES):
            raise BadInput(
                f"no training data at {source}",
                fix="Name a JSONL file, a folder of them, or a hub data set owner/name.",
            )
        path = _fetch(source)
    found = sorted(each for each in path.iterdir() if each.name.endswith(FILE_SUFFIXES))
    if not found:
        raise BadInput(f"{source} holds no .jsonl file", fix="Name another folder.")
    return found


def _fetch(name: str) -> Path:
    """Return the local folder of a hub data set's rows; raises `DataUnavailable`."""
    inner = HUB_FOLDERS.get(name, "")
    prefix = f"{inner}/" if inner else ""
    patterns = [f"{prefix}*{suffix}" for suffix in FILE_SUFFIXES]
    repository = HubRepository(name, "dataset", otherwise="name local files")
    return fetch_snapshot(repository, "main", allow=patterns) / inner


@dataclass(frozen=True, slots=True)
class _ExampleReader:
    """Turns rows into examples; `shared` keeps one copy of each passage."""

    data: DataConfig
    batch: BatchConfig
    kind: str
    shared: dict[str, str]

    def example(self, located: _LocatedRow) -> Example:
        """Return one row's example; raises `BadInput`."""
        row, where = located.row, located.where
        sizes = self.batch.row_sizes
        group_size = (row.train_group_size if sizes else 0) or self.batch.group_size
        _check_row(row, where, group_size, self.data)
        return Example(
            where=where,
            task=located.task,
            query=self._format(row, row.query),
            reasoning=self._reasoning(row, where) if self.kind in READS_REASONING else "",
            pos=self._shared(row.pos),
            neg=self._shared(row.neg),
            group_size=group_size,
            batch_size=(row.batch_size if sizes else 0) or self.batch.size,
            difficulty=(
                _difficulty(row.conditions, where, self.data) if self.kind == "static" else 1.0
            ),
        )

    def _format(self, row: TrainingRow, query: str) -> str:
        return self.data.query_format.format(query=query, prompt=row.prompt or self.data.prompt)

    def _reasoning(self, row: TrainingRow, where: str) -> str:
        """Return the text of the reasoning query; raises `BadInput` for a row without one."""
        if not row.reasoning_query.strip():
            raise BadInput(
                f"{where}: the row has no reasoning_query, which the loss {self.kind!r} reads",
                fix="Write them with: rebench remix reason  "
                "(or train with --set loss.kind=infonce).",
            )
        reasoning = self.data.reasoning_format.format(
            reasoning=row.reasoning_query, query=row.query
        )
        return self._format(row, reasoning)

    def _shared(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.shared.setdefault(text, text) for text in texts)


def _check_row(row: TrainingRow, where: str, group_size: int, data: DataConfig) -> None:
    """Refuse a row that no group can be drawn from."""
    if not row.query.strip():
        raise BadInput(f"{where}: the query is empty", fix="Write it or drop the row.")
    if not row.pos:
        raise BadInput(f"{where}: pos is empty", fix="Give the row a positive or drop it.")
    needed = group_size - 1
    if needed and not row.neg:
        raise BadInput(
            f"{where}: neg is empty but its group of {group_size} needs {needed} negatives",
            fix="Give the row negatives, drop it, or train with --set batch.group_size=1 "
            "(in-batch negatives only).",
        )
    if len(row.neg) < needed and data.short_negatives == "refuse":
        raise BadInput(
            f"{where}: a group of {group_size} needs {needed} negatives, the row holds "
            f"{len(row.neg)}",
            fix="Lower batch.group_size, or repeat short lists: --set data.short_negatives=repeat.",
        )


def _difficulty(conditions: Mapping[str, object], where: str, data: DataConfig) -> float:
    """Return the row's own difficulty, 0 or more."""
    value = conditions.get(data.difficulty)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e30:
        raise BadInput(
            f"{where}: conditions.{data.difficulty} is {value!r}, which static weights read",
            fix="Give each row a number of 0 or more there, or name another key: "
            "--set data.difficulty=KEY.",
        )
    return float(value)


def _fingerprint(examples: list[Example]) -> str:
    """Return the hash of everything that can be drawn, in order."""

    def parts() -> Iterator[str]:
        for example in examples:
            yield example.task
            yield example.query
            yield example.reasoning
            yield f"{example.group_size} {example.batch_size} {example.difficulty!r}"
            yield f"{len(example.pos)} {len(example.neg)}"
            yield from example.pos
            yield from example.neg

    return sha256_parts(parts())
