"""Exact search equals a full sort, whoever multiplies and however it is cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, ModelError
from harness.search import dense
from harness.search.dense import DenseSearch, search_dense

ENGINES = ("numpy", "torch")
each_engine = pytest.mark.parametrize(
    "engine", ["numpy", pytest.param("torch", marks=pytest.mark.torch)]
)


def vectors(rows: int, seed: int, dimension: int = 8) -> np.ndarray:
    """Return small integers as floats: products are exact, so ties are real and frequent."""
    generator = np.random.default_rng(seed)
    return generator.integers(-2, 3, size=(rows, dimension)).astype(np.float32)


def full_sort(
    queries: np.ndarray, documents: np.ndarray, ids: list[str], excluded: list[frozenset], k: int
) -> list[list[str]]:
    """Return each query's best ids by a plain sort of Python numbers."""
    found = []
    for query, left_out in zip(queries.tolist(), excluded, strict=True):
        scored = [
            (sum(a * b for a, b in zip(query, row, strict=True)), key)
            for key, row in zip(ids, documents.tolist(), strict=True)
            if key not in left_out
        ]
        found.append([key for _, key in sorted(scored, reverse=True)[:k]])
    return found


@each_engine
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 50), st.integers(0, 10**6))
def test_equals_a_full_sort(engine: str, n: int, q: int, k: int, seed: int):
    generator = np.random.default_rng(seed)
    ids = [f"d{row}" for row in generator.permutation(n)]
    documents, queries = vectors(n, seed), vectors(q, seed + 1)
    excluded = [
        frozenset(generator.choice([*ids, "unknown"], size=generator.integers(0, n + 1)).tolist())
        for _ in range(q)
    ]
    asked = [(f"q{row}", left_out) for row, left_out in enumerate(excluded)]
    run = search_dense(queries, documents, ids, asked, k, DenseSearch(engine))
    ranked = [list(run.rankings[qid].doc_ids) for qid, _ in asked]
    assert ranked == full_sort(queries, documents, ids, excluded, k)


@each_engine
def test_blocks_do_not_change_the_result(engine: str, monkeypatch: pytest.MonkeyPatch):
    ids = [f"d{row}" for row in range(50)]
    asked = [(f"q{row}", frozenset()) for row in range(9)]
    arguments = (vectors(9, 1), vectors(50, 2), ids, asked, 10, DenseSearch(engine))
    whole = search_dense(*arguments)
    monkeypatch.setattr(dense, "SCORE_BYTES", 4 * 50 * 2)
    in_blocks = search_dense(*arguments)
    for qid, _ in asked:
        assert in_blocks.rankings[qid].doc_ids == whole.rankings[qid].doc_ids
        assert np.array_equal(in_blocks.rankings[qid].scores, whole.rankings[qid].scores)


@pytest.mark.torch
def test_engines_agree_up_to_rounding():
    generator = np.random.default_rng(3)
    documents = generator.standard_normal((300, 64)).astype(np.float32)
    queries = generator.standard_normal((5, 64)).astype(np.float32)
    ids = [f"d{row}" for row in range(300)]
    asked = [(f"q{row}", frozenset({"d1"})) for row in range(5)]
    runs = [
        search_dense(queries, documents, ids, asked, 300, DenseSearch(engine)) for engine in ENGINES
    ]
    for qid, _ in asked:
        left, right = (run.rankings[qid] for run in runs)
        scores = [dict(zip(each.doc_ids, each.scores, strict=True)) for each in (left, right)]
        assert scores[0].keys() == scores[1].keys()
        assert max(abs(scores[0][key] - scores[1][key]) for key in scores[0]) < 1e-4


def test_everything_excluded_leaves_an_empty_ranking():
    run = search_dense(vectors(1, 1), vectors(2, 2), ["a", "b"], [("q", frozenset("ab"))], 5)
    assert len(run.rankings["q"]) == 0


def test_dimensions_that_differ_are_an_error():
    with pytest.raises(ModelError, match="queries have 4 components, documents 8"):
        search_dense(vectors(1, 1, 4), vectors(2, 2, 8), ["a", "b"], [("q", frozenset())], 1)


@each_engine
def test_a_score_that_is_not_finite_is_an_error(engine: str):
    documents = vectors(2, 2)
    documents[1, 0] = np.nan
    with pytest.raises(ModelError, match="nan"):
        search_dense(
            np.ones((1, 8), np.float32), documents, ["a", "b"], [("q", frozenset())], 1,
            DenseSearch(engine),
        )  # fmt: skip


@pytest.mark.torch
def test_unknown_engine_and_device_are_bad_input():
    arguments = (vectors(1, 1), vectors(2, 2), ["a", "b"], [("q", frozenset())], 1)
    with pytest.raises(BadInput, match="search engine 'gpu'"):
        search_dense(*arguments, DenseSearch("gpu"))
    with pytest.raises(BadInput, match="cannot use the device 'cuda:77'"):
        search_dense(*arguments, DenseSearch("torch", "cuda:77"))
