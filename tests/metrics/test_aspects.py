"""Alpha-nDCG and weighted aspect recall: against ndeval, and against plain definitions."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.types import QueryAspects, Ranking, Run
from harness.metrics.names import ASPECT_METRICS, OFFICIAL, parse_metric
from harness.metrics.score import score

DOCUMENTS = [f"d{n:02}" for n in range(12)]
ASPECTS = ["a", "b", "c", "d"]


@st.composite
def grounds(draw, *, weighted=True):
    """Draw a query's ranking, the aspect of each gold document, and weights that add up to 1."""
    ranked = draw(st.lists(st.sampled_from(DOCUMENTS), unique=True, max_size=12))
    gold = draw(st.dictionaries(st.sampled_from(DOCUMENTS), st.sampled_from(ASPECTS), min_size=1))
    raw = {each: draw(st.integers(1, 3)) if weighted else 1 for each in ASPECTS}
    return ranked, gold, {each: weight / sum(raw.values()) for each, weight in raw.items()}


def run_of(**lists):
    return Run(
        {
            qid: Ranking(tuple(ids), np.arange(len(ids), 0, -1, dtype=np.float32))
            for qid, ids in lists.items()
        }
    )


def values(metric, ranked, gold, weights, qrels=None):
    """Return one query's value."""
    judged = {"q": qrels or dict.fromkeys(gold, 1)}
    aspects = {"q": QueryAspects(gold, weights)}
    return score(run_of(q=ranked), judged, [parse_metric(metric)], aspects).per_query[metric]["q"]


def plain_dcg(ranked, gold, weights, k):
    """Return weighted alpha-DCG straight from its definition."""
    total = 0.0
    for rank, doc in enumerate(ranked[:k], start=1):
        if doc in gold:
            above = sum(gold.get(other) == gold[doc] for other in ranked[: rank - 1])
            total += weights[gold[doc]] * 0.5**above / math.log2(rank + 1)
    return total


def plain_ideal(gold, weights, k):
    """Return the weighted alpha-DCG of the order that takes the best document at each rank."""
    left, order = sorted(gold), []
    while left and len(order) < k:
        best = max(left, key=lambda doc: plain_dcg([*order, doc], gold, weights, k))
        order.append(best)
        left.remove(best)
    return plain_dcg(order, gold, weights, k)


@settings(max_examples=60)
@given(ground=grounds(weighted=False), k=st.sampled_from([1, 3, 10, 20]))
def test_alpha_ndcg_of_equal_weights_is_ndevals(ground, k):
    pyndeval = pytest.importorskip("pyndeval", reason="pyndeval has no wheel here")
    ranked, gold, weights = ground
    judged = [("q", aspect, doc, 1) for doc, aspect in gold.items()]
    scored = [("q", doc, float(-rank)) for rank, doc in enumerate(ranked)]
    found = pyndeval.ndeval(judged, scored or [("q", "none", 0.0)], measures=[f"alpha-nDCG@{k}"])
    ours = values(f"alpha-ndcg@{k}", ranked, gold, weights)
    assert ours == pytest.approx(found["q"][f"alpha-nDCG@{k}"], abs=1e-6)


@settings(max_examples=60)
@given(ground=grounds(), k=st.integers(1, 25))
def test_both_are_their_definitions(ground, k):
    ranked, gold, weights = ground
    wanted = plain_dcg(ranked, gold, weights, k) / plain_ideal(gold, weights, k)
    assert values(f"alpha-ndcg@{k}", ranked, gold, weights) == pytest.approx(wanted, abs=1e-12)
    covered = {gold[doc] for doc in ranked[:k] if doc in gold}
    recall = sum(weights[aspect] for aspect in covered)
    assert values(f"aspect-recall@{k}", ranked, gold, weights) == pytest.approx(recall, abs=1e-12)


def test_the_greedy_order_is_the_best_of_all_orders():
    gold = {"x": "a", "y": "a", "z": "b", "w": "b", "v": "c"}
    weights = {"a": 0.5, "b": 0.3, "c": 0.2}
    best = max(plain_dcg(order, gold, weights, 3) for order in permutations(gold, 3))
    assert plain_ideal(gold, weights, 3) == pytest.approx(best)
    assert values("alpha-ndcg@3", ["x", "z", "y"], gold, weights) == pytest.approx(1.0)


def test_worked_by_hand():
    gold, weights = {"x": "a", "y": "a", "z": "b"}, {"a": 0.75, "b": 0.25}
    found = values("alpha-ndcg@3", ["n", "y", "x"], gold, weights)
    ideal = 0.75 + 0.375 / math.log2(3) + 0.25 / 2
    assert found == pytest.approx((0.75 / math.log2(3) + 0.375 / 2) / ideal)
    assert values("aspect-recall@3", ["n", "y", "x"], gold, weights) == 0.75
    assert values("aspect-recall@1", ["n", "y", "x"], gold, weights) == 0.0


def test_missing_queries_and_those_without_aspects_count_0():
    judged = {"q": {"x": 1}, "r": {"x": 1}, "s": {"x": 1}, "t": {"x": 0}}
    one = QueryAspects({"x": "a"}, {"a": 1.0})
    aspects = {"q": one, "r": one, "t": one}
    found = score(run_of(q=["x"], s=["x"], t=["x"]), judged, ASPECT_METRICS, aspects)
    for metric in map(str, ASPECT_METRICS):
        assert found.per_query[metric] == {"q": 1.0, "r": 0.0, "s": 0.0, "t": 0.0}
        assert found.means[metric] == 0.25
    assert found.missing == ("r",)


def test_an_aspect_without_a_weight_is_refused():
    with pytest.raises(BadInput, match="aspect 'b' of query 'q' has no weight"):
        values("alpha-ndcg@10", ["x"], {"x": "a", "y": "b"}, {"a": 1.0})


def test_a_task_without_aspects_is_refused():
    with pytest.raises(BadInput, match="alpha-ndcg@10 is for tasks whose documents have aspects"):
        score(run_of(q=["x"]), {"q": {"x": 1}}, [parse_metric("alpha-ndcg@10")])


def test_they_stand_beside_the_official_ones():
    assert [str(metric) for metric in ASPECT_METRICS] == [
        "alpha-ndcg@10", "alpha-ndcg@25", "aspect-recall@10", "aspect-recall@25"
    ]  # fmt: skip
    assert not set(ASPECT_METRICS) & set(OFFICIAL)
