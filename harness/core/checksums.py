"""Checksums of the files that rebench writes and later believes: they show damage, not forgery.

A JSON document carries one in its key `checksum`: the SHA-256 of its canonical JSON without that
key. A line of a JSONL file carries one in the key of that name at its end: the first 32 digits of
the SHA-256 of the bytes before it. A folder carries one manifest, written last, with the SHA-256
of each of its files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, StoreError
from harness.core.files import read_json, write_text
from harness.core.hashing import sha256_file, sha256_json
from harness.core.types import Json

CHECKSUM = "checksum"
NO_CHECKSUM = "no checksum"
"""What is shown for a file that an earlier release wrote without one."""


def without_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object without its checksum."""
    return {key: value for key, value in document.items() if key != CHECKSUM}


LOG_FIX = "the step is left out of what is shown of the training."
"""What it means to remove a line of the step log of a training, whoever reads it."""


class DamagedFile(StoreError):
    """A file whose content does not have its checksum; it must not be believed."""


def with_checksum(document: Mapping[str, Json]) -> dict[str, Json]:
    """Return a JSON object with its checksum as its last key.

    Raises `ValueError` for numbers that JSON does not have.
    """
    bare = without_checksum(document)
    return {**bare, CHECKSUM: sha256_json(bare)}


@contextlib.contextmanager
def expecting_fields(path: Path, *, fix: str) -> Iterator[None]:
    """Turn what a reader meets at a field that is absent, or of another kind, into `DamagedFile`.

    A file of an earlier release without a checksum may hold anything, and so may one that somebody
    wrote by hand.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"does not hold the fields of such a file: {repr(error)[:200]}"
        raise DamagedFile(f"{path} {what}", fix=fix) from error


def check_document(document: Mapping[str, Any], where: str, *, fix: str, needed: bool) -> bool:
    """Return whether a JSON object carries its checksum, which then is right.

    Raises `DamagedFile`, naming `where` and saying `fix`, for a wrong one, and for none if
    `needed`: files of earlier releases have none.
    """
    if CHECKSUM not in document:
        if needed or _has_checksum_elsewhere(document):
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


def _has_checksum_elsewhere(document: Mapping[str, Any]) -> bool:
    """Tell whether an object has its checksum under another key, which then is what was damaged."""
    for key, value in document.items():
        if isinstance(value, str) and _SHA256.fullmatch(value):
            rest = {name: each for name, each in document.items() if name != key}
            with contextlib.suppress(ValueError):
                if sha256_json(rest) == value:
                    return True
    return False


def write_document(path: Path, document: Mapping[str, Json]) -> None:
    """Write a JSON object whole, with its checksum; raises `StoreError`."""
    text = json.dumps(with_checksum(document), ensure_ascii=False, indent=1)
    write_text(path, text + "\n")


def read_document(path: Path, *, fix: str) -> dict[str, Any]:
    """Return the JSON object of a file, without its checksum, which is right if it has one.

    Raises `DamagedFile`, saying `fix`, for anything else that is there.
    """
    return _read_object(path, fix)[0]


def _read_object(path: Path, fix: str) -> tuple[dict[str, Any], bool]:
    """Return a file's object without its checksum, and whether it has one."""
    try:
        document = read_json(path)
    except BadInput as error:
        raise DamagedFile(error.message, fix=fix) from error
    if not isinstance(document, dict):
        raise DamagedFile(f"{path}: should hold an object", fix=fix)
    checked = check_document(document, str(path), fix=fix, needed=False)
    return without_checksum(document), checked


def read_checked_lines(path: Path, *, fix: str) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file, each without its checksum, which is right if it has one.

    Raises `DamagedFile` for any other line. It names the damaged lines, and says to remove them
    and, in `fix`, what that means.
    """
    rows: list[dict[str, Any]] = []
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        row, problem = _checked_row(line)
        if row is None:
            rest = (_checked_row(each)[0] is None for each in lines[number:])
            named = line_numbers(number, rest)
            raise DamagedFile(f"{path}, {named}: {problem}", fix=f"Remove {named}: {fix}")
        rows.append(row)
    return rows


def line_numbers(first: int, damaged_after: Iterable[bool]) -> str:
    """Return `line 3` or `lines 3 to 4`: a damaged line and the damaged ones right behind it.

    A byte that turned into a line's end makes two lines of one.
    """
    last = first + sum(1 for _ in takewhile(bool, damaged_after))
    return f"line {first}" if last == first else f"lines {first} to {last}"


def _checked_row(line: bytes) -> tuple[dict[str, Any] | None, str]:
    """Return the object of a line without its checksum, or what is wrong with it."""
    if line_checksum(line) is False:
        return None, "its contents do not have its checksum"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON ({error})"
    return (without_checksum(row), "") if isinstance(row, dict) else (None, "should be an object")


def checked_line(document: Mapping[str, Json]) -> bytes:
    """Return an object as one line of a JSONL file: ASCII, its checksum last, newline included.

    ASCII, so that neither a line separator nor half of a surrogate pair can break the file.
    """
    start = json.dumps(document).encode("ascii")[:-1]
    return start + _line_end(start)


def line_checksum(line: bytes) -> bool | None:
    """Return whether a line's checksum is right; `None` for a line without one.

    A line that ends as one with a checksum does, under another key, is damaged there.
    """
    body = line.rstrip(b"\r\n")
    start, end = body[: -(_LINE_END - 1)], body[-(_LINE_END - 1) :]
    if not end.startswith(_LINE_KEY):
        return False if _LIKE_CHECKSUM.search(body) else None
    return end == _line_end(start)[:-1]


def _line_end(start: bytes) -> bytes:
    """Return what closes a line that starts so: its checksum, a brace and a newline."""
    digest = hashlib.sha256(start).hexdigest()[:_LINE_DIGITS]
    return _LINE_KEY + digest.encode("ascii") + b'"}\n'


_LINE_KEY = b', "checksum": "'
_LINE_DIGITS = 32
_SHA256 = re.compile("[0-9a-f]{64}")
_LIKE_CHECKSUM = re.compile(rb'[0-9a-f]{%d}"\}\Z' % _LINE_DIGITS)
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
    write_document(path, {**facts, "files": hashes})


def read_manifest(path: Path, *, fix: str, needed: Iterable[str] = ()) -> Manifest:
    """Return a manifest whose own checksum is right, with the facts `needed` in it.

    One that an earlier release wrote names no files. Raises `DamagedFile`, saying `fix`.
    """
    document, checked = _read_object(path, fix)
    files = document.get("files", {})
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        raise DamagedFile(f"{path}: names no files", fix=fix)
    for key in needed:
        if key not in document:
            raise DamagedFile(f"{path}: key {key!r} is missing", fix=fix)
    facts = {key: value for key, value in document.items() if key != "files"}
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
