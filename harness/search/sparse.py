"""Exact search over sparse rows: SciPy products in blocks, excluded documents masked first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import ModelError
from harness.core.types import Ranking, Run
from harness.search.top_k import TopKRanker

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, SparseRows

SCORE_BYTES = 256 * 1024 * 1024
"""Memory for one block of scores; a block holds whole rows of at least one query."""
DOCUMENTS_AT_ONCE = 8192
"""Rows whose terms are turned into an inverted index at a time: it stays near the caches, and a
copy of the whole corpus is never needed (measured: benchmarks/sparse.py)."""


def search_sparse(
    query_rows: SparseRows,
    document_rows: SparseRows,
    document_ids: Sequence[str],
    queries: Sequence[tuple[str, frozenset[str]]],
    k: int,
) -> Run:
    """Rank all documents for each query by inner product; keep the best `k`.

    `query_rows` is CSR float32 `[q, vocabulary]`, `document_rows` `[n, vocabulary]`; `queries` are
    ids with the documents that must not be ranked, of which those that the corpus lacks are
    ignored. Documents that share no term with the query score 0 and rank as ties, as with BM25
    here. Raises `ModelError` for different vocabularies or a score that is not finite.
    """
    if query_rows.shape[1] != document_rows.shape[1]:
        raise ModelError(
            f"queries weigh {query_rows.shape[1]:,} terms, documents {document_rows.shape[1]:,}",
            fix="Queries and documents must be encoded over the same vocabulary.",
        )
    corpus = TopKRanker(document_ids)
    step = max(1, SCORE_BYTES // (4 * max(1, len(document_ids))))
    rankings: dict[str, Ranking] = {}
    for start in range(0, len(queries), step):
        block = _scores(query_rows[start : start + step], document_rows)
        for scores, (qid, excluded) in zip(block, queries[start : start + step], strict=True):
            best = corpus.best(scores, k, excluded)
            ids = tuple(map(document_ids.__getitem__, best.tolist()))
            rankings[qid] = Ranking(ids, scores[best])
    return Run(rankings)


def _scores(queries: SparseRows, documents: SparseRows) -> FloatMatrix:
    """Return the inner products, float32 `[b, n]`."""
    scores = np.empty((queries.shape[0], documents.shape[0]), dtype=np.float32)
    # Terms that no query of the block has cannot count: about half of the weights go unread.
    used = np.unique(queries.indices)
    asked = queries[:, used]
    for start in range(0, documents.shape[0], DOCUMENTS_AT_ONCE):
        some = documents[start : start + DOCUMENTS_AT_ONCE][:, used]
        scores[:, start : start + DOCUMENTS_AT_ONCE] = (asked @ some.T).toarray()
    return scores
