"""Metric names: one table, and every spelling comes back to the same metric."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UnknownName
from harness.metrics.names import (
    FAMILIES,
    OFFICIAL,
    Metric,
    bright_key,
    label,
    measure_key,
    parse_metric,
)

NO_FAMILY = ["", "@10", "recal@10", "mrr@10", "mrr@"]
BAD_CUTOFF = [
    *("ndcg", "ndcg@", "ndcg@0", "ndcg@-1", "ndcg@010", "ndcg@1.5", "ndcg@10 ", "ndcg@10\n"),
    *("ndcg@1_0", "ndcg@１", "p@1@2", "ndcg@9999999999"),
]
CUT = [family.name for family in FAMILIES if family.cut]


def test_official_set_is_brights_25_measures() -> None:
    assert len(OFFICIAL) == 25
    spelled = " ".join(str(metric) for metric in OFFICIAL if metric.name in ("ndcg", "mrr"))
    assert spelled == "ndcg@1 ndcg@5 ndcg@10 ndcg@25 ndcg@50 ndcg@100 mrr"
    assert {metric.name for metric in OFFICIAL} == {"ndcg", "map", "recall", "p", "mrr"}


@given(st.sampled_from(CUT), st.integers(1, 999_999_999))
def test_names_round_trip(name: str, cutoff: int) -> None:
    metric = Metric(name, cutoff)
    assert str(metric) == f"{name}@{cutoff}"
    assert parse_metric(str(metric)) == metric
    assert parse_metric(bright_key(metric)) == metric
    assert parse_metric(label(metric)) == metric


@pytest.mark.parametrize("metric", OFFICIAL, ids=str)
def test_each_official_spelling_comes_back(metric: Metric) -> None:
    for spelled in (str(metric), bright_key(metric), label(metric)):
        assert parse_metric(spelled) == metric


@pytest.mark.parametrize(
    ("text", "measure", "key", "shown"),
    [
        ("ndcg@10", "ndcg_cut_10", "NDCG@10", "nDCG@10"),
        ("map@100", "map_cut_100", "MAP@100", "MAP@100"),
        ("recall@1", "recall_1", "Recall@1", "Recall@1"),
        ("p@25", "P_25", "P@25", "P@25"),
        ("mrr", "recip_rank", "MRR", "MRR"),
    ],
)
def test_spellings(text: str, measure: str, key: str, shown: str) -> None:
    metric = parse_metric(text)
    assert (measure_key(metric), bright_key(metric), label(metric)) == (measure, key, shown)


@pytest.mark.parametrize(
    "text",
    [*NO_FAMILY, *BAD_CUTOFF],
)
def test_unknown_metric_names_what_there_is(text: str) -> None:
    with pytest.raises(UnknownName) as caught:
        parse_metric(text)
    assert repr(text) in caught.value.message
    assert "ndcg@K" in caught.value.fix
    assert "mrr" in caught.value.fix


def test_unknown_metric_suggests_a_close_one() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean ndcg@10"):
        parse_metric("ndgc@10")


@pytest.mark.parametrize(
    ("name", "cutoff"), [("ndcg", None), ("ndcg", 0), ("ndcg", -5), ("mrr", 0), ("mrr", 3)]
)
def test_metric_cannot_be_built_wrong(name: str, cutoff: int | None) -> None:
    with pytest.raises(UnknownName):
        Metric(name, cutoff)
