"""Reading with errors that name file and line; writing that is whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import os
import re
import shutil
import tempfile
import time
import tomllib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from uuid import uuid4

from harness.core.errors import BadInput, StoreError
from harness.core.types import Json

_UNREADABLE = (OSError, EOFError, zlib.error)


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[io.TextIOBase]:
    """Open a UTF-8 text file, plain or `.gz`; raises `BadInput` if it is absent or broken.

    A truncated or corrupt gzip and bytes that are not UTF-8 are reported when they are met.
    """
    with _translating_read_errors(path), path.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=_not_empty(raw)) if path.suffix == ".gz" else raw
        yield io.TextIOWrapper(stream, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def damage_first(path: Path) -> Iterator[None]:
    """Say of a damaged `.gz` that it is damaged, rather than what the damage made of its lines.

    What is packed carries a checksum, but that stands at its end: a fault in a line may be met
    before.
    """
    try:
        yield
    except BadInput:
        if path.suffix == ".gz":
            with _translating_read_errors(path), gzip.open(path, "rb") as handle:
                while handle.read(1 << 20):
                    pass
        raise


def read_text(path: Path) -> str:
    """Return a whole UTF-8 text file, plain or `.gz`, faster than through `open_text`.

    Raises `BadInput` as that does.
    """
    with _translating_read_errors(path):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(_not_empty(io.BytesIO(data)).read())
        return data.decode("utf-8")


def _not_empty(packed_file: BinaryIO) -> BinaryIO:
    """Return a packed file that holds anything: Python takes one without a byte for an empty text.

    Raises `EOFError`. A pipe is believed, since it cannot be looked into.
    """
    if packed_file.seekable():
        if not packed_file.read(1):
            raise EOFError("it is empty")
        packed_file.seek(0)
    return packed_file


@contextlib.contextmanager
def _translating_read_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with reading a file into `BadInput`."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadInput(f"no such file: {path}", fix="Check the path.") from error
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path} is not UTF-8 text: {error}", fix="Convert it to UTF-8 and try again."
        ) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise BadInput(f"no such file: {str(path)!r}", fix="Check the path.") from error
    except _UNREADABLE as error:
        raise BadInput(
            f"{path} cannot be read to its end: {error}",
            fix="The file is damaged or cut short; fetch or write it again.",
        ) from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, line without its newline); lines end at `\n` or `\r\n` only.

    A byte order mark at the start is left out.
    """
    with open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            text = line.removeprefix("\ufeff") if number == 1 else line
            yield number, text.rstrip("\n").removesuffix("\r")


def read_json(path: Path, *, finite: bool = True) -> Any:
    """Return a JSON file's value, plain or `.gz`; raises `BadInput` as `parse_json` does."""
    return parse_json(read_text(path), str(path), finite=finite)


def parse_json(text: str, where: str, line: int | None = None, *, finite: bool = True) -> Any:
    """Return the value of a JSON text; a byte order mark at its start is left out.

    `where` names the file and `line` the line if the text is one of many. `finite` is off for
    files of others that hold NaN where nobody reads it. Raises `BadInput` with
    both for what is no JSON, for nesting and integers beyond Python's limits, and, with the
    dotted path of the field, for NaN, infinities, numbers too large for a float, and halves of
    surrogate pairs.
    """
    place = where if line is None else f"{where}, line {line}"
    fix = "Fix it or write the file again." if line is None else "Fix or remove that line."
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        at = f"{where}, line {line or error.lineno}"
        raise BadInput(f"{at}: not JSON ({error.msg})", fix=fix) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{place}: {_beyond(error)}", fix=fix) from error
    if finite and _SUSPECT.search(text):
        _check_values(value, place)
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's table; raises `BadInput` as `parse_toml` does."""
    return parse_toml(read_text(path), str(path))


