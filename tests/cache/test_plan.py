"""The plan depends on the whole set of texts, and on nothing else."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.cache.batches import MAX_ROWS, cut, plan_batches
from harness.cache.keys import distinct_texts, text_keys

TEXTS = st.lists(st.text(max_size=12), min_size=1, max_size=40)


def lengths_of(texts) -> np.ndarray:
    return np.array([len(text) for text in texts], dtype=np.int64)


@given(TEXTS, st.integers(0, 60), st.integers(0, 10))
def test_each_text_is_in_one_batch_within_the_budget(texts, budget, limit) -> None:
    distinct = distinct_texts(texts)
    counts = lengths_of(distinct.texts)
    batches = plan_batches(distinct, counts, limit, budget)
    rows = [int(row) for batch in batches for row in batch.rows]
    assert sorted(rows) == list(range(len(distinct)))
    before = None
    for batch in batches:
        assert [distinct.texts[row] for row in batch.rows] == list(batch.texts)
        assert np.array_equal(batch.keys, text_keys(batch.texts))
        assert list(batch.counts) == [len(text) for text in batch.texts]
        cut_off = [min(len(text), limit) if limit else len(text) for text in batch.texts]
        assert list(batch.lengths) == sorted(cut_off, reverse=True)
        assert len(batch) == 1 or not budget or len(batch) * max(1, *cut_off) <= budget
        assert before is None or before >= max(cut_off)
        before = min(cut_off)


@given(TEXTS, st.integers(1, 60), st.integers(0, 2**32))
def test_order_and_repeats_do_not_change_the_plan(texts, budget, seed) -> None:
    shuffled = texts + texts[: len(texts) // 2]
    random.Random(seed).shuffle(shuffled)
    plans = []
    for some in (texts, shuffled):
        distinct = distinct_texts(some)
        batches = plan_batches(distinct, lengths_of(distinct.texts), 0, budget)
        plans.append([batch.texts for batch in batches])
    assert plans[0] == plans[1]


@given(TEXTS)
def test_distinct_texts_lead_back(texts) -> None:
    distinct = distinct_texts(texts)
    assert [distinct.texts[row] for row in distinct.inverse] == texts
    assert list(distinct.texts) == list(dict.fromkeys(texts))
    assert [texts[place] for place in distinct.first] == list(distinct.texts)


def test_a_budget_of_zero_still_leaves_batches_to_keep() -> None:
    parts = cut(np.full(MAX_ROWS + 5, 9, dtype=np.int64), 0)
    assert [len(part) for part in parts] == [MAX_ROWS, 5]


def test_lone_surrogates_have_keys_of_their_own() -> None:
    assert len({key.tobytes() for key in text_keys(["\ud800", "?", "\ufffd", ""])}) == 4
