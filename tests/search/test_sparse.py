"""Sparse search against plain loops: the protocol's ties and exclusions, cuts, scaled rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from harness.core.errors import ModelError
from harness.search import sparse as module
from harness.search.sparse import search_sparse
from harness.search.sparse_rows import prune, unit_rows

# Eighths: sums come out the same in any order, and many of them tie.
WEIGHTS = st.sampled_from([0.0, 0.0, 0.125, 0.25, 0.5, 1.0])


@st.composite
def collections(draw):
    terms, n, q = draw(st.integers(1, 6)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    table = st.lists(WEIGHTS, min_size=terms, max_size=terms)
    documents = draw(st.lists(table, min_size=n, max_size=n))
    queries = draw(st.lists(table, min_size=q, max_size=q))
    ids = [f"d{row}" for row in draw(st.permutations(range(n)))]
    excluded = [
        frozenset(draw(st.lists(st.sampled_from([*ids, "gone"]), max_size=n))) for _ in queries
    ]
    return queries, documents, ids, excluded, draw(st.integers(1, n + 2))


def plain(query, documents, ids, excluded, k):
    """Return ids and scores by a sort of every document."""
    scored = [
        (sum(a * b for a, b in zip(query, document, strict=True)), key)
        for document, key in zip(documents, ids, strict=True)
        if key not in excluded
    ]
    return sorted(scored, reverse=True)[:k]


@settings(max_examples=150, deadline=None)
@given(collections(), st.sampled_from([(8192, 2**28), (3, 16)]))
def test_as_a_sort_of_every_document(collection, sizes) -> None:
    queries, documents, ids, excluded, k = collection
    asked = [(f"q{row}", each) for row, each in enumerate(excluded)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DOCUMENTS_AT_ONCE", sizes[0])
        patch.setattr(module, "SCORE_BYTES", sizes[1])
        run = search_sparse(
            csr_array(np.array(queries, np.float32)),
            csr_array(np.array(documents, np.float32)),
            ids,
            asked,
            k,
        )
    for (qid, left_out), query in zip(asked, queries, strict=True):
        ranking = run.rankings[qid]
        right = plain(query, documents, ids, left_out, k)
        assert list(zip(ranking.scores.tolist(), ranking.doc_ids, strict=True)) == right
        assert ranking.scores.dtype == np.float32


def test_another_vocabulary_and_infinite_weights_are_refused() -> None:
    rows = csr_array(np.ones((1, 4), np.float32))
    with pytest.raises(ModelError, match="queries weigh 4 terms, documents 5"):
        search_sparse(rows, csr_array(np.ones((1, 5), np.float32)), ["d"], [("q", frozenset())], 1)
    endless = csr_array(np.full((1, 4), np.inf, np.float32))
    with pytest.raises(ModelError, match="a score is inf"):
        search_sparse(rows, endless, ["d"], [("q", frozenset())], 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WEIGHTS, min_size=5, max_size=5), min_size=1, max_size=6),
       st.integers(0, 6))  # fmt: skip
def test_the_heaviest_terms_are_kept(table, most) -> None:
    rows = csr_array(np.array(table, np.float32))
    pruned = prune(rows, most)
    kept = []
    for row in table:
        terms = sorted((-weight, term) for term, weight in enumerate(row) if weight)
        chosen = {term for _, term in terms[: most or None]}
        kept.append([weight if term in chosen else 0.0 for term, weight in enumerate(row)])
    assert pruned.rows.toarray().tolist() == kept
    assert pruned.rows.has_canonical_format
    assert pruned.rows.nnz == np.count_nonzero(kept)
    assert pruned.cut == sum(one != other for one, other in zip(table, kept, strict=True))
    shares = [sum(b) / sum(a) for a, b in zip(table, kept, strict=True) if sum(a)]
    assert pruned.kept == pytest.approx(np.mean(shares) if shares else 1.0)


def test_rows_are_scaled_to_norm_one_and_empty_ones_stay() -> None:
    rows = unit_rows(csr_array(np.array([[3, 0, 4], [0, 0, 0], [0, 2, 0]], np.float32)))
    assert rows.toarray() == pytest.approx(np.array([[0.6, 0, 0.8], [0, 0, 0], [0, 1, 0]]))
    assert rows.dtype == np.float32
