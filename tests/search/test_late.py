"""MaxSim and search by it against plain loops: blocks, both engines, ties, exclusions, nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput, ModelError
from harness.core.types import TokenVectors
from harness.search import maxsim as module
from harness.search.late import search_candidates, search_late
from harness.search.maxsim import MaxSim, blocks_of, maxsim_scores

# Eighths: sums come out the same in any order, and many of them tie.
COMPONENTS = st.sampled_from([-0.5, 0.0, 0.125, 0.25, 1.0])
MATRICES = st.lists(st.lists(COMPONENTS, min_size=3, max_size=3), max_size=5)


def ragged(matrices) -> TokenVectors:
    starts = np.cumsum([0, *map(len, matrices)])
    rows = [row for matrix in matrices for row in matrix]
    return TokenVectors(np.array(rows, dtype=np.float32).reshape(-1, 3), starts)


def plain_score(query, document, measure: str) -> float:
    """Return MaxSim by two loops; what has no token as sentence-transformers scores it."""
    products = [[sum(map(float.__mul__, q, d)) for d in document] for q in query]
    total = sum(max(each) for each in products) if document else -1e9
    return total / max(1, len(query)) if measure == "meanmaxsim" else total


@st.composite
def collections(draw):
    documents = draw(st.lists(MATRICES, min_size=1, max_size=9))
    queries = draw(st.lists(MATRICES, min_size=1, max_size=4))
    ids = [f"d{row}" for row in draw(st.permutations(range(len(documents))))]
    excluded = [frozenset(draw(st.lists(st.sampled_from([*ids, "gone"])))) for _ in queries]
    return queries, documents, ids, excluded, draw(st.integers(1, len(ids) + 2))


ENGINES = ["numpy", "torch"]
SIZES = st.sampled_from([(720, 800, 8192, 2**28), (2, 3, 2, 4)])


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=80, deadline=None)
@given(collections(), SIZES, st.sampled_from(module.MEASURES))
def test_as_a_loop_over_every_pair(engine: str, collection, sizes, measure: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch")
    queries, documents, ids, excluded, k = collection
    asked = [(f"q{row}", each) for row, each in enumerate(excluded)]
    names = ("DOCUMENT_TOKENS", "QUERY_TOKENS", "DOCUMENTS_AT_ONCE", "GPU_PRODUCTS")
    how = MaxSim(measure, engine, "cpu")
    with pytest.MonkeyPatch.context() as patch:
        for name, size in zip(names, sizes, strict=True):
            patch.setattr(module, name, size)
        run = search_late(ragged(queries), ragged(documents), ids, asked, k, how)
    for (qid, left_out), query in zip(asked, queries, strict=True):
        scored = [
            (float(np.float32(plain_score(query, document, measure))), key)
            for document, key in zip(documents, ids, strict=True)
            if key not in left_out
        ]
        right = sorted(scored, reverse=True)[:k]
        ranking = run.rankings[qid]
        assert ranking.scores.dtype == np.float32
        assert list(ranking.doc_ids) == [key for _, key in right]
        assert ranking.scores.tolist() == pytest.approx([score for score, _ in right], rel=1e-6)


def test_candidates_are_ranked_as_they_are_in_the_whole() -> None:
    rng = np.random.default_rng(5)
    documents = ragged([rng.standard_normal((n % 4, 3)) for n in range(12)])
    queries = ragged([rng.standard_normal((n, 3)) for n in (2, 0, 5)])
    ids = [f"d{row:02}" for row in range(12)]
    asked = [(f"q{row}", frozenset()) for row in range(3)]
    whole = search_late(queries, documents, ids, asked, 12)
    some = {"q0": ids[3:9], "q1": ids[::-2], "q2": []}
    run = search_candidates(queries, documents, ids, some, 4)
    for qid, listed in some.items():
        right = [key for key in whole.rankings[qid].doc_ids if key in listed][:4]
        assert list(run.rankings[qid].doc_ids) == right


def test_against_sentence_transformers() -> None:
    similarity = pytest.importorskip("sentence_transformers.util.similarity")
    rng = np.random.default_rng(2)
    documents = [rng.standard_normal((n, 3)).astype(np.float32) for n in (4, 0, 900, 1)]
    queries = [rng.standard_normal((n, 3)).astype(np.float32) for n in (3, 1000, 2)]
    for measure, theirs in (
        ("maxsim", similarity.maxsim), ("meanmaxsim", similarity.mean_maxsim),
    ):  # fmt: skip
        ours = maxsim_scores(ragged(queries), ragged(documents), MaxSim(measure))
        assert ours == pytest.approx(theirs(queries, documents).numpy(), rel=1e-5)


def test_blocks_hold_whole_texts() -> None:
    assert blocks_of(np.array([3, 3, 3, 9, 0, 1]), 6) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert blocks_of(np.array([], dtype=np.int64), 6) == []


def test_what_cannot_be_scored_is_refused() -> None:
    one, two = ragged([[[1.0, 0.0, 0.0]]]), TokenVectors(np.ones((1, 4), "f4"), np.array([0, 1]))
    with pytest.raises(ModelError, match="query tokens have 3 components, document tokens 4"):
        maxsim_scores(one, two)
    with pytest.raises(BadInput, match="similarity of token vectors 'cosine'"):
        maxsim_scores(one, one, MaxSim("cosine"))
    endless = ragged([[[np.inf, 0.0, 0.0]]])
    with pytest.raises(ModelError, match="a score is"):
        search_late(one, endless, ["d"], [("q", frozenset())], 1)
