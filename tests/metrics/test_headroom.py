"""Ceilings against a perfect order scored by pytrec_eval, the split of lost points, the floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.types import Ranking, Run
from harness.metrics.floor import floor, floor_run
from harness.metrics.headroom import lost_points, run_depth, split_loss
from harness.metrics.names import OFFICIAL, is_derived, parse_metric
from harness.metrics.score import score

DOCS = [f"d{at}" for at in range(14)]
GRADES = st.dictionaries(st.sampled_from(DOCS), st.integers(-1, 3), min_size=1)
ORDER = st.lists(st.sampled_from(DOCS), unique=True, max_size=14)


def ranking(docs: list[str]) -> Ranking:
    return Ranking(tuple(docs), np.arange(len(docs), 0, -1, dtype=np.float32))


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.tuples(GRADES, ORDER), min_size=1),
       st.integers(1, 15))  # fmt: skip
def test_the_ceiling_is_the_ndcg_of_the_best_order(case: dict, depth: int):
    qrels = {qid: grades for qid, (grades, _) in case.items()}
    run = Run({qid: ranking(order) for qid, (_, order) in case.items()})
    best = Run(
        {
            qid: ranking(sorted(order[:depth], key=lambda doc: -grades.get(doc, 0)))
            for qid, (grades, order) in case.items()
        }
    )
    name = f"ceiling@{depth}"
    found = score(run, qrels, (parse_metric(name),))
    expected = score(best, qrels, (parse_metric("ndcg@10"),))
    assert found.per_query[name] == pytest.approx(expected.per_query["ndcg@10"], abs=1e-9)
    assert found.means[name] == pytest.approx(expected.means["ndcg@10"], abs=1e-9)
    assert list(found.per_query[name]) == list(qrels)


@pytest.mark.parametrize("relevant", [8, 9, 10, 11, 14])
def test_the_ceiling_of_a_query_with_many_relevant_documents(relevant: int):
    qrels = {"a": dict.fromkeys(DOCS[:relevant], 1)}
    run = Run({"a": ranking(DOCS[:9])})
    expected = score(run, qrels, (parse_metric("ndcg@10"),)).means["ndcg@10"]
    assert score(run, qrels, (parse_metric("ceiling@9"),)).means["ceiling@9"] == pytest.approx(
        expected
    )


def test_the_ceiling_is_never_one_of_the_stored_measures():
    assert not any(map(is_derived, OFFICIAL))
    assert str(parse_metric("Ceiling@20")) == "ceiling@20"


def test_lost_points_add_up():
    lost = split_loss(ndcg=0.3, ceiling=0.7, depth=100)
    assert lost.ndcg + lost.not_retrieved + lost.ranked_low == pytest.approx(1)
    assert lost.ranked_low == pytest.approx(0.4)
    assert lost_points({"ndcg@10": 0.3, "ceiling@100": 0.7}, 100) == lost
    assert lost_points({"ndcg@10": 0.3}, 100) is None
    assert run_depth(Run({"a": ranking(["x"]), "b": ranking([])})) == 1


def test_the_floor_leaves_each_query_out_and_applies_its_exclusions():
    qrels = {"a": {"x": 1, "y": 1}, "b": {"x": 1}, "c": {"z": 1, "x": 1}, "d": {"w": 1}}
    run = floor_run(qrels, {"c": frozenset(["x"])})
    # of a: x is gold for b and c, then z and w for one each, by id descending; y for nobody else
    assert run.rankings["a"].doc_ids == ("x", "z", "w")
    assert run.rankings["b"].doc_ids == ("x", "z", "y", "w")
    assert run.rankings["c"].doc_ids == ("y", "w")
    assert run.rankings["d"].doc_ids == ("x", "z", "y")
    assert floor(qrels, {}).per_query["ndcg@10"]["b"] == pytest.approx(1)
    assert floor(qrels, {}).per_query["ndcg@10"]["d"] == 0
