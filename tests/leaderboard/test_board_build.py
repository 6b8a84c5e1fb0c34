"""Boards: what stands together, what is told apart, and what filters leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import UnknownName
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.filter import BoardFilter, check_names, filter_boards
from harness.leaderboard.rows import Board, ModelFacts
from harness.leaderboard.wording import board_notes, board_title
from results.imported import ImportedRow
from results.published import PublishedRow
from results.store import ResultStore
from tests.helpers.sample_board import IMPORTED, MEMBERS, PUBLISHED
from tests.helpers.stored_boards import Made, store_entry, stored


def boards_of(
    store: ResultStore | None = None,
    published: tuple[PublishedRow, ...] = (),
    imported: tuple[ImportedRow, ...] = (),
    metric: str | None = None,
) -> tuple[Board, ...]:
    entries = store.entries().entries if store else ()
    facts = {"bm25": ModelFacts(family="lexical"), "org/dense": ModelFacts(family="bge")}
    return build_boards(Sources(entries, published, imported, MEMBERS, facts), metric)


def names(board: Board) -> list[tuple[str, str]]:
    return [(row.name, row.kind) for row in board.rows]


def test_all_kinds_stand_together_best_mean_first(tmp_path: Path):
    store = stored(tmp_path, {"mine": {"biology": [0.2, 0.4], "pony": [0.5, 0.5]}})
    (board,) = boards_of(store, (PUBLISHED,), (IMPORTED,))
    assert names(board) == [("mine", "measured"), ("bm25", "published"), ("org/dense", "imported")]
    assert [row.mean for row in board.rows] == pytest.approx([0.4, 0.3, 0.3])
    assert board.members == ("biology", "pony")


def test_a_row_that_lacks_a_task_has_no_mean_and_comes_last(tmp_path: Path):
    store = stored(tmp_path, {"part": {"biology": [1.0, 1.0]}})
    (board,) = boards_of(store, (PUBLISHED,))
    assert [(row.name, row.mean) for row in board.rows] == [("bm25", 0.3), ("part", None)]


@pytest.mark.parametrize(
    "other",
    [Made(gold="x"), Made(query_set="gpt4"), Made(metric="recall@1")],
    ids=["judgements", "query set", "head metric"],
)
def test_rows_on_other_ground_never_share_a_board(tmp_path: Path, other: Made):
    store = stored(tmp_path, {"a": {"biology": [0.5, 0.5]}})
    store_entry(store, "b", "biology", [0.4, 0.4], other)
    assert [len(board.rows) for board in boards_of(store)] == [1, 1]


def test_other_texts_or_documents_under_the_same_names_never_share_a_board(tmp_path: Path):
    first = store_entry(ResultStore(tmp_path), "a", "biology", [0.5, 0.5])
    for changed in ("queries_fingerprint", "corpus_fingerprint"):
        task = replace(first.task, **{changed: "another"})
        second = replace(first, model="b", task=task)
        sources = Sources((first, second), (), (), MEMBERS, {})
        assert [len(board.rows) for board in build_boards(sources)] == [1, 1]


def test_disjoint_queries_are_two_boards(tmp_path: Path):
    store = stored(tmp_path, {"a": {"biology": [0.5, 0.5]}, "b": {"biology": [0.5, 0.5, 0.5]}})
    assert [names(board) for board in boards_of(store)] == [
        [("a", "measured")],
        [("b", "measured")],
    ]
    titles = {board_title(board) for board in boards_of(store)}
    assert len(titles) == 2
    assert all(" · ground " in title for title in titles)
    assert all("rebench compare" in board_notes(board)[0] for board in boards_of(store))
    (alone,) = boards_of(stored(tmp_path / "alone", {"a": {"biology": [0.5, 0.5]}}))
    assert "ground" not in board_title(alone)


def test_published_rows_stand_with_most_of_the_measured_ones(tmp_path: Path):
    store = stored(tmp_path, {"0-odd": {"biology": [0.9] * 3}, "a": {"biology": [0.5] * 2}})
    store_entry(store, "b", "biology", [0.4, 0.4])
    found = {
        tuple(sorted(name for name, _ in names(board))) for board in boards_of(store, (PUBLISHED,))
    }
    assert found == {("0-odd",), ("a", "b", "bm25")}


@pytest.mark.parametrize("gold", ["a75a0eb", "unknown"])
def test_other_gold_versions_have_boards_of_their_own(gold: str):
    old = replace(PUBLISHED, gold=gold)
    imported = replace(IMPORTED, gold=gold)
    boards = boards_of(None, (PUBLISHED, old), (IMPORTED, imported))
    assert [(board.gold, len(board.rows)) for board in boards] == [("", 2), (gold, 2)]


def test_the_newest_entry_stands_for_a_model(tmp_path: Path):
    store = ResultStore(tmp_path)
    store_entry(store, "a", "biology", [0.2, 0.2])
    task = store.entries().entries[0].task
    newer = replace(
        store.entries().entries[0], created="2026-12-01T00:00:00+00:00",
        task=replace(task, revision="later"), metrics={"ndcg@10": 0.7},
    )  # fmt: skip
    sources = Sources((newer, *store.entries().entries), (), (), MEMBERS, {})
    (board,) = build_boards(sources)
    assert [row.values for row in board.rows] == [{"biology": 0.7}]


def test_variants_of_a_model_are_labelled_by_what_differs(tmp_path: Path):
    store = ResultStore(tmp_path)
    for k1 in (0.9, 1.2):
        identity = {"retriever": "bm25", "k1": k1}
        store_entry(store, "bm25", "biology", [k1 / 2, 0.2], Made(identity=identity))
    (board,) = boards_of(store)
    assert [row.name for row in board.rows] == ["bm25 (k1=1.2)", "bm25 (k1=0.9)"]
    assert {row.model for row in board.rows} == {"bm25"}


def test_long_differences_are_labelled_by_a_hash(tmp_path: Path):
    store = ResultStore(tmp_path)
    for letter in "ab":
        identity = {"model": {"weights": letter * 40}}
        store_entry(store, "m", "biology", [0.2, 0.2], Made(identity=identity))
    labels = [row.name for row in boards_of(store)[0].rows]
    assert len(set(labels)) == 2
    assert all(len(label) == len("m#123456") for label in labels)


def test_what_changes_by_task_makes_no_variant(tmp_path: Path):
    store = ResultStore(tmp_path)
    for task in ("biology", "pony"):
        identity = {"model": {"card": "m"}, "spaces": {"query": task}}
        store_entry(store, "m", task, [0.5, 0.5], Made(identity=identity))
        identity = {"external_run": task}
        store_entry(store, "run", task, [0.5, 0.5], Made(identity=identity, k=len(task)))
    (board,) = boards_of(store)
    assert [(row.name, len(row.entries)) for row in board.rows] == [("m", 2), ("run", 2)]


def test_published_rows_that_repeat_each_other_are_one_with_both_sources():
    again = replace(PUBLISHED, source="a website")
    only_mean = replace(PUBLISHED, source="a poster", values={}, average=0.3001, mean=None)
    other = replace(PUBLISHED, source="else", values={"biology": 0.9, "pony": 0.4}, average=0.65)
    (board,) = boards_of(None, (PUBLISHED, only_mean, again, other))
    assert [row.source for row in board.rows] == ["else", "a paper · a website · a poster"]


def test_published_rows_of_one_model_are_told_apart_by_their_sources(tmp_path: Path):
    store = stored(tmp_path, {"bm25": {"biology": [0.2, 0.4]}})
    numbers = [{"biology": 0.1 * at, "pony": 0.3} for at in range(1, 4)]
    rows = tuple(
        replace(PUBLISHED, tag=tag, values=values, average=None, mean=None)
        for tag, values in zip(("mteb", "site", "site"), numbers, strict=True)
    )
    (board,) = boards_of(store, rows)
    assert names(board) == [
        ("bm25 (site 2)", "published"),
        ("bm25 (site 1)", "published"),
        ("bm25 (mteb)", "published"),
        ("bm25", "measured"),
    ]


def test_an_average_that_its_tasks_do_not_give_is_told():
    odd = replace(PUBLISHED, average=0.35, average_mismatch=True)
    (board,) = boards_of(None, (PUBLISHED, odd))
    told = [row.provenance.get("average", "") for row in board.rows]
    assert told == [
        "printed as 35.0, but its tasks give 30.0: one of them is wrong in the source",
        "",
    ]
    assert board.rows[0].provenance["file"] == "results/published/f.toml, row 1"


def test_another_metric_leaves_out_rows_without_it(tmp_path: Path):
    store = stored(tmp_path, {"mine": {"biology": [0.2, 0.4]}})
    (board,) = boards_of(store, (PUBLISHED,), (IMPORTED,), metric="mrr")
    assert names(board) == [("org/dense", "imported"), ("mine", "measured")]
    assert board.rows[0].values == {"biology": 0.9}


def test_facts_of_cards_and_of_sources_reach_the_row():
    (board,) = boards_of(None, (PUBLISHED,), (IMPORTED,))
    by_name = {row.name: row.facts for row in board.rows}
    assert (by_name["bm25"].family, by_name["bm25"].trained_on_bright) == ("lexical", True)
    assert by_name["org/dense"].family == "bge"


def test_kinds_families_and_query_sets_are_chosen(tmp_path: Path):
    store = stored(tmp_path, {"bm25": {"biology": [0.2, 0.4]}})
    boards = boards_of(store, (PUBLISHED, replace(PUBLISHED, query_set="gpt4")), (IMPORTED,))
    measured = filter_boards(boards, BoardFilter(kinds=frozenset({"measured"})))
    assert [names(board) for board in measured] == [[("bm25", "measured")]]
    assert [board.tasks for board in measured] == [("biology",)]  # pony had other rows only
    bge = filter_boards(boards, BoardFilter(families=frozenset({"bge"})))
    assert [names(board) for board in bge] == [[("org/dense", "imported")]]
    gpt4 = filter_boards(boards, BoardFilter(query_sets=frozenset({"gpt4"})))
    assert [board.query_set for board in gpt4] == ["gpt4"]
    assert filter_boards(boards, BoardFilter(tasks=frozenset({"one"}))) == ()


def test_a_board_is_cut_to_the_named_tasks_and_its_means_with_it(tmp_path: Path):
    store = stored(tmp_path, {"mine": {"biology": [0.2, 0.4], "pony": [1.0, 1.0]}})
    only_mean = replace(PUBLISHED, model="poster", values={}, average=0.9, mean=None)
    boards = boards_of(store, (PUBLISHED, only_mean))
    (cut,) = filter_boards(boards, BoardFilter(tasks=frozenset({"biology"})))
    assert [(row.name, row.mean) for row in cut.rows] == [
        ("mine", pytest.approx(0.3)),
        ("bm25", 0.2),
    ]
    assert (cut.members, cut.tasks, cut.whole) == (("biology",), ("biology",), 2)
    assert [entry.task.name for entry in cut.rows[0].entries] == ["biology"]
    for names_all in ({"bright"}, {"bright", "biology"}, {"biology", "pony"}):
        assert filter_boards(boards, BoardFilter(tasks=frozenset(names_all))) == boards


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (BoardFilter(tasks=frozenset({"biologyy"})), "biology"),
        (BoardFilter(query_sets=frozenset({"gpt5"})), "original"),
        (BoardFilter(families=frozenset({"lexicel"})), "lexical"),
    ],
)
def test_names_that_nothing_has_are_refused_with_the_nearest(choice: BoardFilter, message: str):
    with pytest.raises(UnknownName) as error:
        check_names(boards_of(None, (PUBLISHED,)), choice, ("biology",))
    assert message in error.value.fix
