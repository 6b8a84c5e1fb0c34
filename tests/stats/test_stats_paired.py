"""The randomisation test: exact values, ties, edge cases, one engine for rows and pairs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.stats import paired
from harness.stats.paired import sign_flip, sign_flip_pairs, sign_flip_rows, sign_patterns
from harness.stats.stratified import macro_mean, stratified_sign_flip, stratified_sign_flip_pairs


def rng() -> np.random.Generator:
    """Return a fresh generator, always the same."""
    return np.random.default_rng(17)


def enumerated(differences: Sequence[Fraction]) -> Fraction:
    """Return the exact p over all sign patterns, in rational numbers."""
    observed = abs(sum(differences))
    sums = [
        sum(sign * gap for sign, gap in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return Fraction(sum(abs(found) >= observed for found in sums), len(sums))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=8),
    st.sampled_from([1, 10, 3, 7]),
)
def test_few_queries_are_enumerated_exactly(pairs: list[tuple[int, int]], unit: int) -> None:
    """Tenths and thirds have no exact float, and their sums tie all the time."""
    wanted = float(enumerated([Fraction(one - two, unit) for one, two in pairs]))
    first, second = ([side / unit for side in values] for values in zip(*pairs, strict=True))
    assert sign_flip(first, second, rng()) == pytest.approx(wanted, abs=1e-12)
    assert sign_flip_pairs([first, second], rng())[0, 1] == pytest.approx(wanted, abs=1e-12)


def test_stratified_enumeration_weights_tasks_equally() -> None:
    """Two tasks of 2 and 5 queries: a difference in the small one counts 2.5 times."""
    tasks = ["b", "a", "a", "b", "a", "a", "a"]
    gaps = [3, -1, -1, -2, 0, 1, 4]
    size = {"a": 5, "b": 2}
    weighted = [Fraction(gap, size[task]) for gap, task in zip(gaps, tasks, strict=True)]
    wanted = float(enumerated(weighted))
    assert wanted != float(enumerated([Fraction(gap) for gap in gaps]))
    zeros = [0.0] * 7
    assert stratified_sign_flip(gaps, zeros, tasks, rng()) == pytest.approx(wanted, abs=1e-12)
    pairs = stratified_sign_flip_pairs([gaps, zeros], tasks, rng())
    assert pairs[0, 1] == pytest.approx(wanted, abs=1e-12)
    assert macro_mean([gaps], tasks)[0] == pytest.approx((3 / 5 + 1 / 2) / 2)


def test_sampled_p_counts_what_reaches_the_observed_value_and_one_more() -> None:
    gaps = rng().normal(0.1, 1, 40)
    signs = np.concatenate(list(sign_patterns(40, 999, rng())))
    assert signs.shape == (999, 40)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    reached = sum(abs(sum(row * gaps)) >= abs(sum(gaps)) for row in signs)
    p = sign_flip(gaps, np.zeros(40), rng(), permutations=999)
    assert p == pytest.approx((reached + 1) / 1000, abs=1e-12)


def test_signs_are_fair_and_independent() -> None:
    signs = np.concatenate(list(sign_patterns(70, 40_000, rng())))
    assert np.abs(signs.mean(axis=0)).max() < 5 / np.sqrt(40_000)
    together = signs.T @ signs / 40_000 - np.eye(70)
    assert np.abs(together).max() < 5.5 / np.sqrt(40_000)


def test_pairs_and_rows_are_the_same_test() -> None:
    values = rng().random((7, 50))
    pairs = sign_flip_pairs(values, rng(), permutations=2_000)
    assert np.array_equal(pairs, pairs.T)
    assert np.array_equal(np.diag(pairs), np.ones(7))
    both = list(combinations(range(7), 2))
    rows = sign_flip_rows(
        [values[one] - values[two] for one, two in both], rng(), permutations=2_000
    )
    assert [pairs[pair] for pair in both] == pytest.approx(rows.tolist(), abs=1e-12)


def test_float_noise_does_not_break_ties() -> None:
    """Precision at 10 comes in tenths; counted as whole numbers, ties are certain."""
    tenths = rng().integers(0, 11, (5, 60))
    whole = sign_flip_pairs(tenths.astype(float), rng(), permutations=3_000)
    noisy = sign_flip_pairs(tenths / 10, rng(), permutations=3_000)
    assert np.array_equal(whole, noisy)
    rows = np.array([tenths[one] / 10 - tenths[two] / 10 for one, two in combinations(range(5), 2)])
    found = sign_flip_rows(rows, rng(), permutations=3_000)
    assert np.array_equal(found, whole[np.triu_indices(5, 1)])


def test_nearly_equal_systems_are_enumerated_among_unequal_ones() -> None:
    """Two systems that differ on three queries of 500 have eight sign patterns, not 10,000."""
    values = rng().random((3, 500))
    values[1] = values[0]
    values[1, :3] += 0.1
    pairs = sign_flip_pairs(values, rng())
    assert pairs[0, 1] == 0.25
    assert sign_flip(values[0], values[1], rng()) == 0.25


@pytest.mark.parametrize("queries", [1, 2, 13, 14, 500])
def test_equal_systems_have_p_one(queries: int) -> None:
    values = rng().random(queries)
    assert sign_flip(values, values, rng()) == 1.0
    assert (sign_flip_pairs([values, values, values], rng()) == 1.0).all()


def test_one_query_tells_nothing() -> None:
    assert sign_flip([1.0], [0.0], rng()) == 1.0
    assert sign_flip_pairs([[1.0], [0.0], [0.5]], rng()).tolist() == [[1.0] * 3] * 3


def test_a_clear_difference_has_the_least_p_and_never_zero() -> None:
    assert sign_flip(np.ones(60), np.zeros(60), rng(), permutations=999) == 1 / 1000
    assert sign_flip(np.ones(6), np.zeros(6), rng()) == 2 / 64


@pytest.mark.parametrize(("permutations", "exact"), [(255, False), (256, True), (10_000, True)])
def test_enumeration_starts_where_it_costs_no_more(permutations: int, exact: bool) -> None:
    gaps = np.array([-1, -2, 3, 4, 5, -6, 7, 8])
    wanted = float(enumerated([Fraction(int(gap)) for gap in gaps]))
    p = sign_flip(gaps, np.zeros(8), rng(), permutations=permutations)
    assert (p == wanted) is exact


def test_enumeration_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "_ENUMERATED", 64)
    sampled = sign_flip(np.ones(8), np.zeros(8), rng())
    assert sampled == pytest.approx(2 / 256, abs=0.005)
    assert sampled != 2 / 256
    assert sign_flip(np.ones(6), np.zeros(6), rng()) == 2 / 64


@pytest.mark.parametrize("cells", [1, 100, 5_000])
def test_block_size_changes_nothing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = rng().random((4, 65))
    wanted = sign_flip_pairs(values, rng(), permutations=777)
    monkeypatch.setattr(paired, "CHUNK_CELLS", cells)
    assert np.array_equal(sign_flip_pairs(values, rng(), permutations=777), wanted)
    assert max(len(block) for block in sign_patterns(65, 777, rng())) == max(1, cells // 65)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(BadInput, match=f"holds {bad} for query number 1"):
        sign_flip([0.5, bad], [0.5, 0.5], rng())
    with pytest.raises(BadInput, match="row 1 holds"):
        sign_flip_pairs([[0.5, 0.5], [0.5, bad]], rng())
    with pytest.raises(BadInput, match="row 0 holds"):
        sign_flip_rows([[0.5, bad]], rng())


@pytest.mark.parametrize(
    ("first", "second"), [([1.0], [1.0, 2.0]), ([], []), ([[1.0]], [[1.0]]), (1.0, 2.0)]
)
def test_values_that_do_not_pair_are_refused(first: object, second: object) -> None:
    with pytest.raises(BadInput, match=r"shape"):
        sign_flip(first, second, rng())  # type: ignore[arg-type]


def test_no_permutations_are_refused() -> None:
    for call in (sign_flip_rows, sign_flip_pairs):
        with pytest.raises(BadInput, match="permutations is 0"):
            call([[1.0, 2.0]], rng(), permutations=0)


def test_tasks_must_go_with_queries() -> None:
    with pytest.raises(BadInput, match="3 queries but 2 names"):
        stratified_sign_flip_pairs(np.ones((2, 3)), ["a", "b"], rng())
