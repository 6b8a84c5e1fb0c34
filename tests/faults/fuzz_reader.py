"""What a reader is that is fuzzed: how what it reads is made, and how it is read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.core.file_kinds import FILE_KINDS
from tests.faults import fuzz_mutations as forms
from tests.faults.fuzz_mutations import Form
from tests.faults.sample import Sample

FORMS = {".gz": forms.PACKED, ".parquet": forms.PARQUET, ".safetensors": forms.SAFETENSORS}
"""How a file is opened, by its suffix; any other is changed as it is."""


@dataclass(frozen=True)
class Reader:
    """`write` makes what is read below a folder and returns the files to change; `read` reads it.

    `sealed`: each is a JSON object with a checksum, which is made right again after a change.
    """

    write: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    sealed: bool = False

    def form(self, path: Path) -> Form:
        """Return how a file of this reader is opened for a change."""
        return forms.SEALED if self.sealed else FORMS.get(path.suffix, forms.PLAIN)


def _is_sealed(kind: str) -> bool:
    return any(each.name == kind and each.carrier == "document" for each in FILE_KINDS)


def stored(kind: str, sample: Sample) -> Reader:
    """Return the reader of a kind of file that rebench wrote."""
    return Reader(lambda root: [sample.write(root)], sample.read, _is_sealed(kind))


def one_of(read: Callable[[Path], object], contents: Mapping[str, str | bytes]) -> Reader:
    """Return a reader of a folder with these files, by their names."""

    def write(root: Path) -> list[Path]:
        for name, content in contents.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
        return [root / name for name in contents]

    return Reader(write, read)


def lines(*rows: Mapping[str, Any]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def copied(root: Path, package: str, name: str) -> list[Path]:
    """Copy a file that ships with a package."""
    path = root / Path(name).name
    path.write_bytes(files(package).joinpath(name).read_bytes())
    return [path]
