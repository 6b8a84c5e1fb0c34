"""Boards of one fold, metric columns, floors, and published rows above their ceilings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.data.folds import fold_of
from harness.derived import EntryReader
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.columns import floor_free_mean
from harness.leaderboard.headroom import Candidates, candidate_ceilings
from harness.leaderboard.wording import board_notes
from results.published import GROUPS, load_published
from tests.helpers.command_run import Done, runner
from tests.helpers.measured_store import make_task, measure, store_at

RANKS = [1, 3, None, 2, 12, 1, 11, 4, 6, 2]


@pytest.fixture
def board(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "rebench-results"))
    return runner(capsys, monkeypatch, tmp_path, "leaderboard")


def shown(done: Done) -> dict:
    assert done.code == 0, done.err
    (only,) = done.json
    return only


def test_metric_columns_are_read_from_the_runs(board, tmp_path: Path):
    store = store_at(tmp_path)
    measure(store, "one", make_task("biology", 10), RANKS)
    flags = ("--tasks", "biology", "--measured", "--format", "json")
    (row,) = shown(board(*flags, "--columns", "+ceiling@10,recall@12,not-retrieved,ranked-low"))[
        "rows"
    ]
    assert row["metrics"]["ceiling@10"] == pytest.approx(0.7)  # one gold each, found in the top 10
    assert row["metrics"]["recall@12"] == pytest.approx(0.9)
    assert row["depth"] == 13
    assert row["not_retrieved"] == pytest.approx(0.1)
    assert row["ranked_low"] == pytest.approx(0.9 - row["mean"])
    assert "metrics" not in shown(board(*flags))["rows"][0]
    table = board("--tasks", "biology", "--measured", "--columns", "mean,ceiling@100")
    assert "90.0 (depth 13)" in table.out


def test_a_metric_that_is_not_stored_heads_a_board(board, tmp_path: Path):
    measure(store_at(tmp_path), "one", make_task("biology", 10), RANKS)
    done = board("--tasks", "biology", "--metric", "ceiling@100", "--measured")
    assert "ceiling@100 × 100" in done.out
    assert "one (13 documents)" in done.out
    assert board("--metric", "cieling@100").code == 2


def test_a_board_of_one_fold_says_so_and_has_its_means(board, tmp_path: Path):
    store = store_at(tmp_path)
    entry = measure(store, "one", make_task("biology", 10), RANKS)
    values = store.values(entry, "ndcg@10")
    own = [value for qid, value in values.items() if fold_of("biology", qid) == 1]
    assert own
    found = shown(board("--tasks", "biology", "--fold", "1", "--format", "json"))
    assert found["fold"] == 1
    assert [row["kind"] for row in found["rows"]] == ["measured"]
    assert found["rows"][0]["mean"] == pytest.approx(sum(own) / len(own))
    assert "fold 1 of 5" in board("--tasks", "biology", "--fold", "1").out
    assert board("--fold", "9").code == 2


def test_means_without_floor_heavy_tasks(tmp_path: Path):
    store = store_at(tmp_path)
    for at, name in enumerate(("biology", "pony", "aops", "theoremqa_theorems")):
        measure(store, "one", make_task(name, 4), [at + 1] * 4)
    members = {"bright": ("biology", "pony", "aops", "theoremqa_theorems")}
    (found,) = build_boards(Sources(store.entries().entries, (), (), members, {}))
    (row,) = found.rows
    light = (row.values["biology"] + row.values["aops"]) / 2
    assert floor_free_mean(row, found) == pytest.approx(light)


def test_a_published_reranker_above_the_ceiling_of_its_candidates_is_marked(tmp_path: Path):
    store = store_at(tmp_path)
    measure(store, "reasonir-8b", make_task("biology", 4, query_set="gpt4"), [1, None, None, None])
    measure(store, "reasonir-8b", make_task("pony", 4), [None] * 4)  # other queries
    published = [row for row in load_published() if row.model == "reasonir-8b+qwen-rerank"]
    reader = EntryReader(store)
    ceilings = candidate_ceilings(published, store.entries().entries, reader)
    assert ceilings == {Candidates("reasonir-8b", "gpt4", 100): {"biology": pytest.approx(0.25)}}
    sources = Sources((), published, (), GROUPS, {}, ceilings)
    (found,) = build_boards(sources)
    marked = [note for note in board_notes(found) if note.startswith("†")]
    assert marked == [
        "† reasonir-8b+qwen-rerank: above the ceiling of reasonir-8b's first 100 documents as "
        "stored here: biology 58.2 > 25.0."
    ]
    (plain,) = build_boards(replace(sources, ceilings={}))
    assert not any(note.startswith("†") for note in board_notes(plain))
