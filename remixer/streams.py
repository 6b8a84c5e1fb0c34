"""Files too large to hold: written row by row, and there only when they are whole."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from harness.core.errors import StoreError
from harness.core.files import fsync_folder
from harness.core.types import Json


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary neighbour to write; it takes the place of `path` if nothing was raised.

    Raises `StoreError` when the folder is not writable or the disk is full; nothing is left then.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            fix="Make the folder writable and leave it room, then run the same command again.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def text_stream(path: Path, suffix: str) -> Iterator[TextIO]:
    """Open a UTF-8 file for writing, gzipped (without a time stamp) for the suffix `.gz`."""
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
    with new_file(path) as temporary, text_stream(temporary, path.suffix) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count
