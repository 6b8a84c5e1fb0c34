"""Bootstrap intervals: what is resampled, edge cases, and ranks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from harness.core.errors import BadInput
from harness.stats import bootstrap
from harness.stats.bootstrap import (
    Interval,
    difference_interval,
    mean_interval,
    mean_intervals,
    resampled_means,
)
from harness.stats.ranks import rank_groups, rank_intervals


def rng() -> np.random.Generator:
    """Return a fresh generator, always the same."""
    return np.random.default_rng(29)


def test_resamples_draw_with_replacement_from_all_queries() -> None:
    """One row per query that is 1 there alone shows how often each was drawn."""
    drawn = resampled_means(np.eye(9), rng(), resamples=4_000) * 9
    assert np.allclose(drawn, np.round(drawn))
    assert np.allclose(drawn.sum(axis=0), 9)
    assert drawn.mean(axis=1) == pytest.approx(np.ones(9), abs=0.08)
    assert drawn.var(axis=1) == pytest.approx(np.full(9, 8 / 9), abs=0.08)


def test_resamples_keep_each_tasks_number_of_queries() -> None:
    tasks = ["b", "a", "b", "c", "b", "c"]
    weight = np.array([1 / 9, 1 / 3, 1 / 9, 1 / 6, 1 / 9, 1 / 6])
    drawn = resampled_means(np.eye(6), rng(), tasks=tasks, resamples=3_000) / weight[:, None]
    assert np.allclose(drawn, np.round(drawn))
    for task, size in (("a", 1), ("b", 3), ("c", 2)):
        members = [at for at, name in enumerate(tasks) if name == task]
        assert np.allclose(drawn[members].sum(axis=0), size)
        assert drawn[members].mean(axis=1) == pytest.approx(np.ones(size), abs=0.08)


@pytest.mark.parametrize("cells", [1, 50, 2_000])
def test_block_size_changes_nothing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = rng().random((3, 20))
    tasks = ["a", "b"] * 10
    wanted = resampled_means(values, rng(), tasks=tasks, resamples=300)
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", cells)
    found = resampled_means(values, rng(), tasks=tasks, resamples=300)
    assert found == pytest.approx(wanted, abs=1e-14)


def test_an_interval_holds_the_mean_and_narrows_with_queries() -> None:
    values = rng().beta(0.5, 1.0, 800)
    few, many = (mean_interval(values[:size], rng()) for size in (50, 800))
    assert few is not None
    assert many is not None
    assert few.low < values[:50].mean() < few.high
    assert many.low < values.mean() < many.high
    assert 3 < (few.high - few.low) / (many.high - many.low) < 5
    wide = mean_interval(values, rng(), level=0.99)
    assert wide is not None
    assert wide.low < many.low < many.high < wide.high
    assert (many.level, wide.level) == (0.95, 0.99)


def test_skewed_values_have_the_longer_arm_on_their_long_side() -> None:
    values = np.zeros(80)
    values[:8] = 1.0
    found = mean_interval(values, rng())
    assert found is not None
    assert found.high - 0.1 > 1.2 * (0.1 - found.low)


def test_difference_interval_is_paired() -> None:
    """Shared difficulty of the queries must cancel."""
    difficulty = rng().random(200)
    better = difficulty + 0.05 + np.tile([0.01, -0.01], 100)
    found = difference_interval(better, difficulty, rng())
    assert found is not None
    assert 0.045 < found.low < 0.05 < found.high < 0.055


def test_tasks_of_different_level_do_not_widen_the_macro_mean() -> None:
    values = np.concatenate([rng().random(40) * 0.1, 0.8 + rng().random(60) * 0.1])
    tasks = ["low"] * 40 + ["high"] * 60
    within, pooled = mean_interval(values, rng(), tasks=tasks), mean_interval(values, rng())
    assert within is not None
    assert pooled is not None
    assert within.high - within.low < 0.02
    assert pooled.high - pooled.low > 0.1
    centre = (values[:40].mean() + values[40:].mean()) / 2
    assert within.low < centre < within.high


def test_equal_values_give_no_width_and_one_query_no_interval() -> None:
    assert mean_interval([0.3] * 7, rng()) == Interval(pytest.approx(0.3), pytest.approx(0.3), 0.95)
    assert difference_interval([0.1, 0.9], [0.1, 0.9], rng()) == Interval(0.0, 0.0, 0.95)
    assert mean_interval([0.3], rng()) is None
    assert mean_interval([0.3, 0.4, 0.5], rng(), tasks=["a", "a", "b"]) is None
    assert mean_intervals([[0.3], [0.4]], rng()) == (None, None)


def test_bca_by_its_formula() -> None:
    """Efron and Tibshirani 1993, equations 14.10, 14.14 and 14.15, with scipy's normal."""
    means = np.sort(rng().normal(0.3, 1.0, 4_000))  # biased: the observed value is 0
    influence = np.repeat([2.0, -0.25], [5, 40])
    bias = norm.ppf(float(np.mean(means < 0)))
    acceleration = sum(influence**3) / (6 * sum(influence**2) ** 1.5)
    found = bootstrap._bca(means, 0.0, influence, 0.9)
    for end, place in ((found.low, 0.05), (found.high, 0.95)):
        shifted = bias + norm.ppf(place)
        wanted = norm.cdf(bias + shifted / (1 - acceleration * shifted))
        assert end == pytest.approx(np.quantile(means, wanted), abs=1e-9)
    assert abs(bias) > 0.2
    assert acceleration > 0.03


