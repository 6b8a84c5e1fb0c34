"""Checksums of the files that rebench writes and later believes: they show damage, not forgery.

A JSON document carries one in its key `checksum`; a line of a JSONL file in the key of that name
at its end. Both are the SHA-256 of the object's canonical JSON without that key. A folder carries
one manifest, written last, with the SHA-256 of each of its files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, StoreError
from harness.core.files import parse_json, read_json, write_text
from harness.core.hashing import sha256_file, sha256_json
from harness.core.types import Json

CHECKSUM = "checksum"
NO_CHECKSUM = "no checksum"
"""What is shown for a file that an earlier release wrote without one."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that rebench writes and later believes, and what its checksum lies in.

    `carrier` is `document` (a key of the file), `line` (a key of each line), `manifest` (a
    neighbour that names it), `name` (its own or its folder's name), or `header` (binary).
    """

    name: str
    carrier: str
    writer: str


FILE_KINDS = (
    FileKind("entry", "document", "results.store"),
    FileKind("run of an entry", "manifest", "results.store"),
    FileKind("per-query values of an entry", "manifest", "results.store"),
    FileKind("judgements", "name", "results.judgements"),
    FileKind("imported row", "document", "results.imported"),
    FileKind("shard", "header", "harness.cache.shard"),
    FileKind("vector space", "name", "harness.cache.store"),
    FileKind("journal", "line", "models.chat.journal"),
    FileKind("stage output", "manifest", "remixer.folder"),
    FileKind("stage manifest", "document", "remixer.folder"),
    FileKind("training record", "document", "redapter.checkpoints"),
    FileKind("checkpoint", "manifest", "redapter.checkpoints"),
    FileKind("step log", "line", "redapter.steplog"),
    FileKind("report", "manifest", "harness.reports.write"),
)
"""Every kind, for the test that flips bytes in each."""


class DamagedFile(StoreError):
    """A file whose content does not have its checksum; it must not be believed."""


def with_checksum(document: Mapping[str, Json]) -> dict[str, Json]:
    """Return a JSON object with its checksum as its last key.

    Raises `ValueError` for numbers that JSON does not have.
    """
    bare = {key: value for key, value in document.items() if key != CHECKSUM}
    return {**bare, CHECKSUM: sha256_json(bare)}


def check_document(document: Mapping[str, Any], where: str, *, fix: str, needed: bool) -> bool:
    """Return whether a JSON object carries its checksum, which then is right.

    Raises `DamagedFile`, naming `where` and saying `fix`, for a wrong one, and for none if
    `needed`: files of earlier releases have none.
    """
    if CHECKSUM not in document:
        if needed:
            raise DamagedFile(f"{where}: key {CHECKSUM!r} is missing", fix=fix)
        return False
    bare = {key: value for key, value in document.items() if key != CHECKSUM}
    try:
        actual = sha256_json(bare)
    except ValueError as error:
        raise DamagedFile(f"{where}: holds a number that is not finite", fix=fix) from error
    if document[CHECKSUM] != actual:
        raise DamagedFile(f"{where}: its contents do not have its checksum", fix=fix)
    return True


def checked_line(document: Mapping[str, Json]) -> str:
    """Return an object as one line of a JSONL file, ASCII, its checksum last; no newline."""
    return json.dumps(with_checksum(document))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a folder: name relative to it -> SHA-256. `checked`: it has a checksum."""

    files: Mapping[str, str]
    facts: Mapping[str, Any]
    checked: bool


def write_manifest(path: Path, files: Iterable[str], facts: Mapping[str, Json]) -> None:
    """Write the manifest of files that lie in its folder, whole and after them.

    `facts` are kept beside the hashes. Raises `StoreError` and `OSError`.
    """
    hashes = {name: sha256_file(path.parent / name) for name in files}
    document = with_checksum({**facts, "files": hashes})
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def read_manifest(path: Path, *, fix: str) -> Manifest:
    """Return a manifest whose own checksum is right; raises `DamagedFile`, saying `fix`."""
    try:
        document = read_json(path)
    except BadInput as error:
        raise DamagedFile(error.message, fix=fix) from error
    if not isinstance(document, dict):
        raise DamagedFile(f"{path}: should hold an object", fix=fix)
    checked = check_document(document, str(path), fix=fix, needed=False)
    files = document.get("files")
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        raise DamagedFile(f"{path}: names no files", fix=fix)
    facts = {key: value for key, value in document.items() if key not in ("files", CHECKSUM)}
    return Manifest(files, facts, checked)


def check_files(path: Path, manifest: Manifest, *, fix: str) -> None:
    """Raise `DamagedFile` naming the first file that is not what its manifest says."""
    for name, expected in manifest.files.items():
        try:
            actual = sha256_file(path.parent / name)
        except OSError as error:
            raise DamagedFile(
                f"{path.parent / name} cannot be read: {error.strerror or error}", fix=fix
            ) from error
        if actual != expected:
            raise DamagedFile(
                f"{path.parent / name} is not what {path.name} says: it was changed or damaged",
                fix=fix,
            )


def parse_checked_line(text: str, where: str, line: int) -> dict[str, Any]:
    """Return the object of a JSONL file's line without its checksum, which is right if it has one.

    Raises `DamagedFile` for a wrong checksum and `BadInput` for what is no JSON object.
    """
    place, fix = f"{where}, line {line}", "Remove that line: it is then made again."
    value = parse_json(text, where, line)
    if not isinstance(value, dict):
        raise BadInput(f"{place}: expected an object, found {type(value).__name__}", fix=fix)
    check_document(value, place, fix=fix, needed=False)
    return {key: item for key, item in value.items() if key != CHECKSUM}
