"""The table of an ablation: means over seeds, and tested differences, from values by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.ablation.spec import AblationSpec
from harness.ablation.values import MeasuredValues
from harness.compare.differences import ComparisonSettings, Difference, correct, row_means
from harness.stats.bootstrap import Interval
from harness.stats.conventions import PERMUTATIONS
from harness.stats.crossed import (
    CrossedTest,
    MeanSquare,
    crossed_test,
    crossed_variance,
    pooled_seeds,
)
from harness.stats.effect import win_tie_loss
from harness.stats.power import detectable_difference

SETTINGS = ComparisonSettings(permutations=4 * PERMUTATIONS)
"""Level, limit, power and random seed are compare's; there are few tests, so more permutations."""

OVERALL = ""
"""Stands for all tasks together in place of a task's name."""


@dataclass(frozen=True, slots=True)
class SideMean:
    """One side on one task (or all: macro-mean): mean over seeds, standard deviation, each seed.

    `deviation` has n - 1 below and is `None` for a single seed and for the reference. `seeds` are
    empty if every run failed, and `mean` is then `None`.
    """

    side: str
    task: str
    mean: float | None
    deviation: float | None
    seeds: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class SeededDifference:
    """A difference over queries and training seeds, on one task or on all.

    `difference` is compare's: `a` less `b`, its p the largest of the three of `test`, corrected
    over all tests of the table, and `detectable` at the level of Holm's first step. `by_seed` holds
    each seed's mean difference; queries are won, tied and lost by the average over seeds.
    """

    difference: Difference
    task: str
    by_seed: Mapping[int, float]
    test: CrossedTest

    @property
    def separable(self) -> bool:
        """Return whether the difference stands after correction."""
        p = self.difference.p_corrected
        return p is not None and p <= SETTINGS.alpha


@dataclass(frozen=True, slots=True)
class BinDifference:
    """`a` less `b` over the queries of one bin of reasoning intensity; not tested."""

    a: str
    b: str
    bin: str
    queries: int
    delta: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class AblationTable:
    """Means and differences, pair by pair, tasks before the macro-mean.

    `tests` counts the p-values that were corrected together, `skipped` the pairs that failed runs
    left nothing of.
    """

    means: tuple[SideMean, ...]
    differences: tuple[SeededDifference, ...]
    bins: tuple[BinDifference, ...]
    tests: int
    skipped: tuple[tuple[str, str], ...] = ()

    def headline(self, spec: AblationSpec) -> tuple[SeededDifference, ...]:
        """Return the differences over all tasks, one per pair; on each task if there are folds."""
        wanted = OVERALL if len(spec.tasks) > 1 and not spec.folds.count else None
        return tuple(each for each in self.differences if wanted is None or each.task == wanted)


def scopes(spec: AblationSpec, values: MeasuredValues) -> tuple[str, ...]:
    """Return the tasks and, if there are several, all together.

    Queries held out by fold are measured twice, with and without their source as gold, so there is
    no mean over tasks then.
    """
    tasks = tuple(dict.fromkeys(values.columns.tasks))
    return (*tasks, OVERALL) if len(tasks) > 1 and not spec.folds.count else tasks


def make_table(
    spec: AblationSpec, values: MeasuredValues, bins: Mapping[str, Sequence[int]]
) -> AblationTable:
    """Return the table; `bins` maps a bin of reasoning intensity to its columns."""
    differences: list[SeededDifference] = []
    skipped: list[tuple[str, str]] = []
    by_bin: list[BinDifference] = []
    for one, other in spec.pairs:
        pair = _Pair(one, other, values.shared_seeds(one, other, spec), values)
        if not pair.seeds:
            skipped.append((one, other))
            continue
        differences += [pair.difference(scope) for scope in scopes(spec, values)]
        by_bin += [pair.bin_difference(name, columns) for name, columns in bins.items()]
    return AblationTable(
        means=_means(spec, values),
        differences=_corrected(differences),
        bins=tuple(by_bin),
        tests=len(differences),
        skipped=tuple(skipped),
    )


def _corrected(found: Sequence[SeededDifference]) -> tuple[SeededDifference, ...]:
    """Return the differences with corrected p, and what is detectable at Holm's first step."""
    if not found:
        return ()
    (tested,) = correct([[each.difference for each in found]], SETTINGS)
    return tuple(
        replace(each, difference=replace(difference, detectable=_detectable(each, len(found))))
        for each, difference in zip(found, tested, strict=True)
    )


