"""A corpus of docstrings, collected by a fresh interpreter of the version that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import DataUnavailable
from harness.core.types import Corpus

_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package `harness`."""

_SCRIPT = """
import sys
root, table, *folders = sys.argv[1:]
sys.path.extend([*folders, root])
from importlib import import_module
from harness.data.docstrings import main
library = import_module(table).library()
sys.path.remove(root)
main(library)
"""


def collect_texts(table: str, folders: Sequence[Path] = ()) -> Mapping[str, str]:
    """Return the qualified public name -> docstring of a library's objects, sorted by name.

    `table` is a module of ours whose `library()` says what is documented, `folders` are where the
    fresh interpreter finds it beside its own library. The same builds always give the same texts,
    whatever this process has imported, set or patched. Raises `DataUnavailable` when the
    interpreter cannot be run.
    """
    # no user settings, no site-packages hooks
    command = [sys.executable, "-P", "-s", "-S", "-B", "-W", "ignore", "-c", _SCRIPT, str(_ROOT)]
    command += [table, *map(str, folders)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=True, env=_environment()
        )
        documents: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        raise DataUnavailable(
            f"{sys.executable!r} could not list its documentation: "
            f"{said.decode(errors='replace').strip()[-300:]}",
            fix="Run rebench with a complete CPython 3.11 or newer.",
        ) from error
    return documents


def _environment() -> dict[str, str]:
    """Return the environment without Python's settings, since PYTHONOPTIMIZE drops docstrings.

    The hash seed is fixed: SciPy writes sets into docstrings when it is imported, in their order.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONHASHSEED": "0"}


def as_corpus(documents: Mapping[str, str]) -> Corpus:
    """Return a corpus: an id is the qualified name, a text the id, a blank line, the docstring."""
    ids = tuple(sorted(documents))
    return Corpus(ids=ids, texts=tuple(f"{name}\n\n{documents[name]}" for name in ids))
