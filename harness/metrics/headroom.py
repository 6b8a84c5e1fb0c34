"""Headroom: what a perfect order of a run's first documents would score, and where points go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.types import Qrels, Run

CUT = 10
"""The ceiling is of nDCG@10, BRIGHT's head metric."""

CEILING_DEPTHS = (10, 20, 50, 100)
"""Depths at which rerankers are usually fed; any other may be asked for."""

_DISCOUNTS = tuple(1.0 / math.log2(rank + 1) for rank in range(1, CUT + 1))


@dataclass(frozen=True, slots=True)
class Lost:
    """Where the points of nDCG@10 went, as fractions that add up with it to 1.

    `not_retrieved` was lost since gold documents are not among the first `depth` documents, and
    no reranker of them can win it back; `ranked_low` since those that are there stand too low.
    A query without any relevant document counts as not retrieved.
    """

    depth: int
    ndcg: float
    not_retrieved: float
    ranked_low: float


def split_loss(ndcg: float, ceiling: float, depth: int) -> Lost:
    """Split what nDCG@10 lacks to 1, given the ceiling at a depth of 10 or more."""
    return Lost(depth, ndcg, 1.0 - ceiling, ceiling - ndcg)


def ceilings(run: Run, qrels: Qrels, judged: Iterable[str], depth: int) -> dict[str, float]:
    """Return, per judged query, nDCG@10 of the best order of the run's first `depth` documents.

    Gains are linear and discounted by log2(rank + 1), as in trec_eval; grades of 0 and below gain
    nothing. A query that the run lacks, or without a relevant document, has 0. For a ranking with
    fewer documents the ceiling is that of what is there.
    """
    found: dict[str, float] = {}
    for qid in judged:
        grades = qrels[qid]
        ranking = run.rankings.get(qid)
        first = ranking.doc_ids[:depth] if ranking is not None else ()
        ideal = _gain(grades.values())
        found[qid] = _gain(grades.get(doc, 0) for doc in first) / ideal if ideal else 0.0
    return found


def run_depth(run: Run) -> int:
    """Return how many documents the longest ranking of a run holds."""
    return max((len(ranking) for ranking in run.rankings.values()), default=0)


def _gain(grades: Iterable[int]) -> float:
    """Return the discounted gain of grades in their best order, cut at 10."""
    best: Sequence[int] = sorted((grade for grade in grades if grade > 0), reverse=True)[:CUT]
    return math.fsum(
        grade * discount for grade, discount in zip(best, _DISCOUNTS[: len(best)], strict=True)
    )


def lost_points(means: Mapping[str, float], depth: int) -> Lost | None:
    """Return the split of means; `None` unless `ndcg@10` and `ceiling@depth` are there."""
    ndcg, ceiling = means.get(f"ndcg@{CUT}"), means.get(f"ceiling@{depth}")
    return None if ndcg is None or ceiling is None else split_loss(ndcg, ceiling, depth)
