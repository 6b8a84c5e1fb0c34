"""The scoring protocol: who is counted, what is refused, how ties fall."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from harness.core.errors import BadInput
from harness.core.types import Qrels, Ranking, Run
from harness.metrics import score as score_module
from harness.metrics.names import OFFICIAL, parse_metric
from harness.metrics.score import MAX_RELEVANCE, overall, score


def run_of(rankings: Mapping[str, Mapping[str, float]]) -> Run:
    """Return a run from dictionaries, in their own order."""
    return Run(
        {qid: ranking(tuple(found), list(found.values())) for qid, found in rankings.items()}
    )


def ranking(ids: Sequence[str], scores: Sequence[float]) -> Ranking:
    """Return a ranking as given, without sorting it."""
    return Ranking(tuple(ids), np.asarray(scores, dtype=np.float32))


def value(run: Run, qrels: Qrels, name: str, qid: str = "q") -> float:
    """Return one metric of one query."""
    return score(run, qrels, (parse_metric(name),)).per_query[name][qid]


def test_hand_worked_example() -> None:
    run = run_of({"q": {"a": 3.0, "b": 2.0, "c": 1.0}})
    qrels = {"q": {"b": 1, "c": 1, "z": 1}}
    assert value(run, qrels, "p@5") == pytest.approx(2 / 5)
    assert value(run, qrels, "recall@5") == pytest.approx(2 / 3)
    assert value(run, qrels, "mrr") == pytest.approx(1 / 2)
    assert value(run, qrels, "map@5") == pytest.approx((1 / 2 + 2 / 3) / 3)
    gain = 1 / np.log2(3) + 1 / np.log2(4)
    assert value(run, qrels, "ndcg@5") == pytest.approx(gain / (1 + gain))


def test_graded_relevance_is_a_linear_gain() -> None:
    run = run_of({"q": {"a": 2.0, "b": 1.0}})
    wanted = (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))
    assert value(run, {"q": {"a": 1, "b": 3}}, "ndcg@10") == pytest.approx(wanted)


def test_negative_relevance_is_not_relevant_but_holds_its_rank() -> None:
    run = run_of({"q": {"bad": 2.0, "good": 1.0}})
    qrels = {"q": {"bad": -100, "good": 1}}
    assert value(run, qrels, "mrr") == 0.5
    assert value(run, qrels, "recall@1") == 0.0
    assert value(run, qrels, "ndcg@1") == 0.0


def test_judged_query_missing_from_the_run_counts_zero_and_is_named() -> None:
    """Trap 8: pytrec_eval drops it from the mean."""
    qrels = {"a": {"d": 1}, "b": {"d": 1}, "c": {"d": 1}, "e": {"d": 1}}
    scores = score(run_of({"a": {"d": 1.0}, "e": {}, "c": {"x": 1.0}}), qrels)
    assert scores.missing == ("b", "e")
    for metric in OFFICIAL:
        values = scores.per_query[str(metric)]
        assert tuple(values) == ("a", "b", "c", "e")
        assert (values["b"], values["c"], values["e"]) == (0.0, 0.0, 0.0)
        assert scores.means[str(metric)] == pytest.approx(values["a"] / 4)
    assert scores.means["mrr"] == 0.25


def test_queries_without_judgements_are_left_out() -> None:
    run = run_of({"q": {"d": 1.0}, "stray": {"d": float("inf")}})
    scores = score(run, {"q": {"d": 1}, "unjudged": {}})
    assert tuple(scores.per_query["ndcg@10"]) == ("q",)
    assert scores.means["ndcg@10"] == 1.0
    assert scores.missing == ()


@pytest.mark.parametrize("grades", [{"d": 0}, {"d": -1}, {"d": -5, "x": 0}, {"d": -(2**40)}])
def test_a_query_nobody_can_answer_counts_zero(grades: Mapping[str, int]) -> None:
    """As `trec_eval -c` counts it; judgements that are all negative crash trec_eval itself."""
    qrels = {"hopeless": grades, "q": {"d": 1}}
    scores = score(run_of({"hopeless": {"d": 1.0}, "q": {"d": 1.0}}), qrels)
    assert scores.means["ndcg@10"] == 0.5
    assert scores.missing == ()


def test_empty_ranking_scores_zero_whatever_was_scored_before() -> None:
    """trec_eval keeps figures from call to call; an empty ranking must not meet them."""
    qrels = {"good": {"d": 1}, "empty": {"d": 1}}
    score(run_of({"good": {"d": 1.0}}), qrels)
    scores = score(run_of({"empty": {}}), qrels)
    assert set(scores.means.values()) == {0.0}
    assert scores.missing == ("good", "empty")


@pytest.mark.parametrize("qid", ["no query", "no_query", "", "0", "a b", "q\ud800", "q\0"])
def test_any_query_id_is_scored(qid: str) -> None:
    """pytrec_eval returns garbage for a first query named `no_query`, and crashes on others."""
    scores = score(run_of({qid: {"x": 2.0, "d": 1.0}}), {qid: {"d": 1}})
    assert scores.per_query["mrr"][qid] == 0.5
    assert scores.per_query["ndcg@10"][qid] == pytest.approx(1 / np.log2(3))


@pytest.mark.parametrize(
    ("high", "low"),
    [
        ("b", "a"),
        ("d10", "d1"),
        ("d2", "d10"),
        ("a", "Z"),
        ("pytorch/Memory Management_5_0.txt", "pytorch/Memory"),
        ("L’Hôpital_rule1", "L'Hôpital_rule1"),
        ("\U00010000", "\uffff"),  # UTF-16 order would turn these two round
        ("é", "z"),
        ("e\u0301", "e"),
        ("x", ""),
    ],
)
@pytest.mark.parametrize(
    ("first", "second"), [(1.0, 1.0), (0.0, -0.0), (-0.0, 0.0), (1.0, 1.0 + 3e-13), (1e-50, 0.0)]
)
def test_equal_float32_scores_rank_by_id_descending(
    high: str, low: str, first: float, second: float
) -> None:
    """Traps 5 and 7; the second score of some pairs is higher, but not in float32."""
    for ids, scores in (((high, low), (first, second)), ((low, high), (second, first))):
        run = Run({"q": ranking(ids, scores)})
        assert value(run, {"q": {high: 1}}, "recall@1") == 1.0
        assert value(run, {"q": {low: 1}}, "recall@1") == 0.0


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (1e-45, 0.0),
        (2.8e-45, 1.4e-45),
        (-1e-45, -1.2e-38),
        (3.4028235e38, 3.4028233e38),
        (-3.4e38, -3.4028235e38),
        (1.0000001, 1.0),
    ],
)
def test_float32_scores_that_differ_are_told_apart(more: float, less: float) -> None:
    """Denormal and huge scores alike; the id order says the opposite."""
    run = Run({"q": ranking(("a", "z"), (more, less))})
    assert value(run, {"q": {"a": 1}}, "recall@1") == 1.0


def test_duplicate_gold_counts_once() -> None:
    """Trap 4: judgements are a mapping, so the ideal ranking holds each document once."""
    gold = ["d", "d", "e"]
    run = run_of({"q": {"d": 2.0, "e": 1.0}})
    assert value(run, {"q": dict.fromkeys(gold, 1)}, "ndcg@10") == 1.0
    assert value(run, {"q": dict.fromkeys(gold, 1)}, "recall@10") == 1.0


def test_long_setting_recall_is_not_success() -> None:
    """Trap 13: recall@1 divides by the number of gold documents."""
    run = run_of({"q": {"a": 2.0, "b": 1.0}})
    assert value(run, {"q": {"a": 1, "b": 1}}, "recall@1") == 0.5


def test_recall_cannot_reach_one_with_more_gold_than_ranks() -> None:
    """Trap 15: pony has about 20 gold documents for each query."""
    found = {f"d{i}": float(-i) for i in range(30)}
    assert value(run_of({"q": found}), {"q": dict.fromkeys(found, 1)}, "recall@10") == 1 / 3
    assert value(run_of({"q": found}), {"q": dict.fromkeys(found, 1)}, "ndcg@10") == 1.0


def test_na_is_an_id_like_any_other_here() -> None:
    """Trap 2: whoever reads BRIGHT turns `["N/A"]` into nothing; scoring has no magic word."""
    assert value(run_of({"q": {"N/A": 2.0, "a": 1.0}}), {"q": {"N/A": 1}}, "mrr") == 1.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), 1e39])
@pytest.mark.parametrize("grade", [1, 0])
def test_scores_that_are_not_finite_are_refused(bad: float, grade: int) -> None:
    run = Run({"q": Ranking(("a", "b"), np.array([1.0, bad]))})
    with pytest.raises(BadInput, match=r"query 'q' has the score .* for document 'b'"):
        score(run, {"q": {"a": grade}})


def test_repeated_document_is_refused() -> None:
    run = Run({"q": ranking(("a", "b", "b"), (3.0, 2.0, 1.0))})
    with pytest.raises(BadInput, match="query 'q' has document 'b' more than once"):
        score(run, {"q": {"a": 1}})


def test_ids_and_scores_of_different_number_are_refused() -> None:
    run = Run({"q": ranking(("a", "b"), (3.0, 2.0, 1.0))})
    with pytest.raises(BadInput, match="2 document ids but scores of shape"):
        score(run, {"q": {"a": 1}})


@pytest.mark.parametrize("odd", ["a\0b", "é\0", "a\ud800"])
def test_ids_that_trec_eval_cannot_hold_are_refused(odd: str) -> None:
    """A NUL would cut the id short; a lone surrogate would crash the interpreter."""
    with pytest.raises(BadInput, match="the ranking of query 'q' holds the document id"):
        score(run_of({"q": {odd: 1.0}}), {"q": {"a": 1}})
    with pytest.raises(BadInput, match="the judgements of query 'q' holds the document id"):
        score(run_of({"q": {"a": 1.0}}), {"q": {odd: 1}})


def test_absurd_relevance_is_refused() -> None:
    qrels = {"q": {"a": MAX_RELEVANCE}}
    assert value(run_of({"q": {"a": 1.0}}), qrels, "ndcg@1") == 1.0
    with pytest.raises(BadInput, match=f"relevance {MAX_RELEVANCE + 1}"):
        score(run_of({"q": {"a": 1.0}}), {"q": {"a": MAX_RELEVANCE + 1}})


@pytest.mark.parametrize("qrels", [{}, {"q": {}}])
def test_nothing_judged_is_refused(qrels: Qrels) -> None:
    with pytest.raises(BadInput, match="has a judgement"):
        score(run_of({"q": {"a": 1.0}}), qrels)


def test_no_metrics_give_no_values() -> None:
    scores = score(run_of({}), {"q": {"a": 1}}, ())
    assert (scores.per_query, scores.means, scores.missing) == ({}, {}, ("q",))


def test_numpy_grades_and_read_only_mappings_are_read() -> None:
    run = run_of({"q": {"a": 1.0}})
    assert value(run, {"q": {"a": np.int64(2)}}, "ndcg@5") == 1.0  # type: ignore[dict-item]


@pytest.mark.parametrize("chunk", [1, 3, 7, 10_000])
def test_chunks_do_not_change_values(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    qrels = {f"q{at}": {f"d{rng.integers(9)}": 1} for at in range(20)}
    rankings = {
        qid: ranking([f"d{at}" for at in range(9)], rng.integers(0, 3, 9).tolist())
        for qid in list(qrels)[::-2]
    }
    whole = score(Run(rankings), qrels)
    monkeypatch.setattr(score_module, "CHUNK_PAIRS", chunk)
    assert score(Run(rankings), qrels) == whole
    assert len(whole.missing) == 10


def test_importing_scoring_loads_nothing_heavy() -> None:
    """`rebench --help` must stay quick; checked in this process's own fresh child."""
    import subprocess

    code = "import sys, harness.metrics.score; print({'numpy', 'pytrec_eval'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_overall_is_the_plain_mean_of_a_complete_group() -> None:
    values = {"a": 0.25, "b": 0.75, "other": 1.0}
    assert overall(values, ("a", "b")) == 0.5
    assert overall(values, ("a", "b", "c")) is None
    assert overall(values, ()) is None
