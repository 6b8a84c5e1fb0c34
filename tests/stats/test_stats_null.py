"""Simulations: tests keep their level on null data, intervals cover, power is as computed.

Every rate is over 2,000 repetitions, whose own standard error is 0.5 % at 5 %; seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.stats.bootstrap import mean_intervals
from harness.stats.holm import holm, holm_pairs
from harness.stats.paired import sign_flip, sign_flip_pairs, sign_flip_rows
from harness.stats.power import detectable_difference
from harness.stats.ranx_tests import fisher, student, tukey
from harness.stats.samples import macro_weights

REPETITIONS = 2_000
BATCHES = 20
"""Rows of one call share their sign patterns; fresh ones per batch keep that from showing."""
LEVEL = pytest.approx(0.05, abs=0.01)


def rng(seed: int) -> np.random.Generator:
    """Return a generator of its own for each simulation."""
    return np.random.default_rng(seed)


def null_values(systems: int, queries: int, source: np.random.Generator) -> np.ndarray:
    """Return equally good systems: skewed values in 0 to 1 that share each query's difficulty."""
    difficulty = source.beta(0.6, 1.2, queries)
    return np.clip(difficulty + source.normal(0, 0.2, (systems, queries)), 0, 1)


def null_differences(rows: int, queries: int, source: np.random.Generator) -> np.ndarray:
    """Return differences of pairs of equally good systems, one pair a row."""
    difficulty = source.beta(0.6, 1.2, (rows, queries))
    noise = source.normal(0, 0.2, (2, rows, queries))
    first, second = np.clip(difficulty + noise, 0, 1)
    return first - second


def check_levels(p: np.ndarray) -> None:
    """Check a test's level on its own, and the chance of any rejection in families of two.

    `p` are of `2 * REPETITIONS` independent data sets.
    """
    assert len(p) == 2 * REPETITIONS
    assert np.mean(p[:REPETITIONS] <= 0.05) == LEVEL
    families = p.reshape(REPETITIONS, 2)
    assert np.mean([(holm(family) <= 0.05).any() for family in families]) == LEVEL


def test_randomisation_keeps_its_level() -> None:
    source = rng(1)
    p = np.concatenate(
        [
            sign_flip_rows(null_differences(100, 30, source), source, permutations=1_999)
            for _ in range(BATCHES)
        ]
    )
    assert len(p) == REPETITIONS
    assert np.mean(p <= 0.05) == LEVEL
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.03)


def test_enumerated_randomisation_keeps_its_level_also_after_holm() -> None:
    source = rng(2)
    check_levels(sign_flip_rows(null_differences(2 * REPETITIONS, 9, source), source))


def test_stratified_randomisation_keeps_its_level_also_after_holm() -> None:
    source = rng(3)
    weights = macro_weights(["a"] * 4 + ["b"] * 12 + ["c"] * 30)
    batches = [
        sign_flip_rows(null_differences(100, 46, source) * weights, source, permutations=1_999)
        for _ in range(2 * BATCHES)
    ]
    # Rows of a batch share their signs, so a family takes one row from each of two batches.
    one, other = np.concatenate(batches[::2]), np.concatenate(batches[1::2])
    check_levels(np.stack([one, other], axis=1).ravel())


def test_ranx_student_keeps_its_level_also_after_holm() -> None:
    """Normal differences, for which the test is exact."""
    zeros = np.zeros(25)
    rows = rng(4).normal(0, 0.2, (2 * REPETITIONS, 25))
    check_levels(np.array([student(row, zeros) for row in rows]))


def test_ranx_fisher_keeps_its_level_also_after_holm() -> None:
    zeros = np.zeros(20)
    rows = null_differences(2 * REPETITIONS, 20, rng(5))
    check_levels(np.array([fisher(row, zeros, permutations=299) for row in rows]))


def test_ranx_tukey_keeps_its_level() -> None:
    """Its integral takes 0.1 s, so its level comes from what it is for two groups: Student's t.

    The systems are independent here, as Tukey's test takes them to be.
    """
    first, second = rng(6).beta(2.0, 3.0, (2, REPETITIONS, 25))
    by_t = stats.ttest_ind(first, second, axis=1).pvalue
    for row in range(6):
        assert tukey([first[row], second[row]])[0, 1] == pytest.approx(by_t[row], abs=1e-6)
    assert np.mean(by_t <= 0.05) == LEVEL


