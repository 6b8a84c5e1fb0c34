"""Checksums of the files that rebench writes and later believes: they show damage, not forgery.

A JSON document carries one in its key `checksum`: the SHA-256 of its canonical JSON without that
key. A line of a JSONL file carries one in the key of that name at its end: the first 32 digits of
the SHA-256 of the bytes before it. A folder carries one manifest, written last, with the SHA-256
of each of its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, StoreError
from harness.core.files import read_json, write_text
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
    FileKind("record of an ablation's run", "document", "harness.ablation.records"),
)
"""Every kind that has one."""


def without_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object without its checksum."""
    return {key: value for key, value in document.items() if key != CHECKSUM}


class DamagedFile(StoreError):
    """A file whose content does not have its checksum; it must not be believed."""


def with_checksum(document: Mapping[str, Json]) -> dict[str, Json]:
    """Return a JSON object with its checksum as its last key.

    Raises `ValueError` for numbers that JSON does not have.
    """
    bare = without_checksum(document)
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
    bare = without_checksum(document)
    try:
        actual = sha256_json(bare)
    except ValueError as error:
        raise DamagedFile(f"{where}: holds a number that is not finite", fix=fix) from error
    if document[CHECKSUM] != actual:
        raise DamagedFile(f"{where}: its contents do not have its checksum", fix=fix)
    return True


def checked_line(document: Mapping[str, Json]) -> bytes:
    """Return an object as one line of a JSONL file: ASCII, its checksum last, newline included.

    ASCII, so that neither a line separator nor half of a surrogate pair can break the file.
    """
    start = json.dumps(document).encode("ascii")[:-1]
    return start + _line_end(start)


def line_checksum(line: bytes) -> bool | None:
    """Return whether a line's checksum is right; `None` for a line without one."""
    body = line.rstrip(b"\r\n")
    start, end = body[: -(_LINE_END - 1)], body[-(_LINE_END - 1) :]
    if not end.startswith(_LINE_KEY):
        return None
    return end == _line_end(start)[:-1]


def _line_end(start: bytes) -> bytes:
    """Return what closes a line that starts so: its checksum, a brace and a newline."""
    digest = hashlib.sha256(start).hexdigest()[:_LINE_DIGITS]
    return _LINE_KEY + digest.encode("ascii") + b'"}\n'


_LINE_KEY = b', "checksum": "'
_LINE_DIGITS = 32
_LINE_END = len(_LINE_KEY) + _LINE_DIGITS + 3


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


def read_manifest(path: Path, *, fix: str, needed: Iterable[str] = ()) -> Manifest:
    """Return a manifest whose own checksum is right, with the facts `needed` in it.

    One that an earlier release wrote names no files. Raises `DamagedFile`, saying `fix`.
    """
    try:
        document = read_json(path)
    except BadInput as error:
        raise DamagedFile(error.message, fix=fix) from error
    if not isinstance(document, dict):
        raise DamagedFile(f"{path}: should hold an object", fix=fix)
    checked = check_document(document, str(path), fix=fix, needed=False)
    files = document.get("files", {})
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        raise DamagedFile(f"{path}: names no files", fix=fix)
    for key in needed:
        if key not in document:
            raise DamagedFile(f"{path}: key {key!r} is missing", fix=fix)
    facts = {key: value for key, value in document.items() if key not in ("files", CHECKSUM)}
    return Manifest(files, facts, checked)


def check_files(path: Path, manifest: Manifest, *, fix: str) -> None:
    """Raise `DamagedFile` naming the first file that is not what its manifest says."""
    for name, expected in manifest.files.items():
        check_file(path, name, expected, fix=fix)


def check_file(manifest: Path, name: str, expected: str, *, fix: str) -> None:
    """Raise `DamagedFile` if a file beside `manifest` has not the SHA-256 that this expects."""
    file = manifest.parent / name
    try:
        actual = sha256_file(file) if file.is_file() else None
    except (OSError, ValueError) as error:
        raise DamagedFile(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", fix=fix
        ) from error
    if actual is None:
        raise DamagedFile(f"{file} is not there, and {manifest.name} lists it", fix=fix)
    if actual != expected:
        raise DamagedFile(
            f"{file} is not what {manifest.name} says: it was changed or damaged", fix=fix
        )
