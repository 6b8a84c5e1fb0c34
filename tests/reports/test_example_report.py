"""The committed example: its text follows from its data, and its data from the runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from measured_store import store_at
from report_numbers import strange_numbers

from harness.compare.build import compare
from harness.compare.choose import Wanted, find_systems
from harness.compare.contrast import Plan
from harness.compare.insight import Library, Places
from harness.compare.machine import comparison_json
from harness.core.progress import SilentReporter
from harness.data.registry import TaskOptions, load_task
from harness.evaluate import EvalConfig, score_external

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "reasonir-vs-rader"
SYSTEMS = {"reasonir-8b": "trec.gz", "rader-gte-qwen2-7b": "score.json.gz"}


def test_every_number_is_in_the_data_and_nothing_of_a_machine() -> None:
    text = (EXAMPLE / "report.md").read_text(encoding="utf-8")
    data = json.loads((EXAMPLE / "report.json").read_text(encoding="utf-8"))
    assert strange_numbers(text, data) == []
    for path in (EXAMPLE / "report.md", EXAMPLE / "report.json"):
        told = path.read_text(encoding="utf-8")
        assert not any(part in told for part in ("/home", "/root", "/tmp", "/work", "../"))
    assert all(not change["text"] for change in data["comparison"]["changes"])


@pytest.mark.parametrize("task", ["pony", "aops"])
def test_the_runs_give_the_examples_numbers(shared_data: Path, tmp_path: Path, task: str) -> None:
    store = store_at(tmp_path)
    options = TaskOptions(shared_data / "bright", with_corpus=False)
    ground = replace(load_task(task, options), query_set="gpt4", queries=())
    for name, suffix in SYSTEMS.items():
        run = shared_data / "runs" / f"{name}-gpt4-queries" / f"{task}.{suffix}"
        score_external(run, name, ground, store, EvalConfig(), SilentReporter())
    entries = store.entries().entries
    chosen = find_systems(entries, list(SYSTEMS), Wanted({}, (task,)))
    plan = Plan(pairs="first")
    found = compare(chosen, "", plan, Library(store, entries, Places(), SilentReporter()))
    (fresh,) = comparison_json(found)["by_task"][task]
    data = json.loads((EXAMPLE / "report.json").read_text(encoding="utf-8"))
    (committed,) = data["comparison"]["by_task"][task]
    for key in ("mean_a", "mean_b", "delta", "effect", "detectable", "p"):
        assert fresh[key] == pytest.approx(committed[key], rel=1e-9), key
    assert fresh["counts"] == committed["counts"]
    for end in ("low", "high"):
        assert fresh["interval"][end] == pytest.approx(committed["interval"][end], rel=1e-9)
