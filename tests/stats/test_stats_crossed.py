"""Differences over seeds and queries: against statsmodels, loops, scipy, and simulated data."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from harness.core.errors import BadInput
from harness.stats.crossed import MeanSquare, crossed_test, crossed_variance, pooled_seeds
from harness.stats.holm import holm
from harness.stats.samples import macro_weights

RNG = np.random.default_rng


def layout(rng, seeds, queries, *, of_seeds=0.0, of_queries=1.0, rest=1.0, mean=0.0):
    """Return differences `[seeds, queries]` with these standard deviations of the three parts."""
    return (
        mean
        + of_seeds * rng.normal(size=(seeds, 1))
        + of_queries * rng.normal(size=(1, queries))
        + rest * rng.normal(size=(seeds, queries))
    )


def test_equals_the_mixed_model_of_statsmodels():
    import pandas as pd
    import statsmodels.formula.api as smf

    gaps = layout(RNG(5), 4, 15, of_seeds=1.0, mean=0.7)
    rows, columns = np.indices(gaps.shape)
    data = pd.DataFrame({"y": gaps.ravel(), "s": rows.ravel(), "q": columns.ravel(), "all": 1})
    parts = {"s": "0 + C(s)", "q": "0 + C(q)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("y ~ 1", data, groups="all", vc_formula=parts, re_formula="0")
        fit = model.fit(reml=True)
    found = crossed_variance(gaps)
    assert found.seeds > 0
    assert found.queries > 0  # where nothing is cut off, mean squares are the REML estimates
    assert found.mean == pytest.approx(fit.fe_params["Intercept"])
    assert found.error == pytest.approx(fit.bse_fe["Intercept"], rel=2e-3)


def by_loops(gaps, tasks):
    """Return (mean, error, degrees) with every sum written out."""
    seeds = len(gaps)
    names = sorted(set(tasks))
    per_seed = []
    query_parts, rest_parts = [], []
    for s in range(seeds):
        means = [np.mean([gaps[s][q] for q in range(len(tasks)) if tasks[q] == t]) for t in names]
        per_seed.append(sum(means) / len(names))
    for t in names:
        own = [q for q in range(len(tasks)) if tasks[q] == t]
        whole = sum(gaps[s][q] for s in range(seeds) for q in own) / (seeds * len(own))
        by_query = {q: sum(gaps[s][q] for s in range(seeds)) / seeds for q in own}
        by_seed = [sum(gaps[s][q] for q in own) / len(own) for s in range(seeds)]
        spread = sum((by_query[q] - whole) ** 2 for q in own) / (len(own) - 1) / len(own)
        query_parts.append((spread / len(names) ** 2, len(own) - 1))
        rest = sum(
            (gaps[s][q] - by_query[q] - by_seed[s] + whole) ** 2 for s in range(seeds) for q in own
        ) / ((seeds - 1) * (len(own) - 1))
        rest_parts.append(
            (rest / (seeds * len(own)) / len(names) ** 2, (seeds - 1) * (len(own) - 1))
        )
    mean = sum(per_seed) / seeds
    seed_part = sum((each - mean) ** 2 for each in per_seed) / (seeds - 1) / seeds
    queries, rest = sum(v for v, _ in query_parts), sum(v for v, _ in rest_parts)
    degrees_q = queries**2 / sum(v**2 / d for v, d in query_parts)
    degrees_e = rest**2 / sum(v**2 / d for v, d in rest_parts)
    if seed_part > rest and queries > rest:
        total = seed_part + queries - rest
        square = seed_part**2 / (seeds - 1) + queries**2 / degrees_q + rest**2 / degrees_e
        return mean, total**0.5, max(1.0, total**2 / square)
    if seed_part > rest:
        return mean, seed_part**0.5, seeds - 1
    return (mean, queries**0.5, degrees_q) if queries > rest else (mean, rest**0.5, degrees_e)


@pytest.mark.parametrize("of_seeds", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("of_queries", [0.0, 1.0])
@pytest.mark.parametrize("tasks", [["a"] * 12, ["a"] * 3 + ["b"] * 9, ["b", "a", "c"] * 4])
def test_equals_loops(of_seeds, of_queries, tasks):
    for seed in range(4):
        gaps = layout(RNG(seed), 3, 12, of_seeds=of_seeds, of_queries=of_queries, mean=0.3)
        found = crossed_variance(gaps, tasks)
        wanted = by_loops(gaps.tolist(), tasks)
        assert (found.mean, found.error, found.degrees) == pytest.approx(wanted)


def test_one_task_is_the_same_with_and_without_its_name():
    gaps = layout(RNG(1), 3, 20)
    one, other = crossed_variance(gaps), crossed_variance(gaps, ["only"] * 20)
    assert asdict(one) == pytest.approx(asdict(other))


def test_one_seed_is_the_paired_t_test():
    gaps = layout(RNG(2), 1, 30, mean=0.4)
    found = crossed_test(gaps, RNG(0))
    wanted = stats.ttest_1samp(gaps[0], 0.0)
    assert found.p_mixed == pytest.approx(wanted.pvalue)
    low, high = wanted.confidence_interval()
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert found.crossed.degrees == 29
    assert found.crossed.seeds is None


def test_seeds_that_differ_much_leave_their_few_degrees_of_freedom():
    gaps = layout(RNG(3), 3, 400, of_seeds=30.0, mean=1.0)
    found = crossed_test(gaps, RNG(0))
    assert found.crossed.degrees == pytest.approx(2, rel=0.02)
    wanted = stats.ttest_1samp(gaps.mean(axis=1), 0.0)
    assert found.p_mixed == pytest.approx(wanted.pvalue, rel=0.05)


def test_the_larger_p_counts():
    gaps = layout(RNG(4), 3, 200, of_seeds=0.5, mean=0.4)
    found = crossed_test(gaps, RNG(0))
    assert found.p_queries < found.p_mixed
    assert found.p == max(found.p_mixed, found.p_seeds)
    few = np.array([[0.0] * 17 + [1.0, 0.9, 0.8]] * 3)
    found = crossed_test(few, RNG(0))
    assert found.p_queries == 0.25
    assert found.p_seeds < found.p_queries
    assert found.p == max(found.p_queries, found.p_mixed)


def test_no_difference_at_all():
    found = crossed_test(np.zeros((3, 10)), RNG(0))
    assert (found.p_mixed, found.p_queries, found.p) == (1.0, 1.0, 1.0)
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)
    assert found.detectable == 0.0


def test_the_same_difference_everywhere():
    found = crossed_test(np.full((3, 10), 0.25), RNG(0))
    assert found.p_mixed == 0.0
    assert found.p == found.p_queries == pytest.approx(2 / 2**10)


def test_a_single_query_tells_nothing_of_queries():
    found = crossed_test(np.array([[0.1], [0.2]]), RNG(0))
    assert found.crossed.error is None
    assert found.interval is None
    assert found.p == 1.0


def test_what_is_refused():
    with pytest.raises(BadInput, match=r"holds nan"):
        crossed_test(np.array([[0.1, np.nan]]), RNG(0))
    with pytest.raises(BadInput, match="names of tasks"):
        crossed_variance(np.zeros((2, 3)), ["a"])
    with pytest.raises(BadInput, match="confidence level"):
        crossed_test(np.zeros((2, 3)), RNG(0), level=1.0)


def test_pooled_seeds_are_the_residual_of_a_two_way_analysis_of_variance():
    import pandas as pd
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    means = RNG(6).normal(size=(4, 3)) + RNG(7).normal(size=(1, 3))
    rows, columns = np.indices(means.shape)
    data = pd.DataFrame({"y": means.ravel(), "v": rows.ravel(), "s": columns.ravel()})
    anova = anova_lm(smf.ols("y ~ C(v) + C(s)", data).fit())
    between, single = pooled_seeds(means)
    square, degrees = anova.loc["Residual", "mean_sq"], anova.loc["Residual", "df"]
    assert between.value == pytest.approx(2 * square / 3)
    assert between.degrees == degrees == 6
    by_seed = anova.loc["C(s)", "mean_sq"]
    assert single.value == pytest.approx(((by_seed - square) / 4 + square) / 3)
    assert 2 <= single.degrees <= 8
    assert pooled_seeds(means[:1]) is None
    assert pooled_seeds(means[:, :1]) is None


def test_a_pooled_part_stands_in_place_of_the_differences_own():
    gaps = layout(RNG(11), 3, 40, of_seeds=0.3, mean=0.5)
    own = crossed_variance(gaps)
    part = MeanSquare(value=0.25, degrees=8.0)
    found = crossed_variance(gaps, pooled=part)
    queries, rest = own.queries + own.rest, own.rest
    total = 0.25 + queries - rest
    assert found.error == pytest.approx(total**0.5)
    square = 0.25**2 / 8 + queries**2 / 39 + rest**2 / 78
    assert found.degrees == pytest.approx(total**2 / square)
    tested = crossed_test(gaps, RNG(0), pooled=part)
    assert tested.crossed == found
    assert tested.p_seeds == pytest.approx(2 * stats.t.sf(found.mean / 0.5, 8))


def test_two_variants_pool_nothing_but_themselves():
    means = RNG(6).normal(size=(2, 3))
    between, _ = pooled_seeds(means)
    gaps = means[1] - means[0]
    assert between.value == pytest.approx(gaps.var(ddof=1) / 3)
    assert between.degrees == 2


def false_positives(
    of_seeds: float, sides: int, *, runs: int = 700, queries: int = 60
) -> tuple[float, float]:
    """Return how often a comparison, and after Holm any at all, is found where nothing is."""
    rng = RNG(7)
    own, family = 0, 0
    for _ in range(runs):
        rows = [
            layout(rng, 3, queries, of_seeds=of_seeds / 2**0.5, of_queries=0.5, rest=0.7)
            for _ in range(sides)
        ]
        parts = pooled_seeds(np.stack([each.mean(axis=1) for each in rows]))
        tests = [
            crossed_test(each - rows[0], rng, pooled=parts[0], permutations=499)
            for each in rows[1:]
        ]
        p = [each.p for each in tests]
        own += p[0] <= 0.05
        family += bool((holm(p) <= 0.05).any())
    return own / runs, family / runs


@pytest.mark.parametrize("sides", [2, 4])
@pytest.mark.parametrize("of_seeds", [0.0, 0.25, 1.5])
def test_null_data_give_no_more_false_positives_than_meant(of_seeds, sides):
    own, family = false_positives(of_seeds, sides)
    # Three standard errors of 700 runs above 5 %; below, the largest of three p may be careful.
    assert 0.005 <= own <= 0.075
    assert family <= 0.075


def test_seeds_are_not_taken_for_granted():
    """Signs flipped by query alone would call a third of the null comparisons real here."""
    rng = RNG(8)
    tests = [
        crossed_test(layout(rng, 3, 60, of_seeds=0.4), rng, permutations=499) for _ in range(400)
    ]
    assert np.mean([each.p_queries <= 0.05 for each in tests]) > 0.15
    assert np.mean([each.p <= 0.05 for each in tests]) < 0.1


def test_the_detectable_difference_is_seen_in_four_of_five_cases():
    rng = RNG(9)
    known = np.median(
        [crossed_test(layout(rng, 3, 80), rng, permutations=99).detectable for _ in range(50)]
    )
    seen = [
        crossed_test(layout(rng, 3, 80, mean=known), rng, permutations=999).p_mixed <= 0.05
        for _ in range(500)
    ]
    assert 0.74 <= np.mean(seen) <= 0.86


def test_macro_means_weigh_tasks_alike():
    gaps = layout(RNG(10), 3, 12)
    tasks = ["a"] * 2 + ["b"] * 10
    found = crossed_variance(gaps, tasks)
    assert found.mean == pytest.approx(float((gaps @ macro_weights(tasks)).mean()))
