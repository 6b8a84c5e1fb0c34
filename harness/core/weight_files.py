"""Files of weights, told whole from empty, cut or never fetched, without loading them."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.errors import DataUnavailable, ModelError, OutOfMemory

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")
EXPORT_MANIFEST = "export.manifest.json"
"""What `rebench train` writes into a finished model's folder: the hash of each of its files."""
POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that Git LFS left in the place of the real one."""
_ZIP = b"PK\x03\x04"
_MOST_HEADER = 100_000_000
"""Bytes of a safetensors header that its own reader takes at most."""


def check_weight_file(path: Path) -> None:
    """Raise `DataUnavailable` for a file that is empty, cut short, or a pointer of Git LFS.

    A `.safetensors` says itself how long it is; a `.bin` or `.pt` written by torch 1.6 or later
    is a zip archive, whose list of contents stands at its end. Older ones cannot be told.
    """
    with path.open("rb") as handle:
        start = handle.read(len(POINTER) + 200)
    size = path.stat().st_size
    if not size:
        raise _unusable(path, "is empty", f"Fetch {path.name} again.")
    if start.startswith(POINTER):
        raise _unusable(
            path,
            f"is a pointer of Git LFS, not the weights themselves{_real_size(start)}",
            "Run git lfs pull in its folder, or fetch the file from the hub.",
        )
    problem = ""
    if path.suffix == ".safetensors":
        problem = _safetensors_problem(path, size)
    elif start.startswith(_ZIP) and not zipfile.is_zipfile(path):
        problem = f"is cut short: the list of its contents is not within its {size:,} bytes"
    if problem:
        raise _unusable(path, problem, f"Fetch {path.name} again.")


def check_weight_files(folder: Path) -> None:
    """Check the files of weights that lie in a folder itself; raises as `check_weight_file`."""
    for suffix in WEIGHT_SUFFIXES:
        for path in sorted(folder.glob(f"*{suffix}")):
            check_weight_file(path)


@contextmanager
def weight_errors(name: str, folder: Path | str) -> Iterator[None]:
    """Turn what libraries raise about weights into `ModelError`, in one sentence.

    A pickle that holds more than weights is refused by `torch.load(weights_only=True)`, which
    sentence-transformers and transformers use; nothing in it has run by then.
    """
    from safetensors import SafetensorError

    try:
        yield
    except OutOfMemory:
        raise
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"a .bin file of {name!r} in {folder} holds code or objects besides weights, "
            "and was refused",
            fix="Use the model's .safetensors; if it has none, convert it where you trust it.",
        ) from error
    except (
        OSError, ValueError, KeyError, ImportError, RuntimeError, EOFError, SafetensorError
    ) as error:  # fmt: skip
        raise _not_loaded(name, folder, error) from error


def _not_loaded(name: str, folder: Path | str, error: Exception) -> ModelError:
    said = " ".join(str(error).split())[:300]
    return ModelError(
        f"the model {name!r} cannot be loaded from {folder}: {said}",
        fix="Check the folder; if it needs code of its own, read it and then pass "
        "--trust-remote-code.",
    )


def _safetensors_problem(path: Path, size: int) -> str:
    """Return what is wrong with a safetensors file's length; empty if nothing is."""
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if size < 8 or not 2 <= length <= min(size - 8, _MOST_HEADER):
            return "does not begin as a safetensors file, or is cut short in its header"
        try:
            header = json.loads(handle.read(length))
            ends = [each["data_offsets"][1] for key, each in header.items() if key[:2] != "__"]
            needed = 8 + length + max(ends, default=0)
        except (ValueError, RecursionError, AttributeError, TypeError, LookupError):
            return "has a damaged header"
    if size != needed:
        return f"holds {size:,} bytes where its header says {needed:,}: it is cut short or damaged"
    return ""


def _real_size(start: bytes) -> str:
    """Return how large the real file is, as a pointer says; empty where it does not."""
    for line in start.splitlines():
        word, _, number = line.partition(b" ")
        if word == b"size" and number.isdigit():
            return f" ({int(number):,} bytes)"
    return ""


def _unusable(path: Path, problem: str, fix: str) -> DataUnavailable:
    return DataUnavailable(f"{os.fspath(path)} {problem}", fix=fix)
