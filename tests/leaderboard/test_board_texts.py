"""Texts of queries on the page: of tasks at hand, under the same judgements only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.core.hashing import task_fingerprint
from harness.data.registry import TaskOptions, load_task
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.rows import Board
from harness.leaderboard.texts import LONGEST, query_texts
from results.store import ResultStore
from tests.helpers.stored_boards import store_entry


def boards_of(root: Path, task: str, fingerprint: str) -> tuple[Board, ...]:
    """Return the boards of one entry on a task with these judgements."""
    store = ResultStore(root)
    store_entry(store, "bm25", task, [0.5, 0.25])
    entries = [
        replace(entry, task=replace(entry.task, fingerprint=fingerprint))
        for entry in store.entries().entries
    ]
    return build_boards(Sources(entries, (), (), {}, {}))


def test_the_embedded_task_has_texts_that_are_cut(tmp_path: Path) -> None:
    task = load_task("stdlib-oblique", TaskOptions())
    found = query_texts(boards_of(tmp_path, "stdlib-oblique", task_fingerprint(task)), None)
    assert found.keys() == {"stdlib-oblique"}
    assert found["stdlib-oblique"].keys() == {query.id for query in task.queries}
    whole = {query.id: query.text for query in task.queries}
    long = [qid for qid, text in whole.items() if len(text) > LONGEST]
    assert long
    for qid, text in found["stdlib-oblique"].items():
        assert len(text) <= LONGEST
        assert text.endswith("…") == (qid in long)
        assert whole[qid].startswith(text.removesuffix("…"))


def test_other_judgements_and_tasks_elsewhere_have_none(tmp_path: Path) -> None:
    assert query_texts(boards_of(tmp_path / "a", "stdlib-oblique", "f" * 64), None) == {}
    assert query_texts(boards_of(tmp_path / "b", "biology", "f" * 64), None) == {}
    assert query_texts(boards_of(tmp_path / "c", "biology", "f" * 64), tmp_path / "empty") == {}
    assert query_texts(boards_of(tmp_path / "d", "mine", "f" * 64), tmp_path) == {}


def test_bright_from_a_folder_has_texts(shared_data: Path, tmp_path: Path) -> None:
    bright = shared_data / "bright"
    task = load_task("pony", TaskOptions(bright, with_corpus=False))
    boards = boards_of(tmp_path, "pony", task_fingerprint(task))
    assert len(query_texts(boards, bright)["pony"]) == 112
    assert query_texts(boards, None) == {}
