"""How much of a ranking somebody judged: what its other values rest on."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.types import Qrels, Run


def judged_shares(run: Run, qrels: Qrels, judged: Iterable[str], depth: int) -> dict[str, float]:
    """Return, per judged query, the share of its first `depth` places with a judged document.

    Any grade counts, 0 and below too. It is P@k with every judged document relevant (as Judged@k
    of ir_measures): places that a shorter ranking leaves empty are not judged, and a query that
    the run lacks has 0.
    """
    shares = {}
    for qid in judged:
        ranking = run.rankings.get(qid)
        first = ranking.doc_ids[:depth] if ranking is not None else ()
        shares[qid] = sum(document in qrels[qid] for document in first) / depth
    return shares
