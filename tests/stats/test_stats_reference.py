"""Statistics against scipy, statsmodels and ranx on the same data."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from harness.core.errors import BadInput, UnknownName
from harness.stats.bootstrap import difference_interval, mean_interval
from harness.stats.effect import effect_size
from harness.stats.holm import holm
from harness.stats.paired import sign_flip, sign_flip_pairs
from harness.stats.power import detectable_difference, power
from harness.stats.ranx_tests import TESTS, fisher, pairwise, student, tukey

N = 20_000


def rng(seed: int = 41) -> np.random.Generator:
    """Return a fresh generator, always the same."""
    return np.random.default_rng(seed)


def two_systems(queries: int, gap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nDCG-like values of two systems that share the queries' difficulty."""
    source = rng(seed)
    difficulty = source.beta(0.6, 1.2, queries)
    noise = source.normal(0, 0.15, (2, queries))
    first, second = np.clip(difficulty + noise + [[gap], [0]], 0, 1)
    return first, second


@pytest.mark.parametrize(("queries", "gap"), [(30, 0.0), (60, 0.03), (103, 0.03), (300, 0.02)])
def test_randomisation_agrees_with_scipy_and_ranx_within_monte_carlo_error(
    queries: int, gap: float
) -> None:
    a, b = two_systems(queries, gap, queries)
    ours = sign_flip(a, b, rng(), permutations=N)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=N,
        vectorized=True,
        rng=rng(1),
        batch=2_000,
    ).pvalue
    ranx = fisher(a, b, permutations=N)
    error = np.sqrt(2 * ours * (1 - ours) / N) + 1 / N
    assert abs(ours - theirs) < 4.5 * error
    assert abs(ours - ranx) < 4.5 * error
    assert sign_flip_pairs([a, b], rng(), permutations=N)[0, 1] == pytest.approx(ours, abs=1e-12)


@pytest.mark.parametrize("queries", [4, 9, 12])
def test_enumeration_agrees_with_scipy_exactly(queries: int) -> None:
    """scipy doubles the smaller tail; for sign flips that is the two-sided enumeration."""
    a, b = two_systems(queries, 0.1, queries)
    theirs = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples"
    ).pvalue
    assert sign_flip(a, b, rng()) == pytest.approx(theirs, abs=1e-12)


def test_randomisation_nears_student_on_many_queries() -> None:
    for seed in range(4):
        a, b = two_systems(400, 0.015, seed)
        assert sign_flip(a, b, rng(), permutations=N) == pytest.approx(student(a, b), abs=0.02)


def test_student_by_ranx_is_scipys_paired_t_test() -> None:
    for seed in range(5):
        a, b = two_systems(50, 0.02, seed)
        found = stats.ttest_rel(a, b)
        assert student(a, b) == pytest.approx(found.pvalue, rel=1e-12)
        d = effect_size(a, b)
        assert d == pytest.approx(found.statistic / np.sqrt(50), rel=1e-12)


def test_tukey_by_ranx_is_scipys() -> None:
    values = np.stack([*two_systems(20, 0.3, 2), two_systems(20, 0.0, 3)[0]])
    wanted = stats.tukey_hsd(*values).pvalue
    found = tukey(values)
    above = np.triu_indices(3, 1)
    assert found[above] == pytest.approx(wanted[above], rel=1e-9)
    assert np.array_equal(found, found.T)
    assert np.array_equal(np.diag(found), np.ones(3))
    assert np.array_equal(pairwise(values, "tukey"), found)


@pytest.mark.parametrize("test", sorted(TESTS))
def test_equal_systems_and_single_queries_have_p_one(test: str) -> None:
    values = two_systems(12, 0.0, 5)[0]
    assert pairwise([values, values], test, permutations=20)[0, 1] == pytest.approx(1.0)
    assert (pairwise(np.full((3, 6), 0.25), test, permutations=20) == 1.0).all()
    assert (pairwise([[0.1], [0.9]], test, permutations=20) == 1.0).all()


def test_constant_systems_that_differ_are_told_apart_by_tukey() -> None:
    assert tukey([[0.1] * 5, [0.2] * 5, [0.1] * 5]).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_pairwise_names_its_tests() -> None:
    a, b = two_systems(15, 0.1, 6)
    values = np.stack([a, b, a[::-1]])
    p = pairwise(values, "student")
    assert p[2, 1] == p[1, 2] == student(a[::-1], b)
    assert pairwise(values, "fisher", permutations=3_000)[0, 1] == pytest.approx(
        sign_flip(a, b, rng()), abs=0.05
    )
    with pytest.raises(UnknownName, match="unknown test 'studnet'"):
        pairwise(values, "studnet")
    for bad in ("student", "fisher", "tukey"):
        with pytest.raises(BadInput, match="holds nan"):
            pairwise([[0.1, np.nan], [0.1, 0.2]], bad)


def test_ranx_is_imported_only_when_a_test_needs_it() -> None:
    code = (
        "import sys\nfrom harness.stats import paired, ranks, ranx_tests, power, stratified\n"
        "print({'ranx', 'numba', 'scipy', 'pandas'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_holm_agrees_with_statsmodels() -> None:
    for seed, size in enumerate((1, 2, 7, 45, 435)):
        p = rng(seed).beta(0.3, 2, size).round(3)
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)


@pytest.mark.parametrize("shape", [(0.5, 1.0), (5.0, 5.0), (0.2, 3.0)])
def test_intervals_agree_with_scipys_bca(shape: tuple[float, float]) -> None:
    values = rng().beta(*shape, 80)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=N, method="BCa", rng=rng(3)
    ).confidence_interval
    ours = mean_interval(values, rng(), resamples=N)
    assert ours is not None
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_macro_mean_intervals_agree_with_scipys_bca() -> None:
    groups = [rng(seed).beta(0.4, 1.5, size) for seed, size in ((1, 12), (2, 40), (3, 90))]
    theirs = stats.bootstrap(
        groups,
        lambda x, y, z, axis=-1: (x.mean(axis) + y.mean(axis) + z.mean(axis)) / 3,
        n_resamples=N,
        method="BCa",
        rng=rng(3),
    ).confidence_interval
    tasks = ["a"] * 12 + ["b"] * 40 + ["c"] * 90
    mixed = rng(8).permutation(142)
    values = np.concatenate(groups)[mixed]
    zeros = np.zeros(142)
    ours = difference_interval(values, zeros, rng(), tasks=[tasks[at] for at in mixed], resamples=N)
    assert ours is not None
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_power_agrees_with_statsmodels() -> None:
    reference = TTestPower()
    for queries in (5, 40, 1_384):
        for effect in (0.05, 0.2, 0.6):
            wanted = reference.power(effect, queries, 0.05)
            found = power(effect, 1 / np.sqrt(queries), queries - 1)
            assert found == pytest.approx(wanted, abs=1e-9)
        solved = reference.solve_power(nobs=queries, alpha=0.05, power=0.8)
        delta = detectable_difference(1 / np.sqrt(queries), queries - 1)
        assert delta == pytest.approx(float(np.squeeze(solved)), rel=1e-4)
