"""How much memory there is, and matrices in a mapped file where it is too little."""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import BadInput, StoreError

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip
_SIZE = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{0,3})\s*")

LEAST = 64 * 10**6
"""Smallest bound: a shard of stored vectors is read as a whole."""

MEMINFO = Path("/proc/meminfo")
SHARE = 0.8
"""Of the free memory a matrix may take so much without being asked about."""


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `4GB` or `512MiB`; an empty text is 0.

    Raises `BadInput` for anything else, and for less than `LEAST`.
    """
    if not text.strip():
        return 0
    match = _SIZE.fullmatch(text)
    unit = match[2].upper() if match else ""
    if match is None or unit not in UNITS:
        raise BadInput(f"{text!r} is no size", fix="Give a number and a unit: 4GB, 512MiB.")
    size = int(float(match[1]) * UNITS[unit])
    if size < LEAST:
        raise BadInput(
            f"{text!r} is {size:,} bytes, too little to read one file of vectors",
            fix=f"Give {LEAST // 10**6}MB or more.",
        )
    return size


def free_memory() -> int:
    """Return the bytes that a process may still take, as Linux tells it; 0: not known."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if "MemAvailable" in line)
    except (OSError, ValueError, IndexError, StopIteration):
        return 0


@dataclass(frozen=True, slots=True)
class Room:
    """Where matrices of vectors go.

    `limit` bytes bound what vectors and scores take together (0: what is free). A matrix that
    would take more than half of the limit, or `SHARE` of what is free, is mapped from a file
    without a name in `folder`: the system writes its pages out when it needs their memory.
    """

    limit: int = 0
    folder: Path | None = None

    @property
    def score_bytes(self) -> int:
        """Return what one block of scores may take; 0: as usual."""
        return self.limit // 8

    def is_mapped(self, nbytes: int) -> bool:
        """Tell whether a matrix of so many bytes is mapped from a file."""
        if self.limit:
            return nbytes > self.limit // 2
        free = free_memory()
        return bool(free) and nbytes > SHARE * free

    def matrix(self, rows: int, columns: int) -> FloatMatrix:
        """Return a float32 matrix without contents.

        Raises `StoreError` if it has to be mapped and the disk has no room for it.
        """
        import numpy as np

        nbytes = 4 * rows * columns
        if not nbytes or not self.is_mapped(nbytes):
            return np.empty((rows, columns), dtype=np.float32)
        folder = self.folder or Path(tempfile.gettempdir())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                # A hole in the file would end the process when the disk is full, not raise.
                os.posix_fallocate(file.fileno(), 0, nbytes)
                mapped = mmap.mmap(file.fileno(), nbytes)
        except OSError as error:
            raise StoreError(
                f"{nbytes / 1e9:.1f} GB of vectors do not fit into memory, and no file for them "
                f"can be made in {folder}: {error.strerror or error}",
                fix="Make room there, or name another cache folder (REBENCH_CACHE); --memory "
                "allows more memory.",
            ) from error
        return np.frombuffer(mapped, dtype=np.float32).reshape(rows, columns)
