"""The committed examples: their texts follow from their data, and their data from the runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.as_json import comparison_json
from harness.compare.comparison import compare
from harness.compare.differences import ComparisonSettings
from harness.compare.selection import EntryFilter, select_named
from harness.compare.task_context import TaskContextLoader
from harness.core.hashing import task_fingerprint
from harness.core.progress import SilentReporter
from harness.data.local_tasks import DataLocations
from harness.data.registry import TaskOptions, group_members, load_task
from harness.data.situations import read_situations
from harness.data.stdlib.task import STDLIB
from harness.evaluate import EvalConfig, evaluate, score_external
from harness.search.bm25 import bm25
from tests.helpers.measured_store import store_at
from tests.helpers.report_numbers import strange_numbers

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLE = EXAMPLES / "reasonir-vs-rader"
STDLIB_EXAMPLE = EXAMPLES / "stdlib-levels"
SYSTEMS = {"reasonir-8b": "trec.gz", "rader-gte-qwen2-7b": "score.json.gz"}


@pytest.mark.parametrize("example", [EXAMPLE, STDLIB_EXAMPLE], ids=lambda path: path.name)
def test_every_number_is_in_the_data_and_nothing_of_a_machine(example: Path) -> None:
    text = (example / "report.md").read_text(encoding="utf-8")
    data = json.loads((example / "report.json").read_text(encoding="utf-8"))
    assert strange_numbers(text, data) == []
    for path in (example / "report.md", example / "report.json"):
        told = path.read_text(encoding="utf-8")
        assert not any(part in told for part in ("/home", "/root", "/tmp", "/work", "../"))
    figures = re.findall(r"\((figures/[^)]+)\)", text)
    assert sorted(figures) == sorted(f"figures/{p.name}" for p in (example / "figures").iterdir())


@pytest.mark.parametrize("group", ["stdlib", "scientific"])
def test_the_readme_shows_the_examples_boards(group: str) -> None:
    board = (EXAMPLES / f"{group}-levels" / "board.md").read_text(encoding="utf-8")
    rows = [line for line in board.splitlines() if line.startswith("|") and " 95 % " in line]
    assert rows, "the head of the board"
    first = board[board.index(rows[0]) :].partition("\n\n")[0]
    assert first in (EXAMPLES.parents[1] / "README.md").read_text(encoding="utf-8")


def test_only_texts_of_our_own_are_in_the_examples() -> None:
    ours = {text for each in read_situations(STDLIB.collection) for text in each.wordings.values()}
    for example, texts in ((EXAMPLE, {""}), (STDLIB_EXAMPLE, ours)):
        data = json.loads((example / "report.json").read_text(encoding="utf-8"))
        changes = data["comparison"]["changes"]
        assert changes
        assert {change["text"] for change in changes} <= texts
        assert not any(change["snippets"] for change in changes)


def test_the_embedded_task_gives_the_examples_numbers(tmp_path: Path) -> None:
    data = json.loads((STDLIB_EXAMPLE / "report.json").read_text(encoding="utf-8"))
    system = data["comparison"]["systems"][0]
    means = {(each["system"], each["task"]): each["mean"] for each in data["comparison"]["means"]}
    for name in group_members("stdlib"):
        task = load_task(name, TaskOptions())
        if task_fingerprint(task) != system["entries"][name]["task_fingerprint"]:
            pytest.skip("another Python, whose documentation differs")
        outcome = evaluate(bm25(), task, store_at(tmp_path), EvalConfig(), SilentReporter())
        assert outcome.entry.metrics["ndcg@10"] == pytest.approx(means["bm25", name], rel=1e-12)


@pytest.mark.parametrize("task", ["pony", "aops"])
def test_the_runs_give_the_examples_numbers(shared_data: Path, tmp_path: Path, task: str) -> None:
    store = store_at(tmp_path)
    options = TaskOptions(shared_data / "bright", with_corpus=False)
    ground = replace(load_task(task, options), query_set="gpt4", queries=())
    for name, suffix in SYSTEMS.items():
        run = shared_data / "runs" / f"{name}-gpt4-queries" / f"{task}.{suffix}"
        score_external(run, name, ground, store, EvalConfig(), SilentReporter())
    entries = store.entries().entries
    chosen = select_named(entries, list(SYSTEMS), EntryFilter({}, (task,)))
    plan = ComparisonSettings(pairs="first")
    found = compare(
        chosen, "", plan, TaskContextLoader(store, entries, DataLocations(), SilentReporter())
    )
    (fresh,) = comparison_json(found)["by_task"][task]
    data = json.loads((EXAMPLE / "report.json").read_text(encoding="utf-8"))
    (committed,) = data["comparison"]["by_task"][task]
    for key in ("mean_a", "mean_b", "delta", "effect", "detectable", "p"):
        assert fresh[key] == pytest.approx(committed[key], rel=1e-9), key
    assert fresh["counts"] == committed["counts"]
    for end in ("low", "high"):
        assert fresh["interval"][end] == pytest.approx(committed["interval"][end], rel=1e-9)
