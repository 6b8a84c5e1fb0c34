"""Holm's correction by hand and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.stats.holm import holm, holm_pairs


def test_hand_worked_example() -> None:
    """0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04 x 1, each at least the one before."""
    assert holm([0.03, 0.01, 0.04, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
    assert holm([0.5]).tolist() == [0.5]


@given(st.lists(st.sampled_from([0.0, 1e-9, 0.004, 0.01, 0.02, 0.02, 0.05, 0.3, 1.0]), max_size=9))
def test_it_rejects_what_the_step_down_procedure_rejects(p: list[float]) -> None:
    adjusted = holm(p)
    for alpha in (0.01, 0.0499, 0.2):
        rejected = set()
        for step, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[at] * (len(p) - step) > alpha:
                break
            rejected.add(at)
        assert set(np.flatnonzero(adjusted <= alpha)) == rejected


def test_pairs_are_one_family() -> None:
    p = np.array([[1, 0.01, 0.04], [0.01, 1, 0.03], [0.04, 0.03, 1]])
    wanted = [[1, 0.03, 0.06], [0.03, 1, 0.06], [0.06, 0.06, 1]]
    assert np.allclose(holm_pairs(p), wanted)
    assert holm_pairs([[1.0]]).tolist() == [[1.0]]


@pytest.mark.parametrize("p", [[float("nan")], [-0.1], [1.1], [[0.1]]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    with pytest.raises(BadInput, match="between 0 and 1"):
        holm(p)
