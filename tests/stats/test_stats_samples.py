"""Per-query values: aligned over queries, and weighted by task."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import BadInput, NotComparable
from harness.stats.samples import aligned, as_rows, macro_weights


def test_values_are_aligned_by_query_id() -> None:
    ids, values = aligned([{"a": 1.0, "b": 2.0}, {"b": 4.0, "a": 3.0}])
    assert ids == ("a", "b")
    assert values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("other", [{"a": 1.0}, {"x": 1.0, "y": 2.0}, {"a": 1, "b": 1, "c": 1}])
def test_entries_on_other_queries_are_not_comparable(other: dict[str, float]) -> None:
    with pytest.raises(NotComparable, match="entries 1 and 3 differ in"):
        aligned([{"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}, other])


def test_nothing_to_align_is_refused() -> None:
    with pytest.raises(BadInput, match="no entry"):
        aligned([])
    with pytest.raises(BadInput, match="shape"):
        aligned([{}])


def test_nan_is_refused_with_its_place() -> None:
    with pytest.raises(BadInput, match="row 1 holds nan for query number 0"):
        as_rows([[1.0, 2.0], [float("nan"), 2.0]])


def test_macro_weights_give_each_task_the_same_say() -> None:
    tasks = ["b", "a", "b", "b"]
    weights = macro_weights(tasks)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])
    values = np.array([1.0, 0.5, 0.0, 2.0])
    assert values @ weights == pytest.approx((1.0 + 0.5) / 2)
    assert macro_weights(["x", "x"]).tolist() == [0.5, 0.5]
    with pytest.raises(BadInput, match="no query"):
        macro_weights([])
