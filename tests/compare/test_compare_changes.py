"""The queries that changed most, against plain sorting."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.changes import first_documents, largest_changes, with_first_documents
from harness.compare.differences import QueryColumns
from harness.core.types import Ranking, Run

VALUES = st.lists(st.tuples(*[st.integers(0, 10)] * 2), min_size=1, max_size=30)


@given(VALUES, st.integers(0, 6))
def test_largest_gains_then_largest_losses(pairs: list[tuple[int, int]], count: int) -> None:
    rows = np.array(pairs, dtype=float).T / 10
    names = tuple(f"q{at}" for at in range(len(pairs)))
    found = largest_changes(rows, QueryColumns(("t",) * len(pairs), names), ("a", "b"), count)
    gaps = [(round(x - y, 6), -at) for at, (x, y) in enumerate(pairs)]
    gained = [-at for gap, at in sorted(gaps, reverse=True) if gap > 0][:count]
    lost = [-at for gap, at in sorted(gaps, key=lambda g: (g[0], -g[1])) if gap < 0][:count]
    assert [each.query for each in found] == [f"q{at}" for at in (*gained, *lost)]
    for each in found:
        at = int(each.query[1:])
        assert (each.value_a, each.value_b) == (rows[0, at], rows[1, at])


def test_first_three_of_each_system_read_once() -> None:
    asked = []

    def read(system: str, task: str) -> Run:
        asked.append((system, task))
        documents = tuple(f"{system}{at}" for at in range(5))
        scores = np.arange(5, 0, -1, dtype=np.float32)
        return Run({} if system == "b" else {"q0": Ranking(documents, scores)})

    rows = np.array([[1.0, 1.0], [0.0, 0.5]])
    changes = largest_changes(rows, QueryColumns(("t", "t"), ("q0", "q1")), ("a", "b"), 5)
    found = with_first_documents(changes, read)
    assert [(each.top_a, each.top_b) for each in found] == [(("a0", "a1", "a2"), ()), ((), ())]
    assert asked == [("a", "t"), ("b", "t")]
    assert first_documents(Run({}), "q") == ()
