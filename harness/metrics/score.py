"""The scoring protocol: every judged query counts exactly once, and pytrec_eval computes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.errors import BadInput
from harness.core.types import Qrels, QueryAspects, Ranking, Run
from harness.metrics.aspects import alpha_ndcg, aspect_recall
from harness.metrics.headroom import ceilings
from harness.metrics.judged import judged_shares
from harness.metrics.names import (
    OFFICIAL,
    Metric,
    is_derived,
    is_trec_evals,
    measure_key,
    needs_aspects,
)

CHUNK_PAIRS = 4_096
"""Pairs of query and document handed over at once. What they become there (dictionary slots,
Python floats, trec_eval's copies of ids and scores: about 1 MB) then stays in the processor's
cache; larger chunks are slower."""

MAX_RELEVANCE = 1_000_000
"""trec_eval reserves eight bytes per grade up to the highest; beyond this a typing error is
likelier than a grade."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Values of one run on one task, all between 0 and 1.

    `per_query` maps `str(metric)` to query id to value, with exactly the judged queries, in the
    order of the judgements; `means` holds the plain means over them. `missing` names the judged
    queries for which the run ranks no document; their values are 0 and count in the means.
    """

    per_query: Mapping[str, Mapping[str, float]]
    means: Mapping[str, float]
    missing: tuple[str, ...]


def score(
    run: Run,
    qrels: Qrels,
    metrics: Sequence[Metric] = OFFICIAL,
    aspects: Mapping[str, QueryAspects] | None = None,
) -> Scores:
    """Score a run as `trec_eval -c` does, with `pytrec_eval`.

    A query is judged when it has at least one judgement, of whatever grade. One without any
    relevant document counts 0 for every system, since trec_eval and BRIGHT's own script divide
    by it too and published means would otherwise not compare. A judged query that the run lacks,
    or ranks nothing for, counts 0; queries of the run that are not judged are left out.

    Documents are ranked by float32 score, equal ones by id descending (bytes of the UTF-8, which
    is code point order), whatever order the ranking gives them; ceilings and metrics of
    aspects take the ranking's own order as that one, which it is for all that is read or searched
    here. Relevance 1
    and above is the linear gain of nDCG; 0 and below is not relevant, but a document so judged
    holds its rank.

    Raises `BadInput` when nothing is judged, for a metric of aspects without `aspects`, for a
    relevance above `MAX_RELEVANCE`, for an id with a NUL or invalid Unicode, and for a judged
    query's ranking that has a score that is not finite in float32, a repeated document, or ids and
    scores of different number.
    """
    judged = tuple(qid for qid, grades in qrels.items() if grades)
    if not judged:
        raise BadInput(
            f"none of the {len(qrels)} queries has a judgement",
            fix="Give relevance judgements (qrels) for at least one query.",
        )
    names = {str(metric): measure_key(metric) for metric in metrics if is_trec_evals(metric)}
    per_query = {str(metric): dict.fromkeys(judged, 0.0) for metric in metrics}
    for metric in filter(is_derived, metrics):
        per_query[str(metric)] = DERIVED[metric.name](run, qrels, judged, metric.cutoff or 0)
    for metric in filter(needs_aspects, metrics):
        per_query[str(metric)] = _of_aspects(run, qrels, judged, aspects, metric)
    for qid, values in _evaluated(run, qrels, judged, set(names.values())):
        for name, measure in names.items():
            per_query[name][qid] = values[measure]
    means = {name: math.fsum(values.values()) / len(judged) for name, values in per_query.items()}
    missing = tuple(qid for qid in judged if not _ranking(run, qid))
    return Scores(per_query=per_query, means=means, missing=missing)


def _of_aspects(
    run: Run,
    qrels: Qrels,
    judged: Sequence[str],
    aspects: Mapping[str, QueryAspects] | None,
    metric: Metric,
) -> dict[str, float]:
    """Return the values of a metric of aspects; raises `BadInput` where there are none."""
    if not aspects:
        raise BadInput(
            f"{metric} is for tasks whose documents have aspects, and this one has none",
            fix="Take another metric, or a task of the group bright-pro.",
        )
    computed = alpha_ndcg if metric.name == "alpha-ndcg" else aspect_recall
    return computed(run, qrels, judged, aspects, metric.cutoff or 0)


DERIVED = {"ceiling": ceilings, "judged": judged_shares}
"""Name of a derived metric -> what computes it from the run, judgements, queries and cutoff."""


def overall(values: Mapping[str, float], members: Sequence[str]) -> float | None:
    """Return the plain mean over a group's tasks, or `None` unless every one is there.

    `values` maps task to value and may hold tasks of other groups, which are left out.
    """
    if not members or any(task not in values for task in members):
        return None
    return math.fsum(values[task] for task in members) / len(members)


def _ranking(run: Run, qid: str) -> Ranking | None:
    """Return a query's ranking, or `None` where there is none or it is empty."""
    ranking = run.rankings.get(qid)
    return ranking if ranking is not None and len(ranking) else None


def _evaluated(
    run: Run, qrels: Qrels, judged: Sequence[str], measures: set[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each query that can score above 0 with its values by measure.

    The others must not reach trec_eval, which crashes on a query with negative judgements only.
    Nor may query ids: it keeps the last query's figures under its id, and starts from the ids
    `no query` and `no_query`, so that a first query so named gets what happens to lie there.
    Positions stand in for them.
    """
    from pytrec_eval import RelevanceEvaluator

    grades = {
        str(at): _grades(qid, qrels[qid])
        for at, qid in enumerate(judged)
        if _answerable(qid, qrels[qid])
    }
    evaluator = RelevanceEvaluator(grades, measures) if grades and measures else None
    chunk: dict[str, dict[str, float]] = {}
    pairs = 0
    for at, qid in enumerate(judged):
        ranking = _ranking(run, qid)
        documents = _documents(qid, ranking) if ranking else {}
        if documents and str(at) in grades:
            chunk[str(at)] = documents
            pairs += len(documents)
        if evaluator and chunk and (pairs >= CHUNK_PAIRS or at == len(judged) - 1):
            for key, values in evaluator.evaluate(chunk).items():
                yield judged[int(key)], values
            chunk, pairs = {}, 0


def _answerable(qid: str, grades: Mapping[str, int]) -> bool:
    """Tell whether a query has a relevant document; raises `BadInput` for an absurd grade."""
    highest = max(grades.values())
    if highest > MAX_RELEVANCE:
        raise BadInput(
            f"query {qid!r} has a document of relevance {highest}",
            fix=f"Give grades of at most {MAX_RELEVANCE:,} in the relevance judgements.",
        )
    return highest >= 1


def _grades(qid: str, grades: Mapping[str, int]) -> dict[str, int]:
    """Return a query's judgements as the dictionary that pytrec_eval reads."""
    _check_ids(qid, "the judgements", tuple(grades))
    return {doc: int(grade) for doc, grade in grades.items()}


def _documents(qid: str, ranking: Ranking) -> dict[str, float]:
    """Return a ranking as the dictionary that pytrec_eval reads; raises `BadInput`."""
    import numpy as np

    ids = ranking.doc_ids
    with np.errstate(over="ignore"):  # what overflows float32 is refused below as infinite
        scores = np.asarray(ranking.scores, dtype=np.float32)
    if scores.shape != (len(ids),):
        raise _bad(qid, f"{len(ids)} document ids but scores of shape {scores.shape}")
    finite = np.isfinite(scores)
    if not finite.all():
        worst = int(np.argmin(finite))
        raise _bad(qid, f"the score {float(scores[worst])} for document {ids[worst]!r}")
    _check_ids(qid, "the ranking", ids)
    documents: dict[str, float] = dict(zip(ids, scores.tolist(), strict=True))
    if len(documents) != len(ids):
        twice, _ = Counter(ids).most_common(1)[0]
        raise _bad(qid, f"document {twice!r} more than once")
    return documents


def _check_ids(qid: str, where: str, ids: Sequence[str]) -> None:
    """Raise `BadInput` for an id that trec_eval, which takes NUL-terminated UTF-8, cannot hold."""
    if _storable("".join(ids)):
        return
    odd = next(doc for doc in ids if not _storable(doc))
    raise BadInput(
        f"{where} of query {qid!r} holds the document id {odd!r}, with a NUL or invalid Unicode",
        fix="Rename the document in the corpus, the judgements and the run.",
    )


def _storable(text: str) -> bool:
    """Tell whether a text is valid Unicode without a NUL."""
    if text.isascii():
        return "\0" not in text
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def _bad(qid: str, what: str) -> BadInput:
    """Return the error for a query's ranking."""
    return BadInput(
        f"the ranking of query {qid!r} has {what}",
        fix="Mend the run: each document once per query, with one finite score.",
    )