def _detectable(each: SeededDifference, tests: int) -> float | None:
    """Return the smallest true difference that is seen though Holm divides the level by `tests`."""
    error, degrees = each.test.crossed.error, each.test.crossed.degrees
    if error is None or degrees is None:
        return None
    return detectable_difference(
        error, degrees, alpha=SETTINGS.alpha / tests, target=SETTINGS.power
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two sides over the seeds that both have."""

    one: str
    other: str
    seeds: tuple[int, ...]
    values: MeasuredValues

    def difference(self, scope: str) -> SeededDifference:
        """Return the tested difference on one task or on all, not yet corrected."""
        rows = [self.values.rows(side, self.seeds, scope) for side in (self.one, self.other)]
        tasks = self.values.columns.tasks if scope == OVERALL else None
        gaps = rows[0] - rows[1]
        test = crossed_test(
            gaps,
            SETTINGS.rng(f"{self.one} − {self.other} on {scope}"),
            tasks=tasks,
            pooled=self._pooled(scope),
            level=SETTINGS.level,
            target=SETTINGS.power,
            permutations=SETTINGS.permutations,
        )
        averaged = gaps.mean(axis=0)
        means = [float(np.mean(row_means(each, tasks))) for each in rows]
        return SeededDifference(
            difference=Difference(
                a=self.one,
                b=self.other,
                queries=gaps.shape[1],
                mean_a=means[0],
                mean_b=means[1],
                delta=test.crossed.mean,
                interval=test.interval,
                counts=win_tie_loss(averaged, np.zeros_like(averaged)),
                effect=None,
                detectable=test.detectable,
                p=test.p,
            ),
            task=scope,
            by_seed=dict(zip(self.seeds, row_means(gaps, tasks), strict=True)),
            test=test,
        )

    def bin_difference(self, name: str, columns: Sequence[int]) -> BinDifference:
        """Return the difference over one bin with the crossed model's interval."""
        from scipy.stats import t

        one, other = (self.values.rows(side, self.seeds, OVERALL) for side in self._sides)
        gaps = (one - other)[:, list(columns)]
        variance = crossed_variance(gaps)
        interval = None
        if variance.error is not None and variance.degrees is not None:
            reach = float(t.ppf((1 + SETTINGS.level) / 2, variance.degrees)) * variance.error
            interval = Interval(variance.mean - reach, variance.mean + reach, SETTINGS.level)
        return BinDifference(self.one, self.other, name, len(columns), variance.mean, interval)

    @property
    def _sides(self) -> tuple[str, str]:
        return self.one, self.other

    def _pooled(self, scope: str) -> MeanSquare | None:
        """Return the variance between seeds of this difference, pooled over all variants."""
        complete = [
            self.values.rows(name, self.seeds, scope)
            for name, by_seed in self.values.variants.items()
            if by_seed.keys() >= set(self.seeds)
        ]
        tasks = self.values.columns.tasks if scope == OVERALL else None
        parts = pooled_seeds(np.array([row_means(rows, tasks) for rows in complete]))
        if parts is None:
            return None
        both_trained = all(side in self.values.variants for side in self._sides)
        return parts[0] if both_trained else parts[1]


def _means(spec: AblationSpec, values: MeasuredValues) -> tuple[SideMean, ...]:
    """Return every side's means on every task and on all."""
    means = []
    for scope in scopes(spec, values):
        tasks = values.columns.tasks if scope == OVERALL else None
        if values.reference is not None:
            title = spec.reference.title
            (mean,) = row_means(values.rows(title, (0,), scope), tasks)
            means.append(SideMean(title, scope, mean, None, {}))
        for name, by_seed in values.variants.items():
            means.append(_side_mean(name, sorted(by_seed), values, scope))
    return tuple(means)


def _side_mean(name: str, seeds: Sequence[int], values: MeasuredValues, scope: str) -> SideMean:
    """Return one variant's mean over its seeds."""
    if not seeds:
        return SideMean(name, scope, None, None, {})
    tasks = values.columns.tasks if scope == OVERALL else None
    numbers = row_means(values.rows(name, seeds, scope), tasks)
    return SideMean(
        side=name,
        task=scope,
        mean=float(np.mean(numbers)),
        deviation=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        seeds=dict(zip(seeds, numbers, strict=True)),
    )
