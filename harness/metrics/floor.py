"""The floor: what one fixed list, the same for every query, scores on a task.

A task whose floor is high rewards documents that are gold for many queries, whatever is asked:
nine tenths of pony's nDCG@10 need no reading of the query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from harness.core.types import Qrels, Ranking, Run
from harness.metrics.names import parse_metric
from harness.metrics.score import Scores, score

DEPTH = 1_000
"""Documents of the list that are kept for a query: as many as a run of BRIGHT's scripts has."""


def floor_run(qrels: Qrels, excluded: Mapping[str, frozenset[str]]) -> Run:
    """Return, for each judged query, the documents that are gold for most of the *other* queries.

    A document's score is the number of other queries that it is relevant for; the query's own
    gold never counts (leave one out), its excluded documents are left out, and equal documents
    stand by id descending, as in the protocol.
    """
    relevant = {
        qid: {doc for doc, grade in grades.items() if grade > 0} for qid, grades in qrels.items()
    }
    counts = Counter(doc for gold in relevant.values() for doc in gold)
    rankings = {}
    for qid, gold in relevant.items():
        left_out = excluded.get(qid, frozenset())
        others = (
            (count - (doc in gold), doc) for doc, count in counts.items() if doc not in left_out
        )
        best = sorted(((count, doc) for count, doc in others if count), reverse=True)[:DEPTH]
        scores = np.array([count for count, _ in best], dtype=np.float32)
        rankings[qid] = Ranking(tuple(doc for _, doc in best), scores)
    return Run(rankings)


def floor(qrels: Qrels, excluded: Mapping[str, frozenset[str]], metric: str = "ndcg@10") -> Scores:
    """Return the scores of the fixed list by one metric."""
    return score(floor_run(qrels, excluded), qrels, (parse_metric(metric),))
