"""judged@k and bpref over judged negatives, against trec_eval and a plain count."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.types import Ranking, Run
from harness.metrics.names import OFFICIAL, parse_metric
from harness.metrics.score import score

DOCUMENTS = [f"d{at}" for at in range(9)]
GRADES = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 2), min_size=1, max_size=9)
ORDERS = st.permutations(DOCUMENTS).flatmap(
    lambda order: st.integers(0, 9).map(lambda depth: order[:depth])
)


def run_of(order: list[str]) -> Run:
    scores = np.arange(len(order), 0, -1, dtype=np.float32)
    return Run({"q": Ranking(tuple(order), scores)})


@settings(max_examples=200)
@given(GRADES, ORDERS, st.sampled_from([1, 5, 10]))
def test_judged_is_precision_with_every_judged_document_relevant(grades, order, depth) -> None:
    values = score(run_of(order), {"q": grades}, [parse_metric(f"judged@{depth}")])
    right = 0.0
    if order:
        everything = {"q": dict.fromkeys(grades, 1)}
        evaluator = pytrec_eval.RelevanceEvaluator(everything, {f"P_{depth}"})
        scored = {document: float(len(order) - at) for at, document in enumerate(order)}
        right = evaluator.evaluate({"q": scored})["q"][f"P_{depth}"]
    assert values.per_query[f"judged@{depth}"]["q"] == pytest.approx(right)


@settings(max_examples=200)
@given(GRADES, ORDERS)
def test_bpref_is_the_published_formula(grades, order) -> None:
    """A relevant document loses the share of judged others above it, of at most min(R, N)."""
    relevant = [document for document, grade in grades.items() if grade >= 1]
    judged_not = sum(grade == 0 for grade in grades.values())
    total, above = 0.0, 0
    for document in order:
        grade = grades.get(document)
        if grade == 0:
            above += 1
        elif grade is not None and grade >= 1:
            most = min(len(relevant), judged_not)
            total += 1 - min(above, len(relevant)) / most if above else 1.0
    right = total / len(relevant) if relevant else 0.0
    values = score(run_of(order), {"q": grades}, [parse_metric("bpref")]).per_query["bpref"]
    assert values["q"] == pytest.approx(right, abs=1e-6)
    assert math.isfinite(values["q"])


def test_neither_is_among_the_stored_measures() -> None:
    assert len(OFFICIAL) == 25
    assert not {"bpref", "judged@10"} & set(map(str, OFFICIAL))
