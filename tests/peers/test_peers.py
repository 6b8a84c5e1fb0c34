"""The comparisons with peers: the table, one comparison of two small sides, and the page."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.peers import measure, page
from benchmarks.peers.table import COMPARISONS, Comparison, Side, Sizes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "peers"


def fake(ours: str, theirs: str) -> Comparison:
    """Return a comparison of two sides of `fake_sides.py`."""
    return Comparison(
        "fake", "{size} numbers", *(Side(each, f"fake_sides:{each}", ".venv-x") for each in
        (ours, theirs)), Sizes(3, 3), "numbers", 0.01,
    )  # fmt: skip


@pytest.fixture
def _sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out a root with the real child, two sides, and this interpreter as the environment."""
    import sys

    peers = tmp_path / "benchmarks" / "peers"
    peers.mkdir(parents=True)
    (peers / "child.py").write_bytes((FOLDER / "child.py").read_bytes())
    (peers / "fake_sides.py").write_text(
        # Work that any clock sees: a time of 0 has no ratio.
        "def worked(numbers): return sum(range(10**6)) and numbers\n"
        "def one(size, _): return lambda: worked(range(size))\n"
        "def near(size, _): return lambda: worked([x + 0.001 for x in range(size)])\n"
        "def far(size, _): return lambda: [x + 1 for x in range(size)]\n"
        "def few(size, _): return lambda: [0]\n"
        "def nan(size, _): return lambda: [float('nan')] * size\n"
        "def broken(size, _): raise ValueError('no such model')\n",
        encoding="utf-8",
    )
    python = tmp_path / ".venv-x" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(measure, "ROOT", tmp_path)


@pytest.mark.usefixtures("_sides")
def test_sides_that_agree_are_told_with_their_ratios():
    row = measure.compare(fake("one", "near"), 3, 2)
    assert row["gap"] == pytest.approx(0.001)
    for kind in ("wall", "processor_time", "peak"):
        low, middle, high = row[kind]["ratio"]
        assert low <= middle <= high
    assert row["peak"]["ours"] > 1


@pytest.mark.usefixtures("_sides")
@pytest.mark.parametrize(
    ("theirs", "said"),
    [("far", "do not agree"), ("few", "different in number"), ("nan", "do not agree"),
     ("broken", "no such model")],
)  # fmt: skip
def test_sides_that_differ_or_fail_have_no_times(theirs: str, said: str):
    row = measure.compare(fake("one", theirs), 3, 1)
    assert said in row["failed"]
    assert "wall" not in row


def test_a_peer_that_is_not_installed_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    assert "not installed" in measure.compare(fake("one", "near"), 3, 1)["failed"]


def test_every_side_of_the_table_is_a_function():
    assert len({each.name for each in COMPARISONS}) == len(COMPARISONS)
    for each in COMPARISONS:
        assert "{size}" in each.work
        for side in (each.ours, each.theirs):
            module, _, name = side.call.partition(":")
            tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_page_is_what_the_results_render_to():
    assert (ROOT / "docs" / "bench.md").read_text(encoding="utf-8") == page.page()


def test_the_page_shows_losses_gaps_and_failures(tmp_path: Path):
    first, second, third = COMPARISONS[:3]
    machine = {
        "date": "2026-01-02", "processor": "A processor", "cores": 2, "python": "3.11",
        "versions": {"ranx": "1"},
    }  # fmt: skip
    ratio = {"ours": 2.0, "theirs": 1.0, "ratio": [0.4, 0.5, 0.6]}
    base = {"work": "w", "theirs": "peer", "runs": 2, "agree": "a", "tolerance": 0.1, **machine}
    rows = [
        {"name": first.name, **base, "gap": 0.0, "wall": ratio, "processor_time": ratio,
         "peak": ratio},
        {"name": second.name, **base, "failed": "peer: not installed"},
    ]  # fmt: skip
    (tmp_path / "bench.json").write_text(json.dumps(rows), encoding="utf-8")
    made = page.page(tmp_path)
    assert made.count("**0.40, 0.50, 0.60**") == 3
    assert "peer: not installed" in made
    assert f"| {third.name} | | | not measured" in made
    assert "A processor" in made
    widths = {line.count("|") for line in made.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert dataclasses.is_dataclass(first)
