"""Standings: rank groups, rank intervals and intervals of means, of measured rows only."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.rank import rank_board, read_values
from harness.leaderboard.rows import Board, Statistics
from harness.stats.conventions import MOST_PERMUTATIONS, PERMUTATIONS
from results.store import ResultStore
from tests.helpers.sample_board import MEMBERS, PUBLISHED
from tests.helpers.stored_boards import store_entry, stored

BOTH = ("biology", "pony")


def ranked(store: ResultStore, seed: int = 1, published: tuple = ()) -> Board:
    entries = store.entries().entries
    (board,) = build_boards(Sources(entries, published, (), MEMBERS, {}))
    values = read_values(board, store.values)
    assert values.problems == ()
    return rank_board(board, values, seed)


def spread(mean: float, queries: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return np.clip(mean + rng.normal(0, 0.1, queries), 0, 1).tolist()


def test_groups_agree_with_enumerated_tests_and_another_holm(tmp_path: Path):
    """Few queries: all sign patterns of both tasks are tried in a plain loop."""
    scores = {
        "a": {"biology": [0.9, 0.8, 0.95, 0.85, 0.7], "pony": [0.6, 0.7, 0.65, 0.8]},
        "b": {"biology": [0.88, 0.81, 0.9, 0.85, 0.75], "pony": [0.6, 0.68, 0.7, 0.78]},
        "c": {"biology": [0.1, 0.2, 0.15, 0.05, 0.1], "pony": [0.2, 0.1, 0.3, 0.2]},
    }
    p = []
    for one, other in combinations(scores, 2):
        gaps = [
            (x - y) / (2 * len(scores[one][task]))
            for task in BOTH
            for x, y in zip(scores[one][task], scores[other][task], strict=True)
        ]
        reached = [
            abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) >= abs(sum(gaps)) - 1e-12
            for signs in product((1, -1), repeat=len(gaps))
        ]
        p.append(sum(reached) / len(reached))
    adjusted = multipletests(p, method="holm")[1]
    assert adjusted[0] > 0.05 >= max(adjusted[1:])  # a, b together; c apart: as the rows must say
    board = ranked(stored(tmp_path, scores))
    assert [(row.name, row.standing.group) for row in board.rows] == [("b", 1), ("a", 1), ("c", 2)]
    assert board.statistics.pairs == 3


def test_small_tasks_weigh_as_much_as_large_ones(tmp_path: Path):
    """The gain lies in the small task: clear in the macro-mean, lost in noise among all queries."""
    noise = [0.2, 0.8] * 20
    scores = {
        "a": {"biology": noise, "pony": [0.75] * 8},
        "b": {"biology": noise[::-1], "pony": [0.25] * 8},
    }
    board = ranked(stored(tmp_path, scores))
    assert [(row.name, row.standing.group) for row in board.rows] == [("a", 1), ("b", 2)]


def test_standings_belong_to_their_rows_and_hold_their_means(tmp_path: Path):
    store = stored(
        tmp_path,
        {
            f"m{at}": {task: spread(0.2 + 0.15 * at, 40, 7 * at + len(task)) for task in BOTH}
            for at in range(4)
        },
    )
    board = ranked(store, published=(PUBLISHED,))
    places = [row.name for row in board.rows if row.kind == "measured"]
    assert places == ["m3", "m2", "m1", "m0"]
    for place, name in enumerate(places, start=1):
        (row,) = [each for each in board.rows if each.name == name]
        assert row.standing.best <= place <= row.standing.worst
        assert row.standing.interval.low < row.mean < row.standing.interval.high
    assert [row.standing.group for row in board.rows if row.standing] == [1, 2, 3, 4]


def test_published_rows_and_rows_without_all_tasks_get_nothing(tmp_path: Path):
    store = stored(tmp_path, {"whole": {task: [0.2, 0.5] for task in BOTH}})
    store_entry(store, "part", "biology", [0.5, 0.1])
    board = ranked(store, published=(PUBLISHED,))
    assert {row.name: row.standing is not None for row in board.rows} == {
        "whole": True, "part": False, "bm25": False,
    }  # fmt: skip
    assert board.statistics.entries == 1


def test_a_board_without_measured_rows_has_no_statistics():
    (board,) = build_boards(Sources((), (PUBLISHED,), (), MEMBERS, {}))
    values = read_values(board, lambda entry, metric: {})
    assert rank_board(board, values) == board


def test_one_entry_stands_alone(tmp_path: Path):
    board = ranked(stored(tmp_path, {"a": {task: [0.1, 0.7, 0.4] for task in BOTH}}))
    standing = board.rows[0].standing
    assert (standing.group, standing.best, standing.worst) == (1, 1, 1)
    assert board.statistics.pairs == 0


def test_equal_scores_are_one_group_of_shared_rank(tmp_path: Path):
    board = ranked(stored(tmp_path, {name: {t: [0.5] * 4 for t in BOTH} for name in "abc"}))
    assert {(row.standing.group, row.standing.best, row.standing.worst) for row in board.rows} == {
        (1, 1, 1)
    }
    assert {(row.standing.interval.low, row.standing.interval.high) for row in board.rows} == {
        (0.5, 0.5)
    }


def test_a_single_query_says_nothing(tmp_path: Path):
    board = ranked(stored(tmp_path, {"a": {t: [0.9] for t in BOTH}, "b": {t: [0.1] for t in BOTH}}))
    for row in board.rows:
        standing = row.standing
        assert (standing.group, standing.best, standing.worst) == (1, 1, 2)
        assert standing.interval is None


def test_the_same_seed_gives_the_same_board(tmp_path: Path):
    scores = {f"m{at}": {t: spread(0.5 + 0.01 * at, 30, at) for t in BOTH} for at in range(3)}
    store = stored(tmp_path, scores)
    assert ranked(store, seed=5) == ranked(store, seed=5)
    assert ranked(store, seed=5) != ranked(store, seed=6)


@pytest.mark.parametrize(("pairs", "expected"), [(0, PERMUTATIONS), (435, 17_400)])
def test_permutations_grow_with_the_pairs(tmp_path: Path, pairs: int, expected: int):
    models = 30 if pairs else 1
    scores = {f"m{at:02d}": {t: [0.5, 0.6, at / 40] for t in BOTH} for at in range(models)}
    found = ranked(stored(tmp_path, scores)).statistics
    assert (found.pairs, found.permutations) == (pairs, expected)
    assert found.reachable


def test_too_many_pairs_are_owned_up_to():
    def statistics(pairs: int) -> Statistics:
        return Statistics(9, 9, pairs, MOST_PERMUTATIONS, 1, 1, 0.05, 0.95)

    assert statistics(10_000).reachable
    assert not statistics(10_001).reachable


def test_unreadable_values_are_reported_and_cost_only_their_row(tmp_path: Path):
    store = stored(tmp_path, {name: {t: [0.2, 0.6] for t in BOTH} for name in "ab"})
    entry = next(each for each in store.entries().entries if each.model == "a")
    (store.folder(entry) / entry.files.per_query).write_bytes(b"damaged")
    (board,) = build_boards(Sources(store.entries().entries, (), (), MEMBERS, {}))
    values = read_values(board, store.values)
    assert len(values.problems) == 1
    assert entry.files.per_query in values.problems[0].message
    found = rank_board(board, values)
    assert {row.name: row.standing is not None for row in found.rows} == {"a": False, "b": True}


def test_values_for_other_queries_are_reported(tmp_path: Path):
    store = stored(tmp_path, {name: {"biology": [0.2, 0.6]} for name in "ab"})
    (board,) = build_boards(Sources(store.entries().entries, (), (), MEMBERS, {}))
    values = read_values(board, lambda each, metric: {f"{each.model}1": 0.1, "q": 0.2})
    assert ["b on biology" in problem.message for problem in values.problems] == [True]
