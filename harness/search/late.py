"""Search by late interaction: exact MaxSim over all documents, or over a query's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.core.types import Ranking, Run, TokenVectors
from harness.search.dense import SCORE_BYTES, Asked
from harness.search.maxsim import MaxSim, maxsim_scores
from harness.search.top_k import TopKRanker

if TYPE_CHECKING:
    from harness.core.types import IntVector


def search_late(
    queries: TokenVectors,
    documents: TokenVectors,
    document_ids: Sequence[str],
    asked: Sequence[Asked],
    k: int,
    how: MaxSim | None = None,
) -> Run:
    """Rank all documents for each query by MaxSim; keep the best `k`.

    `asked` are the queries' ids with the documents that must not be ranked, of which those that
    the corpus lacks are ignored. Scores are made for as many queries at once as fit
    `SCORE_BYTES`. Raises as `maxsim_scores`, and `ModelError` for a score that is not finite.
    """
    corpus = TopKRanker(document_ids)
    step = max(1, SCORE_BYTES // (4 * max(1, len(document_ids))))
    rankings: dict[str, Ranking] = {}
    for start in range(0, len(asked), step):
        block = maxsim_scores(_texts(queries, start, start + step), documents, how)
        for scores, (qid, excluded) in zip(block, asked[start : start + step], strict=True):
            best = corpus.best(scores, k, excluded)
            ids = tuple(map(document_ids.__getitem__, best.tolist()))
            rankings[qid] = Ranking(ids, scores[best])
    return Run(rankings)


def search_candidates(
    queries: TokenVectors,
    documents: TokenVectors,
    document_ids: Sequence[str],
    candidates: Mapping[str, Sequence[str]],
    k: int,
    how: MaxSim | None = None,
) -> Run:
    """Rank each query's own candidates by MaxSim; keep the best `k`.

    `candidates` maps the queries' ids, in the order of `queries`, to ids of documents that may be
    ranked. Raises as `search_late`.
    """
    row_of = {key: row for row, key in enumerate(document_ids)}
    rankings: dict[str, Ranking] = {}
    for number, (qid, listed) in enumerate(candidates.items()):
        if not listed:
            rankings[qid] = Ranking((), np.empty(0, dtype=np.float32))
            continue
        rows = np.array([row_of[key] for key in listed], dtype=np.int64)
        scores = maxsim_scores(_texts(queries, number, number + 1), _gathered(documents, rows), how)
        best = TopKRanker(listed).best(scores[0], k, ())
        rankings[qid] = Ranking(tuple(listed[row] for row in best.tolist()), scores[0][best])
    return Run(rankings)


def _texts(vectors: TokenVectors, first: int, last: int) -> TokenVectors:
    """Return the texts `first` to `last` as vectors of their own, not copied."""
    starts = vectors.starts[first : last + 1]
    return TokenVectors(vectors.values[starts[0] : starts[-1]], starts - starts[0])


def _gathered(vectors: TokenVectors, rows: IntVector) -> TokenVectors:
    """Return a copy of these texts' vectors."""
    parts = [vectors[row] for row in rows.tolist()]
    starts = np.concatenate(([0], np.cumsum(vectors.lengths[rows])))
    return TokenVectors(np.concatenate(parts), starts)