def test_ranx_tukey_keeps_its_level_over_all_pairs() -> None:
    """It corrects for all pairs itself, so the chance of any rejection is what must be 5 %.

    Any pair is rejected where the largest studentised range reaches the critical value.
    """
    systems, queries = 3, 25
    values = rng(15).normal(0.4, 0.1, (REPETITIONS, systems, queries))
    means = values.mean(axis=2)
    error = np.sqrt(values.var(axis=2, ddof=1).mean(axis=1) / queries)
    largest = np.ptp(means, axis=1) / error
    critical = stats.studentized_range.ppf(0.95, systems, systems * (queries - 1))
    for at in (*np.argsort(np.abs(largest - critical))[:4], 0, 1):
        assert (tukey(values[at]).min() <= 0.05) == (largest[at] >= critical)
    assert np.mean(largest >= critical) == LEVEL


def test_families_of_independent_tests_keep_their_level_after_holm() -> None:
    source = rng(7)
    wrong = 0
    for _ in range(BATCHES):
        rows = null_differences(100 * 8, 25, source)
        p = sign_flip_rows(rows, source, permutations=4_999).reshape(100, 8)
        assert (p <= 0.05).any(axis=1).mean() > 0.2
        wrong += sum((holm(family) <= 0.05).any() for family in p)
    assert wrong / REPETITIONS == LEVEL


def test_all_pairs_of_a_leaderboard_stay_below_the_level_after_holm() -> None:
    """Pairs that share a system go together, so here Holm is on the safe side of 5 %."""
    source = rng(9)
    wrong = 0
    for _ in range(REPETITIONS):
        p = sign_flip_pairs(null_values(4, 20, source), source, permutations=1_999)
        wrong += bool((holm_pairs(p)[np.triu_indices(4, 1)] <= 0.05).any())
    assert 0.02 < wrong / REPETITIONS <= 0.06


@pytest.mark.parametrize("tasks", [None, ["a"] * 30 + ["b"] * 60 + ["c"] * 60])
def test_intervals_cover_the_true_mean(tasks: list[str] | None) -> None:
    values = rng(10).beta(0.6, 1.2, (REPETITIONS, 150))
    found = mean_intervals(values, rng(11), tasks=tasks, resamples=2_000)
    truth = 0.6 / 1.8
    covered = [one is not None and one.low <= truth <= one.high for one in found]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    missed_high = np.mean([one is not None and one.low > truth for one in found])
    assert missed_high == pytest.approx(0.025, abs=0.01)


def test_power_is_as_computed() -> None:
    """Normal differences, for which the formula is exact; randomisation is hardly weaker."""
    queries, deviation = 40, 0.2
    delta = detectable_difference(deviation / np.sqrt(queries), queries - 1)
    assert delta is not None
    source = rng(12)
    rows = source.normal(delta, deviation, (REPETITIONS, queries))
    assert np.mean(stats.ttest_1samp(rows, 0, axis=1).pvalue <= 0.05) == pytest.approx(
        0.8, abs=0.02
    )
    zeros = np.zeros(queries)
    assert np.mean([student(row, zeros) <= 0.05 for row in rows[:500]]) == pytest.approx(
        0.8, abs=0.04
    )
    p = np.concatenate(
        [sign_flip_rows(batch, source, permutations=1_999) for batch in np.split(rows, BATCHES)]
    )
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.02)


def test_power_of_the_macro_mean_is_as_computed() -> None:
    """Bounded differences in tasks of unequal size and spread."""
    sizes, spreads = (40, 60, 100), (0.1, 0.3, 0.2)
    error = np.sqrt(sum(s**2 / n for s, n in zip(spreads, sizes, strict=True))) / 3
    delta = detectable_difference(error, sum(sizes) - 3)
    assert delta is not None
    source = rng(13)
    blocks = [
        delta + spread * np.sqrt(12) * (source.random((REPETITIONS, size)) - 0.5)
        for size, spread in zip(sizes, spreads, strict=True)
    ]
    weights = macro_weights([str(task) for task, size in enumerate(sizes) for _ in range(size)])
    rows = np.concatenate(blocks, axis=1) * weights
    p = np.concatenate(
        [sign_flip_rows(batch, source, permutations=1_999) for batch in np.split(rows, BATCHES)]
    )
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.02)


def test_single_and_shared_patterns_have_the_same_level() -> None:
    """The one-pair call draws its own patterns each time."""
    source = rng(14)
    rows = null_differences(REPETITIONS, 15, source)
    zeros = np.zeros(15)
    p = [sign_flip(row, zeros, source, permutations=399) for row in rows]
    assert np.mean(np.array(p) <= 0.05) == LEVEL
