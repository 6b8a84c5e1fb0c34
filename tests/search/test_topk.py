"""Exact top-k against a full sort, with ties, exclusions and bad scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import ModelError
from harness.search.top_k import SAMPLE_STEP, IdOrder, candidate_rows, id_order, top_k


def _by_full_sort(scores, ids, k, excluded):
    """Rank as written: drop the excluded, sort by score then id, both descending."""
    rows = sorted(set(range(len(ids))) - set(excluded))
    rows.sort(key=lambda row: (scores[row], ids[row]), reverse=True)
    return rows[:k]


@st.composite
def _cases(draw):
    ids = draw(st.lists(st.text(min_size=1, max_size=4), unique=True, min_size=1, max_size=40))
    few = st.sampled_from([-1.0, -0.0, 0.0, 0.25, 0.5, 1e-30])
    values = draw(st.lists(few | st.floats(-9, 9, width=32), min_size=len(ids), max_size=len(ids)))
    excluded = draw(st.lists(st.integers(0, len(ids) - 1), max_size=2 * len(ids)))
    return ids, np.array(values, dtype=np.float32), draw(st.integers(1, 50)), excluded


@settings(max_examples=400, deadline=None)
@given(_cases())
def test_equals_a_full_sort(case):
    ids, scores, k, excluded = case
    rows = top_k(scores, IdOrder(ids), k, np.array(excluded, dtype=np.intp))
    assert rows.tolist() == _by_full_sort(scores, ids, k, excluded)


def test_id_order_is_descending_by_code_point():
    ids = ["a", "é", "Z", "\U0001f600", "\uffff", "a1"]
    assert [ids[row] for row in np.argsort(id_order(ids))] == sorted(ids, reverse=True)


def test_eleven_thousand_excluded_of_188_thousand_still_leave_a_thousand():
    rng = np.random.default_rng(7)
    scores = rng.integers(0, 50, 188_002).astype(np.float32)
    ids = [f"doc/{number}" for number in rng.permutation(188_002)]
    # The excluded are the best ones, so a cut made before the mask would come up short.
    excluded = np.argsort(-scores, kind="stable")[:11_000]
    rows = top_k(scores, IdOrder(ids), 1000, excluded)
    assert len(rows) == 1000
    assert not set(rows.tolist()) & set(excluded.tolist())
    assert rows.tolist() == _by_full_sort(scores, ids, 1000, excluded.tolist())


def test_all_excluded_gives_an_empty_ranking():
    assert len(top_k(np.ones(3, np.float32), IdOrder(["a", "b", "c"]), 5, np.arange(3))) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_raise(bad):
    scores = np.array([0.5, bad, 0.1], dtype=np.float32)
    with pytest.raises(ModelError, match="finite"):
        top_k(scores, IdOrder(["a", "b", "c"]), 2)


def test_k_and_shapes_are_checked():
    order = IdOrder(["a", "b"])
    with pytest.raises(ValueError, match="at least 1"):
        top_k(np.zeros(2, np.float32), order, 0)
    with pytest.raises(ValueError, match="float64"):
        top_k(np.zeros(2), order, 1)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        top_k(np.zeros(3, np.float32), order, 1)


def test_the_scores_handed_in_stay_as_they_are():
    scores = np.arange(5, dtype=np.float32)
    top_k(scores, IdOrder("abcde"), 2, np.array([4]))
    assert scores.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("where", ["anywhere", "in the sample", "beside the sample", "equal"])
def test_a_large_corpus_is_cut_right_whatever_the_sample_shows(where: str):
    n, k = 100_000, 700
    rng = np.random.default_rng(5)
    scores = rng.standard_normal(n).astype(np.float32)
    rows = np.arange(n)
    if where == "equal":
        scores[:] = 1
    elif where != "anywhere":
        sampled = rows % SAMPLE_STEP == 0
        scores[sampled if where == "in the sample" else ~sampled] += 20
    ids = [f"doc/{number}" for number in rng.permutation(n)]
    found = candidate_rows(scores, k)
    assert len(found) >= k
    floor = scores[found].min()
    assert np.array_equal(found, np.flatnonzero(scores >= floor))
    assert top_k(scores, IdOrder(ids), k).tolist() == _by_full_sort(scores, ids, k, ())


def test_order_of_some_rows_agrees_with_all_before_and_after_all_are_sorted():
    ids = [f"d{number}" for number in np.random.default_rng(2).permutation(200)]
    order, whole = IdOrder(ids), id_order(ids)
    for _ in range(6):
        rows = np.array([5, 199, 0, 77, 42] * 10, dtype=np.intp)
        assert np.argsort(order.of(rows), kind="stable").tolist() == (
            np.argsort(whole[rows], kind="stable").tolist()
        )
