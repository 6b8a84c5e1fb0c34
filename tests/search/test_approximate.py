"""FAISS indexes: excluded documents stay out, recall is against exact search."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import BadInput
from harness.core.types import Ranking, Run
from harness.search.approximate import recall_of, search_approximate
from harness.search.dense import search_dense

N = 2000


@pytest.fixture(scope="module")
def made() -> tuple:
    """Return query vectors, document vectors, ids and queries with exclusions."""
    generator = np.random.default_rng(5)
    documents = generator.standard_normal((N, 32)).astype(np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries = documents[:20] + 0.1 * generator.standard_normal((20, 32)).astype(np.float32)
    ids = [f"d{row:04}" for row in range(N)]
    # Each query excludes the document it was made from: its nearest neighbour by far.
    asked = [(f"q{row}", frozenset({f"d{row:04}", "unknown"})) for row in range(20)]
    return queries.astype(np.float32), documents, ids, asked


@pytest.mark.parametrize("factory", ["Flat", "HNSW32", "IVF16,Flat"])
def test_excluded_documents_stay_out(made: tuple, factory: str):
    run = search_approximate(*made, 50, factory)
    for qid, excluded in made[3]:
        assert excluded.isdisjoint(run.rankings[qid].doc_ids)
        assert len(set(run.rankings[qid].doc_ids)) == len(run.rankings[qid]) > 0


def test_flat_is_exact(made: tuple):
    exact, flat = search_dense(*made, 100), search_approximate(*made, 100, "Flat")
    assert recall_of(flat, exact) == {10: 1.0, 100: 1.0}
    for qid, _ in made[3]:
        assert flat.rankings[qid].doc_ids == exact.rankings[qid].doc_ids


def test_a_coarse_index_has_a_recall_between_nothing_and_all(made: tuple):
    recall = recall_of(search_approximate(*made, 100, "IVF64,Flat"), search_dense(*made, 100))
    assert 0 < recall[100] < recall[10] < 1 or 0 < recall[100] < 1


def test_recall_counts_shared_documents():
    def run(ids: str) -> Run:
        return Run({"q": Ranking(tuple(ids), np.zeros(len(ids), np.float32))})

    assert recall_of(run("abx"), run("abcd")) == {10: 0.5, 100: 0.5}


@pytest.mark.parametrize("factory", ["Nonsense7", "", "IVF99999,Flat"])
def test_a_factory_that_faiss_refuses_is_bad_input(made: tuple, factory: str):
    with pytest.raises(BadInput, match="FAISS refuses the index"):
        search_approximate(*made, 10, factory)
