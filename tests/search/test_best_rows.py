"""The best rows without the excluded ones: every way there gives what a full sort gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.core.errors import ModelError
from harness.search.top_k import TopKRanker


def by_full_sort(scores: np.ndarray, ids: list[str], k: int, excluded: frozenset[str]) -> list[int]:
    rows = [row for row, key in enumerate(ids) if key not in excluded]
    return sorted(rows, key=lambda row: (scores[row], ids[row]), reverse=True)[:k]


@settings(max_examples=300)
@given(st.integers(1, 300), st.integers(1, 12), st.floats(0, 1), st.integers(1, 400))
@example(300, 3, 0.5, 400)
@example(300, 3, 0.5, 2)
def test_equals_a_full_sort(n: int, k: int, share: float, values: int) -> None:
    """Few values make many ties, many make few; good rows are excluded more often than bad."""
    rng = np.random.default_rng(n * 1000 + k * 10 + values)
    ids = [f"d{row}" for row in rng.permutation(n)]
    scores = rng.integers(0, values, n).astype(np.float32)
    chance = share * scores / max(1.0, float(scores.max()))
    excluded = frozenset(
        [ids[row] for row in np.flatnonzero(rng.random(n) < chance)] + ["no document"]
    )
    found = TopKRanker(ids).best(scores, k, excluded)
    assert found.tolist() == by_full_sort(scores, ids, k, excluded)


@pytest.mark.parametrize(
    ("excluded", "scores", "calls"),
    [
        ("few", "apart", {"found": 1}),
        ("none", "apart", {}),
        ("many", "apart", {"found": 1}),
        ("the best", "apart", {"too few": 1, "found": 1}),
        ("many", "equal", {"too few": 2}),
        ("all", "apart", {"too few": 2}),
    ],
)
def test_each_way_is_taken(
    excluded: str, scores: str, calls: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are masked only where looking at the top cannot do, or is dearer."""
    ids = [f"d{row:04}" for row in range(2000)]
    order = np.random.default_rng(1).permutation(2000).astype(np.float32)
    left_out = {
        "none": frozenset(),
        "few": frozenset(ids[:5]),
        "many": frozenset(ids[row] for row in range(0, 2000, 20)),
        "the best": frozenset(ids[row] for row in np.argsort(-order)[:100]),
        "all": frozenset(ids),
    }[excluded]
    values = order if scores == "apart" else np.zeros(2000, np.float32)
    seen: Counter[str] = Counter()
    among = TopKRanker._among

    def counted(self: TopKRanker, *arguments: object) -> object:
        found = among(self, *arguments)  # type: ignore[arg-type]
        seen["too few" if found is None else "found"] += 1
        return found

    monkeypatch.setattr(TopKRanker, "_among", counted)
    found = TopKRanker(ids).best(values, 10, left_out)
    assert found.tolist() == by_full_sort(values, ids, 10, left_out)
    assert dict(seen) == calls


def test_a_score_that_is_not_finite_is_told_whatever_is_excluded() -> None:
    ids = [f"d{row}" for row in range(50)]
    scores = np.ones(50, np.float32)
    scores[7] = np.nan
    for excluded in (frozenset(), frozenset(ids[:2]), frozenset(ids[:20]), frozenset(["d7"])):
        with pytest.raises(ModelError, match="nan"):
            TopKRanker(ids).best(scores, 3, excluded)


@pytest.mark.parametrize("excluded", [frozenset(), frozenset(["d1"])])
def test_k_and_shapes_are_checked_whatever_is_excluded(excluded: frozenset[str]) -> None:
    rows = TopKRanker([f"d{row}" for row in range(50)])
    with pytest.raises(ValueError, match="at least 1"):
        rows.best(np.zeros(50, np.float32), 0, excluded)
    with pytest.raises(ValueError, match="float64"):
        rows.best(np.zeros(50), 3, excluded)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="order is of 50"):
        rows.best(np.zeros(49, np.float32), 3, excluded)


def test_rows_of_known_ids() -> None:
    rows = TopKRanker(["b", "a", "c"]).rows_of(frozenset(["c", "b", "elsewhere"]))
    assert sorted(rows.tolist()) == [0, 2]
