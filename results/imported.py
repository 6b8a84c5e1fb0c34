"""Somebody else's result files, kept as they came: `root/imported/*.json`, one per model and gold.

Such rows have means by task but no run and no per-query values, so nothing can be tested on them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.checksums import CHECKSUM, check_document, with_checksum
from harness.core.errors import BadInput, StoreError
from harness.core.files import read_json, write_text
from harness.core.hashing import sha256_json
from results.store import safe_name
from results.strict_object import StrictObject

FOLDER = "imported"
IMPORTED_SCHEMA = 2
"""2: a row carries its checksum; rows of version 1 are read, and have none."""
UNVERIFIED = "unverified bundle"
"""The layout of a row that came from bundles which nobody here can score again; it has no files."""
_FIX = "Import the result files again, or remove this one."


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """One file that a row was read from: its path below the imported folder, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A model's results on one group of tasks, from files of one `layout` (`mteb`, `bright`).

    `metrics` maps task to metric to a fraction; `revision` is the model's, `dataset_revision`
    the data's (empty: the files do not say), `gold` the version of the judgements (`current`, an
    old revision, `unknown`). `protocol` says how the numbers came about, `date` the latest of
    the files' own dates (ISO 8601 or empty).
    """

    model: str
    revision: str
    layout: str
    group: str
    query_set: str
    gold: str
    head_metric: str
    metrics: Mapping[str, Mapping[str, float]]
    dataset_revision: str
    protocol: str
    date: str
    files: tuple[OriginalFile, ...]
    imported: str


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Sound rows in the order of their files' names, and an error for each unusable file."""

    rows: tuple[ImportedRow, ...]
    problems: tuple[StoreError, ...]


def imported_path(root: Path, row: ImportedRow) -> Path:
    """Return where a row lies below a results folder: the same for the same kind of files."""
    key = (row.model, row.revision, row.layout, row.group, row.query_set, row.gold)
    return (
        root
        / FOLDER
        / f"{safe_name(row.model)}-{safe_name(row.group)}-{sha256_json(key)[:12]}.json"
    )


def save_imported(root: Path, row: ImportedRow) -> Path:
    """Write a row whole, in the place of what was there; raises `StoreError`."""
    path = imported_path(root, row)
    document = with_checksum({"schema": IMPORTED_SCHEMA, **asdict(row)})
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return path


def earlier_import(root: Path, row: ImportedRow) -> ImportedRow | None:
    """Return what was imported before of the same model and kind; `None` if nothing usable was."""
    path = imported_path(root, row)
    if not path.is_file():
        return None
    try:
        return _read(path)
    except StoreError:  # the advice for a damaged row is to import again: that replaces it
        return None


def load_imported(root: Path) -> LoadedRows:
    """Return the imported rows of a results folder; one without any holds nothing."""
    folder = root / FOLDER
    rows: list[ImportedRow] = []
    problems: list[StoreError] = []
    if os.path.isdir(folder):
        for path in sorted(folder.glob("*.json")):
            try:
                rows.append(_read(path))
            except StoreError as error:
                problems.append(error)
    return LoadedRows(tuple(rows), tuple(problems))


def _read(path: Path) -> ImportedRow:
    """Read one file; every fault is a `StoreError` that names it."""
    try:
        value = read_json(path)
    except BadInput as error:
        raise StoreError(str(error).partition("\n")[0], fix=_FIX) from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: should hold an object", fix=_FIX)
    fields = StrictObject(value, str(path), fix=_FIX)
    schema = fields.integer("schema", least=1)
    if schema > IMPORTED_SCHEMA:
        check_document(value, str(path), fix=_FIX, needed=False)
        raise StoreError(f"{path}: a later release wrote it", fix="Upgrade rebench.")
    check_document(value, str(path), fix=_FIX, needed=schema > 1)
    row = ImportedRow(
        model=fields.text("model"),
        revision=fields.text("revision", empty=True),
        layout=fields.text("layout"),
        group=fields.text("group"),
        query_set=fields.text("query_set"),
        gold=fields.text("gold"),
        head_metric=fields.text("head_metric"),
        metrics=_metrics(fields),
        dataset_revision=fields.text("dataset_revision", empty=True),
        protocol=fields.text("protocol", empty=True),
        date=fields.text("date", empty=True),
        files=_files(fields),
        imported=fields.text("imported"),
    )
    fields.finish(CHECKSUM)
    return row


def _metrics(fields: StrictObject) -> dict[str, dict[str, float]]:
    """Read task -> metric -> number."""
    tasks = fields.object("metrics")
    return {task: tasks.numbers(task) for task in tasks.data}


def _files(fields: StrictObject) -> tuple[OriginalFile, ...]:
    """Read the original files."""
    value: Any = fields.value("files")
    if not isinstance(value, list) or not all(
        isinstance(each, dict)
        and isinstance(each.get("path"), str)
        and isinstance(each.get("text"), str)
        for each in value
    ):
        raise fields.fault("files", "should be a list of objects with a path and a text")
    return tuple(OriginalFile(each["path"], each["text"]) for each in value)
