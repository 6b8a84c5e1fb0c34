"""BRIGHT-Pro's metrics: how many of a query's aspects a ranking covers, and how early.

Alpha-nDCG is that of Clarke et al. (SIGIR 2008) with weights: a relevant document gains its
aspect's weight times (1 - alpha)^n, n being how many documents of the aspect stand above it,
discounted by log2(rank + 1); the ideal order takes the highest gain at every rank. Weighted aspect
recall is the weight of the aspects with a document among the first k (arXiv 2605.04018, eq. 5).
Facts of both: yale-nlp/Bright-Pro b31d5f1, retrieval/evaluation. Other than there, a judged query
that the run lacks counts 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat

from harness.core.errors import BadInput
from harness.core.types import Qrels, QueryAspects, Run

ALPHA = 0.5
"""How much a further document of an aspect loses: the authors' value."""

AspectsByQuery = Mapping[str, QueryAspects]


def alpha_ndcg(
    run: Run, qrels: Qrels, judged: Iterable[str], aspects: AspectsByQuery, cutoff: int
) -> dict[str, float]:
    """Return weighted alpha-nDCG over the first `cutoff` documents of each judged query.

    Only relevant documents with an aspect gain. A query without any has 0, as has one that the
    run lacks. Raises `BadInput` for an aspect without a weight.
    """

    def value(gold: Mapping[str, str], weights: Mapping[str, float], ranked: list[str]) -> float:
        ideal = _discounted(_ideal_gains(Counter(gold.values()), weights)[:cutoff])
        return _discounted(_gains(ranked, gold, weights)) / ideal if ideal else 0.0

    return _by_query(run, qrels, judged, aspects, cutoff, value)


def aspect_recall(
    run: Run, qrels: Qrels, judged: Iterable[str], aspects: AspectsByQuery, cutoff: int
) -> dict[str, float]:
    """Return the weight of the aspects that the first `cutoff` documents of each query cover.

    An aspect without a relevant document can never be covered, and its weight is lost. Raises
    `BadInput` for an aspect without a weight.
    """

    def value(gold: Mapping[str, str], weights: Mapping[str, float], ranked: list[str]) -> float:
        return math.fsum(weights[aspect] for aspect in {gold[doc] for doc in ranked if doc in gold})

    return _by_query(run, qrels, judged, aspects, cutoff, value)


_Value = Callable[[Mapping[str, str], Mapping[str, float], list[str]], float]


def _by_query(
    run: Run,
    qrels: Qrels,
    judged: Iterable[str],
    aspects: AspectsByQuery,
    cutoff: int,
    value: _Value,
) -> dict[str, float]:
    """Return a value for each judged query: of its relevant documents' aspects, and its ranking."""
    found: dict[str, float] = {}
    for qid in judged:
        known = aspects.get(qid, QueryAspects({}, {}))
        grades = qrels[qid]
        gold = {doc: each for doc, each in known.of_document.items() if grades.get(doc, 0) > 0}
        unweighted = sorted(set(gold.values()) - known.weights.keys())
        if unweighted:
            raise BadInput(
                f"aspect {unweighted[0]!r} of query {qid!r} has no weight",
                fix="Give every aspect a weight; fetch the aspects again.",
            )
        ranking = run.rankings.get(qid)
        ranked = list(ranking.doc_ids[:cutoff]) if ranking is not None else []
        found[qid] = value(gold, known.weights, ranked)
    return found


def _gains(
    ranked: Iterable[str], gold: Mapping[str, str], weights: Mapping[str, float]
) -> list[float]:
    """Return the gain at every rank."""
    seen: Counter[str] = Counter()
    gains = []
    for document in ranked:
        aspect = gold.get(document)
        gains.append(0.0 if aspect is None else weights[aspect] * (1 - ALPHA) ** seen[aspect])
        if aspect is not None:
            seen[aspect] += 1
    return gains


def _ideal_gains(sizes: Mapping[str, int], weights: Mapping[str, float]) -> list[float]:
    """Return the gains of the greedy ideal order; those of an aspect only fall, so it is sorted."""
    return sorted(
        (
            weight * (1 - ALPHA) ** n
            for aspect, size in sizes.items()
            for n, weight in enumerate(repeat(weights[aspect], size))
        ),
        reverse=True,
    )


def _discounted(gains: Iterable[float]) -> float:
    """Return the sum of gains, each over log2(rank + 1)."""
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
