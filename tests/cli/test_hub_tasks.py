"""A task of the hub from its name to the board: evaluated, kept, verified, compared, scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.comparability import data_differences
from harness.core.progress import SilentReporter
from harness.data.registry import TaskOptions, load_task
from results.store import ResultStore
from tests.helpers import fake_hub
from tests.helpers import ground_layouts as layouts
from tests.helpers.measured_store import measure, store_at

TASK = "hub:org/data#NanoOne"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Serve a data set with two tasks in place of the hub."""
    folder = tmp_path / "served"
    layouts.hakari(folder)
    with fake_hub.serve(folder, "org/data", "dataset") as (address, asked):
        fake_hub.use(monkeypatch, address, tmp_path / "hub-cache")
        yield asked


def test_a_task_of_the_hub_is_measured_like_any_other(rebench, hub, tmp_path: Path):
    pinned = f"hub:org/data@{fake_hub.COMMIT[:8]}#NanoOne"
    measured = rebench("eval", "-m", "bm25,bm25-bow", "-t", f"{TASK},{pinned}", "--json").json
    assert {each["task"] for each in measured} == {TASK}
    assert [each["reused"] for each in measured].count(False) == 2
    assert rebench("verify").code == 0
    boards = rebench("leaderboard", "--measured", "--tasks", TASK, "--format", "json").json
    assert [row["model"] for row in boards[0]["rows"]] == ["bm25", "bm25-bow"]
    assert rebench("compare", "bm25", "bm25-bow", "--tasks", TASK).code == 0
    run = tmp_path / "run.json"
    run.write_text('{"1": ["d2", "d 1"], "2": ["d2"]}')
    (scored,) = rebench("score", run, "--task", TASK, "--name", "mine", "--json").json
    assert scored["metrics"]["recall@10"] == 1.0
    assert scored["n_documents"] is None


def test_changed_aspects_keep_entries_apart(tmp_path: Path):
    folder = tmp_path / "Bright-Pro"
    layouts.bright_pro(folder)
    task = load_task(f"{folder}#biology", TaskOptions(), SilentReporter())
    other = replace(task, aspects={**task.aspects, "2": task.aspects["1"]})
    store = store_at(tmp_path)
    one, two = (measure(store, name, each, [1, 1]) for name, each in (("a", task), ("b", other)))
    assert isinstance(store, ResultStore)
    assert "the aspects of the gold documents, or their weights, differ" in data_differences(
        one, two, store.root
    )
