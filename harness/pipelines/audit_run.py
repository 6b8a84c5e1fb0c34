"""How far a run is from a list that never read the query, and what is odd about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Run, Task
from harness.data.trec import inspect_run
from harness.metrics.floor import floor, floor_run
from harness.pipelines.permutation import ChanceMeasure, against_chance

CUT = 10


def audit_run(run: Run, task: Task) -> list[ChanceMeasure]:
    """Return the measures of a run on a task, which may lack its corpus.

    Only judged queries that the run ranks documents for enter those with a chance level.
    """
    report = inspect_run(run, task)
    answered = [qid for qid in task.qrels if qid in run.rankings and len(run.rankings[qid])]
    tops = {qid: run.rankings[qid].doc_ids[:CUT] for qid in answered}
    blind = floor(task.qrels, task.excluded)
    fixed = floor_run(task.qrels, task.excluded).rankings
    measures = []
    if answered:
        own, others, p = against_chance(_exchanged(tops, task, answered))
        measures += [
            ChanceMeasure(
                "nDCG@10", 100 * own, "points", len(answered), 100 * others, p,
                "chance: the query is answered with another query's list",
            ),
            ChanceMeasure(
                "floor", 100 * blind.means["ndcg@10"], "points", len(task.qrels),
                help="nDCG@10 of one fixed list made of the other queries' gold",
            ),
            ChanceMeasure(
                "top 10 on the fixed list",
                100 * float(np.mean([
                    len(set(tops[q]) & set(fixed[q].doc_ids[:CUT])) / len(tops[q]) for q in answered
                ])),
                "%", len(answered), help="documents that stand in that list's first ten too",
            ),
            ChanceMeasure(
                "sameness of top 10", 100 * _sameness([frozenset(tops[q]) for q in answered]), "%",
                len(answered), help="documents that two queries share, of those either has (mean)",
            ),
        ]  # fmt: skip
    depths = [len(run.rankings[qid]) for qid in answered] or [0]
    count = len(task.qrels)
    return [
        *measures,
        ChanceMeasure("depth, least", float(min(depths)), "documents", count),
        ChanceMeasure("depth, median", float(np.median(depths)), "documents", count),
        ChanceMeasure("depth, most", float(max(depths)), "documents", count),
        ChanceMeasure("queries without a list", float(len(report.missing)), "queries", count),
        ChanceMeasure("unknown queries", float(len(report.unknown_queries)), "queries", count),
        ChanceMeasure("excluded documents", float(_total(report.excluded)), "documents", count),
        *_unknown(report.unknown_documents, task),
        ChanceMeasure(
            "queries with ties in the top 11", float(_tied(run, answered)), "queries", count,
            help="equal float32 scores, which the protocol orders by document id",
        ),
    ]  # fmt: skip


def _exchanged(
    tops: Mapping[str, Sequence[str]], task: Task, answered: Sequence[str]
) -> NDArray[np.float64]:
    """Return nDCG@10 of query `i` (row) answered with the list of query `j` (column)."""
    discounts = [1.0 / math.log2(rank + 1) for rank in range(1, CUT + 1)]
    found = np.zeros((len(answered), len(answered)))
    for row, qid in enumerate(answered):
        grades = {doc: grade for doc, grade in task.qrels[qid].items() if grade > 0}
        best = sorted(grades.values(), reverse=True)[:CUT]
        ideal = math.fsum(g * d for g, d in zip(best, discounts, strict=False))
        if not ideal:
            continue
        for column, other in enumerate(answered):
            gain = math.fsum(
                grades.get(doc, 0) * d for doc, d in zip(tops[other], discounts, strict=False)
            )
            found[row, column] = gain / ideal
    return found


def _sameness(tops: Sequence[frozenset[str]]) -> float:
    """Return the mean Jaccard similarity over pairs of different queries."""
    values = [
        len(one & other) / len(one | other)
        for at, one in enumerate(tops)
        for other in tops[at + 1 :]
    ]
    return float(np.mean(values)) if values else 0.0


def _total(named: Mapping[str, Sequence[str]]) -> int:
    return sum(map(len, named.values()))


def _unknown(named: Mapping[str, Sequence[str]], task: Task) -> list[ChanceMeasure]:
    """Return the number of unknown documents; nothing where the corpus is not there."""
    if task.corpus is None:
        return []
    return [ChanceMeasure("unknown documents", float(_total(named)), "documents", len(task.qrels))]


def _tied(run: Run, queries: Sequence[str]) -> int:
    """Count queries whose first eleven scores are not all different."""
    firsts = (run.rankings[qid].scores[: CUT + 1] for qid in queries)
    return sum(len(np.unique(first)) < len(first) for first in firsts)
