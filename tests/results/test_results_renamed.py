"""Entries that were stored under a task's former name: read as what they are, kept as they lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.core.progress import SilentReporter
from harness.core.types import Qrels, Task
from harness.data.embedded import TASKS as EMBEDDED
from harness.data.registry import group_members
from harness.data.situations import read_situations
from harness.data.stdlib.task import STDLIB
from harness.data.trec import read_run
from harness.evaluate import EvalConfig, describe_task, evaluate, verify_all
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.wording import board_title
from harness.metrics.score import score
from harness.search.bm25 import bm25
from results.judgements import save_judgements
from results.schema import RENAMED
from results.store import ENTRY, ResultStore
from tests.helpers.measured_store import store_at


def former_task() -> Task:
    """Return the task of the first release, rebuilt from what the package still holds."""
    gold: Qrels = {
        each.id: dict.fromkeys(each.gold_1, 1) for each in read_situations(STDLIB.collection)
    }
    return replace(EMBEDDED["stdlib-oblique"].load(), name="stdlib", qrels=gold)


def measured_then(store: ResultStore) -> Path:
    """Store an entry as the first release did, and return its file."""
    task = former_task()
    entry = evaluate(
        bm25(), EMBEDDED["stdlib-oblique"].load(), store, EvalConfig(k=20), SilentReporter()
    ).entry
    run = read_run(store.run_path(entry))
    scores = score(run, task.qrels)
    old = replace(entry, task=describe_task(task), metrics=scores.means, files=None)
    save_judgements(store.root, task)
    stored = store.save(old, scores.per_query, store.run_text(entry))
    return store.folder(replace(stored, task=describe_task(task))) / ENTRY


def test_an_older_entry_is_the_oblique_level_on_gold_1(tmp_path: Path):
    store = store_at(tmp_path)
    path = measured_then(store)
    assert path.parent.parent.name == "stdlib"
    told = json.loads(path.read_text(encoding="utf-8"))["task"]
    assert told["name"] == "stdlib"
    assert "gold" not in told
    read = [each for each in store.entries().entries if each.task.gold]
    assert [(each.task.name, each.task.gold) for each in read] == [("stdlib-oblique", "1")]
    assert store.folder(read[0]) == path.parent


def test_it_can_be_verified_and_stored_again_where_it_lies(tmp_path: Path):
    store = store_at(tmp_path)
    path = measured_then(store)
    before = json.loads(path.read_text(encoding="utf-8"))
    loaded = store.entries()
    assert loaded.problems == ()
    assert [each.status for each in verify_all(store, loaded.entries)] == ["match", "match"]
    (old,) = [each for each in loaded.entries if each.task.gold]
    store.save(replace(old, files=None), store.per_query(old), store.run_text(old))
    after = json.loads(path.read_text(encoding="utf-8"))
    of_one_save = {"files": None, "checksum": None}
    assert {**after, **of_one_save} == {**before, **of_one_save}


def test_it_is_marked_and_never_ranked_with_gold_2(tmp_path: Path):
    store = store_at(tmp_path)
    measured_then(store)
    members = {"stdlib": group_members("stdlib")}
    boards = build_boards(Sources(store.entries().entries, (), (), members, {}))
    assert [board_title(board) for board in boards] == [
        "stdlib · original queries · nDCG@10 × 100",
        "stdlib-oblique · original queries · nDCG@10 × 100 · gold version 1",
    ]
    assert all(len(board.rows) == 1 for board in boards)


def test_a_folder_of_the_same_name_is_not_meant(tmp_path: Path):
    store = store_at(tmp_path)
    measured_then(store)
    (old,) = [each for each in store.entries().entries if each.task.gold]
    mine = replace(old, task=replace(old.task, name="stdlib", group="beir", gold=""), files=None)
    stored = store.save(mine, store.per_query(old), store.run_text(old))
    assert (stored.task.name, stored.task.gold) == ("stdlib", "")


def test_what_replaces_a_task_exists():
    assert {new.name for new in RENAMED.values()} <= set(group_members("stdlib"))
