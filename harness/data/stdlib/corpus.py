"""The embedded corpus: documentation of the running interpreter's standard library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from harness.core.errors import DataUnavailable
from harness.core.types import Corpus

_ROOT = Path(__file__).resolve().parents[3]
"""The folder that holds the package `harness`."""

_SCRIPT = """
import sys
sys.path.append(sys.argv[1])
from harness.data.stdlib.collect import main
sys.path.pop()
main()
"""


def build_corpus() -> Corpus:
    """Document the public standard-library objects of the running interpreter.

    An id is the qualified public name, a text the id, a blank line and the cleaned docstring.
    Sorted by id; the same interpreter build always gives the same corpus, whatever this process
    has imported, set or patched: a fresh isolated interpreter collects it (under a second).
    Raises `DataUnavailable` when that interpreter cannot be run.
    """
    documents = _collect()
    ids = tuple(documents)
    return Corpus(ids=ids, texts=tuple(f"{name}\n\n{documents[name]}" for name in ids))


def _collect() -> dict[str, str]:
    """Run the collector in a fresh interpreter and return name -> docstring."""
    # -I and -S: no user settings, no site-packages hooks, docstrings even under PYTHONOPTIMIZE
    command = [sys.executable, "-I", "-S", "-B", "-W", "ignore", "-c", _SCRIPT, str(_ROOT)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        documents: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        raise DataUnavailable(
            f"{sys.executable!r} could not list its standard library: "
            f"{said.decode(errors='replace').strip()[-300:]}",
            fix="Run rebench with a complete CPython 3.11 or newer.",
        ) from error
    return documents