def test_bca_counts_half_of_the_resamples_that_equal_the_observed_value() -> None:
    """Resamples of a few zeros and ones tie with it; here they lie evenly about it."""
    means = np.repeat([-1.0, 0.0, 1.0], [30, 40, 30])
    found = bootstrap._bca(means, 0.0, np.array([1.0, -1.0]), 0.3)
    assert (found.low, found.high) == (0.0, 0.0)


def test_influence_is_measured_within_each_task() -> None:
    """Six values, macro-mean of (1, 3) and of (10, 10, 40, 20)."""
    row = np.array([10.0, 1.0, 10.0, 3.0, 40.0, 20.0])
    found = bootstrap._influence(row, ["b", "a", "b", "a", "b", "b"])
    assert found == pytest.approx([-10 / 8, -1 / 4, -10 / 8, 1 / 4, 20 / 8, 0])
    assert bootstrap._influence(row, None) == pytest.approx((row - 14) / 6)


def test_bca_with_every_resample_on_one_side() -> None:
    means = np.linspace(1.0, 2.0, 100)
    found = bootstrap._bca(means, 0.0, np.array([1.0, -1.0]), 0.95)
    assert 1.0 <= found.low <= found.high < 1.1


def test_one_outlier_among_few_queries_is_handled() -> None:
    for size in (2, 3, 5, 12):
        values = np.zeros(size)
        values[0] = 1.0
        found = mean_interval(values, rng(), resamples=50)
        assert found is not None
        assert 0.0 <= found.low <= found.high <= 1.0


def test_rows_share_their_resamples() -> None:
    values = rng().random((2, 30))
    alone = mean_interval(values[1], rng())
    together = mean_intervals(values, rng())[1]
    assert alone is not None
    assert together is not None
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=1e-12)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_levels_outside_zero_to_one_are_refused(level: float) -> None:
    with pytest.raises(BadInput, match="confidence level"):
        mean_interval([0.1, 0.2], rng(), level=level)


def test_bad_values_are_refused() -> None:
    with pytest.raises(BadInput, match="holds nan"):
        mean_interval([0.1, float("nan")], rng())
    with pytest.raises(BadInput, match="resamples is 0"):
        mean_interval([0.1, 0.2], rng(), resamples=0)
    with pytest.raises(BadInput, match="2 queries but 3 names"):
        mean_interval([0.1, 0.2], rng(), tasks=["a", "b", "c"])


def test_rank_groups_compare_with_the_head_of_each_group() -> None:
    """D is like C but unlike A, so it starts a group although its neighbour is in A's."""
    means = [0.2, 0.5, 0.4, 0.3]  # D, A, B, C
    p = np.ones((4, 4))
    p[1, 0] = p[0, 1] = 0.01
    assert rank_groups(means, p) == (2, 1, 1, 1)
    p[1, 3] = p[3, 1] = 0.05
    assert rank_groups(means, p) == (2, 1, 1, 2)
    p[3, 0] = p[0, 3] = 0.02
    assert rank_groups(means, p) == (3, 1, 1, 2)
    assert rank_groups(means, p, alpha=0.001) == (1, 1, 1, 1)
    assert rank_groups([0.4], [[1.0]]) == (1,)
    assert rank_groups([], np.ones((0, 0))) == ()


def test_rank_groups_refuse_what_does_not_fit() -> None:
    with pytest.raises(BadInput, match="do not go with"):
        rank_groups([0.1, 0.2], [[1.0]])
    with pytest.raises(BadInput, match="do not go with"):
        rank_groups([0.1, 0.2], np.full((2, 2), np.nan))
    with pytest.raises(BadInput, match="do not go with"):
        rank_groups([0.1, float("nan")], np.ones((2, 2)))


def test_rank_intervals_of_clear_and_unclear_orders() -> None:
    base = rng().random(100) * 0.1
    clear = np.stack([base, base + 0.5, base + 0.2])
    assert rank_intervals(clear, rng()) == ((3, 3), (1, 1), (2, 2))
    unclear = np.stack(
        [rng().permutation(base), base + 0.5, np.random.default_rng(1).permutation(base)]
    )
    assert rank_intervals(unclear, rng()) == ((2, 3), (1, 1), (2, 3))
    assert rank_intervals([[0.3]], rng()) == ((1, 1),)


def test_equal_entries_share_the_better_rank() -> None:
    base = rng().random(40)
    assert rank_intervals([base, base, base - 1], rng()) == ((1, 1), (1, 1), (3, 3))
    assert rank_intervals(
        [base, np.roll(base, 0) + 0.0, base + 1], rng(), tasks=["a", "b"] * 20
    ) == (
        (2, 2),
        (2, 2),
        (1, 1),
    )


def test_ranks_follow_the_macro_mean_over_tasks() -> None:
    """The first is better by 0.2 in the task of 10, the second by 0.1 in the task of 90."""
    gap = np.repeat([0.2, -0.1], [10, 90])
    tasks = ["few"] * 10 + ["many"] * 90
    assert rank_intervals([0.5 + gap, np.full(100, 0.5)], rng(), tasks=tasks) == ((1, 1), (2, 2))
    assert rank_intervals([0.5 + gap, np.full(100, 0.5)], rng()) == ((2, 2), (1, 1))


def test_float_noise_does_not_break_ties_of_means() -> None:
    """0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in floats; they tie in a quarter of the resamples."""
    found = rank_intervals([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], rng(), level=0.2)
    assert found == ((1, 1), (1, 1))


def test_one_query_leaves_every_rank_open() -> None:
    assert rank_intervals([[0.1], [0.9], [0.5]], rng()) == ((1, 3),) * 3
    tasks = ["a", "a", "b"]
    assert rank_intervals([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]], rng(), tasks=tasks) == ((1, 2),) * 2
