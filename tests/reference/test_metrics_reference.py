"""Metrics against implementations that share nothing with trec_eval: plain loops, and ranx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.types import Ranking, Run
from harness.metrics.names import OFFICIAL, Metric, parse_metric
from harness.metrics.score import score

IDS = [f"d{at}" for at in range(24)] + [
    "",
    "a b/c_0.txt",
    "Earth%27s_core1.txt",
    "young’s_modulus1",
    "ProteinΓÇôprotein",
    "\uffff",
    "\U0001f600",
]
SCORES = [0.0, -0.0, 1.0, 1.0 + 3e-13, 1.0000001, 1e-45, 3e-45, 1e-50, 3.4e38, -3.4e38, 2.0, 7.5]
METRICS = (*OFFICIAL, parse_metric("ndcg@3"), parse_metric("map@7"), parse_metric("recall@1000"))

rankings = st.dictionaries(st.sampled_from(IDS), st.sampled_from(SCORES), max_size=len(IDS))
judgements = st.dictionaries(st.sampled_from(IDS), st.integers(-2, 4), max_size=20)
queries = st.sampled_from([f"q{at}" for at in range(6)])


def ranked(found: Mapping[str, float]) -> list[str]:
    """Return ids by float32 score, equal ones by UTF-8 bytes descending."""
    by_id = sorted(found, key=lambda doc: doc.encode("utf-8"), reverse=True)
    return sorted(by_id, key=lambda doc: np.float32(found[doc]), reverse=True)


def discounted(gains: list[int], cutoff: int) -> float:
    """Return the sum of gains over log2 of rank + 1."""
    return sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains[:cutoff], start=1))


def plain(found: Mapping[str, float], grades: Mapping[str, int], metric: Metric) -> float:
    """Return a metric's value by its definition."""
    relevant = {doc for doc, grade in grades.items() if grade > 0}
    if not relevant:
        return 0.0
    order = ranked(found)
    if metric.cutoff is None:
        ranks = [rank for rank, doc in enumerate(order, start=1) if doc in relevant]
        return 1 / ranks[0] if ranks else 0.0
    top = order[: metric.cutoff]
    hits = sum(doc in relevant for doc in top)
    if metric.name == "p":
        return hits / metric.cutoff
    if metric.name == "recall":
        return hits / len(relevant)
    if metric.name == "ndcg":
        ideal = sorted((grades[doc] for doc in relevant), reverse=True)
        gains = [max(grades.get(doc, 0), 0) for doc in top]
        return discounted(gains, metric.cutoff) / discounted(ideal, metric.cutoff)
    precisions = [
        sum(other in relevant for other in top[: rank + 1]) / (rank + 1)
        for rank, doc in enumerate(top)
        if doc in relevant
    ]
    return sum(precisions) / len(relevant)


def as_run(found: Mapping[str, Mapping[str, float]]) -> Run:
    """Return a run whose rankings stand in the dictionaries' own order."""
    return Run(
        {
            qid: Ranking(tuple(docs), np.array(list(docs.values()), dtype=np.float32))
            for qid, docs in found.items()
        }
    )


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(queries, rankings), st.dictionaries(queries, judgements, min_size=1))
def test_all_measures_agree_with_plain_loops(
    found: dict[str, dict[str, float]], qrels: dict[str, dict[str, int]]
) -> None:
    judged = [qid for qid, grades in qrels.items() if grades]
    if not judged:
        return
    scores = score(as_run(found), qrels, METRICS)
    assert scores.missing == tuple(qid for qid in judged if not found.get(qid))
    for metric in METRICS:
        wanted = [plain(found.get(qid, {}), qrels[qid], metric) for qid in judged]
        values = scores.per_query[str(metric)]
        assert list(values) == judged
        assert list(values.values()) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
        assert scores.means[str(metric)] == pytest.approx(float(np.mean(wanted)), abs=1e-14)


def test_long_rankings_agree_with_plain_loops() -> None:
    """Rankings past every cutoff, with ties, gold anywhere in them and gold never found."""
    rng = np.random.default_rng(11)
    found, qrels = {}, {}
    for at in range(12):
        ids = rng.choice(2_000, size=400, replace=False)
        found[f"q{at}"] = {f"d{doc}": float(rng.integers(40)) for doc in ids}
        qrels[f"q{at}"] = {
            f"d{doc}": int(rng.integers(-1, 4)) for doc in rng.integers(0, 2_000, 80)
        }
    scores = score(as_run(found), qrels, METRICS)
    for metric in METRICS:
        for qid, value in scores.per_query[str(metric)].items():
            assert value == pytest.approx(plain(found[qid], qrels[qid], metric), rel=1e-12)


RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
given = json.load(sys.stdin)
qrels, run = Qrels(given["qrels"]), Run(given["run"])
found = {
    name: evaluate(qrels, run, name, return_mean=False).tolist()
    for name in given["metrics"]
}
json.dump({"ids": list(qrels.keys()), "found": found}, sys.stdout)
"""


def test_values_agree_with_ranx_where_there_are_no_ties() -> None:
    """ranx leaves the order of ties open; uncompiled (numba off) it needs no minute to start."""
    rng = np.random.default_rng(5)
    run, qrels = {}, {}
    for at in range(8):
        ids = [f"d{doc}" for doc in rng.choice(300, size=120, replace=False)]
        values = rng.permutation(120).astype(float)
        run[f"q{at}"] = dict(zip(ids, values.tolist(), strict=True))
        qrels[f"q{at}"] = {f"d{doc}": int(rng.integers(1, 4)) for doc in rng.integers(0, 300, 25)}
    names = [str(metric) for metric in OFFICIAL]
    theirs = [name.replace("p@", "precision@") if name[:2] == "p@" else name for name in names]
    answer = subprocess.run(
        [sys.executable, "-c", RANX],
        input=json.dumps({"qrels": qrels, "run": run, "metrics": theirs}),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    found = json.loads(answer.stdout)
    assert sorted(found["ids"]) == sorted(qrels)
    scores = score(as_run(run), qrels)
    for name, other in zip(names, theirs, strict=True):
        mine = [scores.per_query[name][qid] for qid in found["ids"]]
        assert mine == pytest.approx(found["found"][other], rel=1e-9), name
