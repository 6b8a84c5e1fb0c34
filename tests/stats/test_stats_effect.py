"""Effect size, wins and losses, power and the detectable difference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.core.errors import BadInput
from harness.stats.effect import WinTieLoss, effect_size, win_tie_loss
from harness.stats.power import detectable_difference, difference_error, power


def test_effect_size_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, deviation 1."""
    assert effect_size([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]) == pytest.approx(2.0)
    assert effect_size([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]) == pytest.approx(-2.0)


def test_effect_size_where_there_is_no_deviation() -> None:
    assert effect_size([0.3, 0.4], [0.3, 0.4]) == 0.0
    assert effect_size([0.3], [0.3]) == 0.0
    assert effect_size([0.3], [0.4]) is None
    assert effect_size([0.4, 0.5, 0.9], [0.3, 0.4, 0.8]) is None


def test_wins_ties_and_losses() -> None:
    found = win_tie_loss([1.0, 0.5, 0.1 + 0.2, 0.0, 0.7], [0.0, 0.5, 0.3, 0.2, 0.1])
    assert found == WinTieLoss(wins=2, ties=2, losses=1)
    assert win_tie_loss([0.5], [0.4], tolerance=0.2) == WinTieLoss(0, 1, 0)


def test_detectable_difference_is_where_power_reaches_the_target() -> None:
    for degrees in (1, 2, 5, 30, 1_383):
        for alpha, target in ((0.05, 0.8), (0.01, 0.9), (0.01, 0.6), (0.05, 0.06)):
            delta = detectable_difference(0.02, degrees, alpha=alpha, target=target)
            assert delta is not None
            assert power(delta, 0.02, degrees, alpha=alpha) == pytest.approx(target, abs=1e-6)


def test_detectable_difference_of_many_queries_is_the_normal_formula() -> None:
    """(1.95996 + 0.84162) standard errors."""
    assert detectable_difference(0.01, 100_000) == pytest.approx(0.0280158, rel=1e-4)


def test_power_runs_from_alpha_to_one() -> None:
    assert power(0.0, 1.0, 10) == pytest.approx(0.05)
    for degrees in (1, 2, 10, 1_000):
        steps = [power(at / 10, 1.0, degrees) for at in range(300)]
        assert all(one <= other + 1e-12 for one, other in itertools.pairwise(steps))
    assert power(-3.0, 1.0, 10) == pytest.approx(power(3.0, 1.0, 10))
    assert power(1_000.0, 1.0, 10) == pytest.approx(1.0)
    assert power(0.1, 0.0, 10) == 1.0
    assert power(0.0, 0.0, 10) == 0.05


def test_nothing_is_detectable_with_a_single_query() -> None:
    assert difference_error([0.5], [0.1]) is None
    assert difference_error([0.5, 0.1, 0.2], [0.1, 0.2, 0.3], tasks=["a", "a", "b"]) is None
    assert detectable_difference(0.1, 0) is None
    assert detectable_difference(0.0, 4) == 0.0


def test_error_of_a_macro_mean_by_hand() -> None:
    """Variances 2 (of 0, 2) and 1 (of 0, 1, 2): sqrt(2 / 2 + 1 / 3) / 2, 1 + 2 degrees."""
    a, tasks = [0.0, 0.0, 1.0, 2.0, 2.0], ["x", "y", "y", "x", "y"]
    found = difference_error(a, np.zeros(5), tasks=tasks)
    assert found is not None
    assert found == (pytest.approx(np.sqrt(4 / 3) / 2), 3)
    plain = difference_error(a, np.zeros(5))
    assert plain == (pytest.approx(np.std(a, ddof=1) / np.sqrt(5)), 4)


@pytest.mark.parametrize(
    ("error", "degrees", "alpha", "target"),
    [
        (-1.0, 5, 0.05, 0.8),
        (np.nan, 5, 0.05, 0.8),
        (1.0, -1, 0.05, 0.8),
        (1.0, 5, 0.0, 0.8),
        (1.0, 5, 0.05, 1.0),
        (1.0, 5, 0.05, 0.01),
    ],
)
def test_figures_out_of_range_are_refused(
    error: float, degrees: int, alpha: float, target: float
) -> None:
    with pytest.raises(BadInput, match="no power for"):
        detectable_difference(error, degrees, alpha=alpha, target=target)


def test_tasks_must_go_with_queries() -> None:
    with pytest.raises(BadInput, match="2 queries but 1 names"):
        difference_error([0.1, 0.2], [0.2, 0.1], tasks=["a"])