def parse_toml(text: str, where: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return the table of a TOML text; a byte order mark at its start is left out.

    Raises `BadInput` naming `where`: with the place for what is no TOML, with the field for
    numbers that are not finite, and for nesting and integers beyond Python's limits.
    """
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"), parse_float=parse_float)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where} is not TOML: {error}", fix="Fix the file.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: {_beyond(error)}", fix="Fix the file.") from error
    if _SUSPECT.search(text):
        _check_values(table, where)
    return table


_SUSPECT = re.compile(r"(?i)nan|inf|\\ud[89a-f]|[0-9][0-9.]*e\+?[0-9]{3}|[0-9]{300}")
"""What a text has in it if any of its values may be unusable: only then is each looked at."""


def _beyond(error: Exception) -> str:
    """Return what is beyond Python's limits, in words."""
    if isinstance(error, RecursionError):
        return "objects or lists are nested too deeply"
    return f"a number has too many digits ({error})"


def _check_values(value: Any, where: str) -> None:
    """Raise `BadInput` naming the first field that no reader can use."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        field, item = waiting.pop()
        problem = _problem_of(item)
        if problem:
            named = f" {field.lstrip('.')}" if field else ""
            raise BadInput(f"{where}:{named} {problem}", fix="Fix that value.")
        if isinstance(item, dict):
            for key, inner in item.items():
                if problem := _problem_of(key):
                    raise BadInput(f"{where}: the key {key!r} {problem}", fix="Fix that key.")
                waiting.append((f"{field}.{key}", inner))
        elif isinstance(item, list):
            waiting += [(f"{field}[{at}]", inner) for at, inner in enumerate(item)]


def _problem_of(value: Any) -> str:
    """Return what makes a text or number unusable; empty for any other value."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return "holds half of a surrogate pair"
    elif isinstance(value, int | float):
        try:
            if not math.isfinite(value):
                return f"is {value}, not a finite number"
        except OverflowError:
            return "is a number too large for a float"
    return ""


def read_jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line number, object) of a JSONL file; blank lines are skipped, others must parse.

    Raises `BadInput` with file and line, as `parse_json` does.
    """
    for number, line in read_lines(path):
        if not line.strip("\ufeff \t\r\n"):
            continue
        row = parse_json(line, str(path), number)
        if not isinstance(row, dict):
            raise BadInput(
                f"{path}, line {number}: expected an object, found {type(row).__name__}",
                fix='Each line must be an object such as {"_id": "…", "text": "…"}.',
            )
        yield number, row


def fsync_folder(folder: Path) -> None:
    """Make a rename in `folder` last (no-op where folders cannot be opened)."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


LEFTOVER_SECONDS = 3600.0
"""Age at which an unfinished file is a dead writer's: it has not been written to for that long."""
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{32}\.part")


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write; it replaces `path` if nothing was raised.

    The file is fsynced before the rename and its folder after it. What a link points to is
    replaced, never the link; a pipe or device gets the finished bytes. What dead writers left in
    the folder is removed. Raises `StoreError` when the folder is not writable or the disk is
    full; nothing is left then.
    """
    try:
        target = path.resolve() if path.is_symlink() else path
        special = target.exists() and not target.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot_write(path, error) from error
    if special:
        with _through(target) as temporary:
            yield temporary
        return
    temporary = target.with_name(f".{target.name[:40]}.{uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
        fsync_folder(target.parent)
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and "null" not in str(error):
            raise
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _through(target: Path) -> Iterator[Path]:
    """Yield a temporary file whose bytes go into a pipe or device afterwards."""
    if target.is_dir():
        raise StoreError(f"cannot write {target}: it is a folder", fix="Name a file in it.")
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, "output")
        yield temporary
        try:
            with temporary.open("rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        except OSError as error:
            raise _cannot_write(target, error) from error


@cache
def _sweep(folder: Path) -> None:
    """Remove what dead writers left in a folder, once a process."""
    before = time.time() - LEFTOVER_SECONDS
    for name in os.listdir(folder):
        if _LEFTOVER.fullmatch(name):
            with contextlib.suppress(OSError):
                left = folder / name
                if left.stat().st_mtime < before:
                    left.unlink()


def _cannot_write(path: Path, error: Exception) -> StoreError:
    """Return the error of a file that cannot be written."""
    return StoreError(
        f"cannot write {path}: {getattr(error, 'strerror', None) or error}",
        fix="Make the folder writable and leave it room, or choose another.",
    )


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; raises what `atomic_file` raises."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def open_writer(path: Path, suffix: str) -> Iterator[TextIO]:
    """Open a UTF-8 file for writing, gzipped (without a time stamp) if `suffix` is `.gz`."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        if suffix == ".gz":
            packed = gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0)
            yield stack.enter_context(io.TextIOWrapper(packed, "utf-8", newline="\n"))
        else:
            yield stack.enter_context(io.TextIOWrapper(raw, "utf-8", newline="\n"))


def write_jsonl(path: Path, rows: Iterable[Json]) -> int:
    """Write one JSON value a line as they come, whole or not at all; return how many.

    What `rows` itself raises is passed on, and nothing is left. Raises `StoreError`.
    """
    count = 0
    with atomic_file(path) as temporary, open_writer(temporary, path.suffix) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole, gzipped where the name ends in `.gz` (no time stamp inside)."""
    write_atomic(path, packed(text, path.suffix))


def packed(text: str, suffix: str) -> bytes:
    """Return the bytes of a text's file: UTF-8, gzipped without a time stamp if it is a `.gz`."""
    data = text.encode("utf-8")
    # Level 4 of 9: on runs of 115,000 lines seven times as quick for 4 % more bytes.
    return gzip.compress(data, 4, mtime=0) if suffix == ".gz" else data
