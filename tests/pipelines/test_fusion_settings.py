"""What a fusion refuses, fills in and reports; orders, ties, empty and flat lists."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, UnknownName
from harness.core.types import Ranking, Run
from harness.pipelines.fusion import (
    Fusion,
    FusionSettings,
    fuse_runs,
    fused_scores,
    in_protocol_order,
    read_parameters,
    read_weights,
)


def ranking(**scores: float) -> Ranking:
    return Ranking(tuple(scores), np.array(list(scores.values()), dtype=np.float32))


def scores_of(lists: list[Ranking], **settings) -> dict[str, float]:
    fusion = Fusion.of(FusionSettings(**settings), len(lists))
    ids, scores = fused_scores(lists, fusion)
    return dict(zip(ids, scores.tolist(), strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "rfr"}, "rrf"),
        ({"method": "condorcet"}, "hash table"),
        ({"method": "mapfuse"}, "out of fold"),
        ({"method": "sum", "norm": "minmax"}, "min-max"),
        ({"method": "rrf", "norm": "min-max"}, "reads ranks only"),
        ({"method": "rrf", "missing": "lowest"}, "reads ranks only"),
        ({"method": "rrf", "weights": (0.5, 0.5)}, "no weights"),
        ({"method": "rrf", "parameters": {"phi": 0.5}}, "no parameter 'phi'"),
        ({"method": "rrf", "parameters": {"k": math.nan}}, "k is nan"),
        ({"method": "rbc"}, "needs its parameter phi"),
        ({"method": "rbc", "parameters": {"phi": 1.0}}, "phi is 1.0"),
        ({"method": "wsum", "weights": (1.0,)}, "1 weights for 2 runs"),
        ({"method": "wsum", "weights": (0.0, 0.0)}, "all weights are 0"),
        ({"method": "wsum", "weights": (1.0, -1.0)}, "a weight is -1.0"),
        ({"method": "wsum", "weights": (1.0, math.nan)}, "a weight is nan"),
        ({"method": "sum", "norm": "neg-log-rank", "missing": "zero"}, "would come first"),
        ({"method": "sum", "norm": "borda", "missing": "lowest"}, "none is missing"),
        ({"method": "sum", "missing": "nought"}, "zero or lowest"),
        ({"method": "sum", "depth": 0}, "--depth is 0"),
    ],
)
def test_a_setting_that_cannot_be_honoured_is_refused(settings: dict, said: str):
    with pytest.raises((BadInput, UnknownName), match=said):
        Fusion.of(FusionSettings(**settings), 2)


def test_weights_by_name_and_by_place():
    assert read_weights("0.5, 2", ["a", "b"]) == (0.5, 2.0)
    assert read_weights("b=1,a=3", ["a", "b"]) == (3.0, 1.0)
    assert read_weights("", ["a", "b"]) == ()
    with pytest.raises(UnknownName, match="'c'"):
        read_weights("a=1,c=1", ["a", "b"])
    with pytest.raises(BadInput, match="b has no weight"):
        read_weights("a=1", ["a", "b"])
    with pytest.raises(BadInput, match="'x'"):
        read_weights("x,1", ["a", "b"])
    assert read_parameters(["k=20"]) == {"k": 20.0}


def test_a_missing_document_counts_as_nothing_or_as_the_lowest():
    lists = [ranking(a=4, b=2, c=1), ranking(b=9, d=3)]
    zero = scores_of(lists, method="sum", norm="none", missing="zero")
    assert zero == {"a": 4, "b": 11, "c": 1, "d": 3}
    lowest = scores_of(lists, method="sum", norm="none", missing="lowest")
    assert lowest == {"a": 4 + 3, "b": 11, "c": 1 + 3, "d": 1 + 3}


def test_neg_log_rank_puts_missing_documents_behind_the_list():
    found = scores_of([ranking(a=4, b=2, c=1), ranking(b=9)], method="sum", norm="neg-log-rank")
    assert found["a"] == pytest.approx(-math.log(1) - math.log(2))
    assert found["b"] == pytest.approx(-math.log(2) - math.log(1))
    assert found["c"] == pytest.approx(-math.log(3) - math.log(2))
    # DIVER: 0.6 and 0.4 of -ln(rank)
    weighted = scores_of(
        [ranking(a=2, b=1), ranking(b=2, a=1)],
        method="wsum", norm="neg-log-rank", weights=(0.6, 0.4),
    )  # fmt: skip
    assert weighted == pytest.approx({"a": -0.4 * math.log(2), "b": -0.6 * math.log(2)})


def test_zmuv_takes_the_lowest_unless_told():
    lists = [ranking(a=3, b=1), ranking(a=1, c=0)]
    assert Fusion.of(FusionSettings(method="sum", norm="zmuv"), 2).missing == "lowest"
    assert scores_of(lists, method="sum", norm="zmuv")["c"] == pytest.approx(-1 - 1)
    assert scores_of(lists, method="sum", norm="zmuv", missing="zero")["c"] == pytest.approx(-1)


def test_flat_lists_and_queries_of_one_run_are_counted():
    one = Run({"q": ranking(a=1), "r": ranking(a=2, b=2), "s": ranking(a=2, b=1)})
    other = Run({"q": ranking(b=2, a=1)})
    fused = fuse_runs([one, other], Fusion.of(FusionSettings(method="sum"), 2), 10)
    assert (fused.flat, fused.lists, fused.only_in) == (2, 4, (2, 0))
    assert set(fused.run.rankings) == {"q", "r", "s"}
    by_rank = fuse_runs([one, other], Fusion.of(FusionSettings(), 2), 10)
    assert by_rank.flat == 0


def test_ties_are_put_into_the_protocols_order_before_ranks_are_taken():
    ties = ranking(a=1, c=1, b=2)  # in no order
    assert in_protocol_order(ties).doc_ids == ("b", "c", "a")
    found = scores_of([ties, ranking(z=1)], method="rrf")
    assert found["c"] == pytest.approx(1 / 62)
    fused = fuse_runs(
        [Run({"q": ranking(a=1)}), Run({"q": ranking(b=1)})], Fusion.of(FusionSettings(), 2), 10
    )
    assert fused.run.rankings["q"].doc_ids == ("b", "a")  # equal scores, by id descending


def test_depth_cuts_each_list_and_k_the_fused_one():
    lists = [Run({"q": ranking(a=3, b=2, c=1)}), Run({"q": ranking(d=3, e=2, f=1)})]
    cut = fuse_runs(lists, Fusion.of(FusionSettings(depth=1), 2), 10)
    assert set(cut.run.rankings["q"].doc_ids) == {"a", "d"}
    assert len(fuse_runs(lists, Fusion.of(FusionSettings(), 2), 3).run.rankings["q"]) == 3


LISTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.integers(-3, 3), min_size=1, max_size=8
)


@given(LISTS)
def test_protocol_order_is_that_of_sorting_by_score_and_id(scores: dict[str, int]):
    expected = tuple(doc for _, doc in sorted(((s, d) for d, s in scores.items()), reverse=True))
    assert in_protocol_order(ranking(**scores)).doc_ids == expected
