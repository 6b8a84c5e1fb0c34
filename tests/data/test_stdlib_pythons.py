"""The embedded task on the other supported interpreters that are on the path, if any."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data.situations import read_situations
from harness.data.stdlib.task import STDLIB, build_corpus

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
sys.path.append(sys.argv[1])
from harness.data.docstrings import main
from harness.data.stdlib.modules import library
main(library())
"""
OTHERS = [f"python3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info[1]]


@pytest.fixture(scope="module", params=OTHERS)
def documents(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return what another interpreter documents; skips when it is not there."""
    python = shutil.which(request.param)
    if python is None:
        pytest.skip(f"no {request.param} on the path")
    # a launcher without its interpreter (pyenv's shims, Windows' store stub) cannot run this
    if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"{request.param} on the path does not start")
    done = subprocess.run(
        [python, "-B", "-W", "error", "-c", SCRIPT, str(ROOT)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    collected: dict[str, str] = json.loads(done.stdout)
    return collected


def test_the_corpus_is_much_the_same(documents: dict[str, str]):
    here = set(build_corpus().ids)
    assert 4000 <= len(documents) <= 5500
    assert len(documents.keys() & here) > 0.95 * len(here)


def test_gold_has_a_docstring(documents: dict[str, str]):
    answers = {
        name
        for each in read_situations(STDLIB.collection)
        for name in (*each.answers, *each.gold_1)
    }
    assert answers - documents.keys() == set()
