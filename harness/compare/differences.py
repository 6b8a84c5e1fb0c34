"""Tested differences of systems over the same queries: size, interval, p, and what they show.

Values are `[systems, queries]`, fractions of 1. With several tasks a mean is the macro-mean over
tasks, and tests, intervals and detectable differences are stratified by task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from numpy.random import Generator

from harness.core.errors import BadInput, UnknownName
from harness.render.numbers import MINUS, p_value, percent, points, signed, signed_interval
from harness.stats.bootstrap import Interval, mean_intervals
from harness.stats.conventions import (
    ALPHA,
    LEVEL,
    POWER,
    RESAMPLES,
    SEED,
    permutations_for,
    scope_rng,
)
from harness.stats.effect import WinTieLoss, effect_size, win_tie_loss
from harness.stats.holm import holm
from harness.stats.paired import sign_flip_pairs
from harness.stats.power import detectable_difference, difference_error
from harness.stats.ranx_tests import pairwise
from harness.stats.samples import Values, macro_weights
from harness.stats.stratified import macro_mean, stratified_sign_flip_pairs
from results.schema import Entry

TESTS = ("permutation", "student", "fisher", "tukey")
DRAWN_TESTS = ("permutation", "fisher")
"""Tests that draw random permutations."""
MOST_PERMUTATIONS = 100_000_000
"""More would take days and change no digit that is shown."""

Pairs: TypeAlias = Literal["all", "first"]


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How a comparison is computed.

    `permutations` of 0: 10,000, or more if there are many tests. `pairs`: every pair of systems,
    or each against the first. `level` is that of intervals, `alpha` and `power` those of the
    smallest detectable difference. `changes` queries are shown for gains and for losses. Raises
    `UnknownName` for a test, `BadInput` for a negative count.
    """

    test: str = "permutation"
    permutations: int = 0
    seed: int = SEED
    pairs: Pairs = "all"
    resamples: int = RESAMPLES
    level: float = LEVEL
    alpha: float = ALPHA
    power: float = POWER
    changes: int = 5

    def __post_init__(self) -> None:
        """Check names and counts."""
        if self.test not in TESTS:
            raise UnknownName("test", self.test, TESTS, listing=f"Tests are {', '.join(TESTS)}.")
        for name, count in (
            ("permutations", self.permutations), ("seed", self.seed), ("changes", self.changes)
        ):  # fmt: skip
            if count < 0:
                raise BadInput(f"{name} is {count}", fix="Give a number from 0.")
        if self.permutations > MOST_PERMUTATIONS:
            raise BadInput(
                f"permutations is {self.permutations}",
                fix=f"Give at most {MOST_PERMUTATIONS:,}: p is then as fine as 1e-8.",
            )

    def rng(self, scope: str) -> Generator:
        """Return the generator of one scope: naming another task changes no number of this one."""
        return scope_rng(self.seed, scope)

    def permutations_for(self, tests: int) -> int:
        """Return the number of permutations asked for, or one that suits so many tests."""
        return self.permutations or permutations_for(tests)


@dataclass(frozen=True, slots=True)
class QueryColumns:
    """The queries that the columns of values stand for: task and id of each, in order."""

    tasks: tuple[str, ...]
    queries: tuple[str, ...]

    def of(self, task: str) -> list[int]:
        """Return the columns of one task."""
        return [at for at, name in enumerate(self.tasks) if name == task]


@dataclass(frozen=True, slots=True)
class SystemMean:
    """A system's mean with its interval; `task` is empty for the mean over tasks."""

    system: str
    task: str
    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Difference:
    """`a` less `b` over `queries` queries, fractions of 1; positive if `a` is better.

    `p_corrected` is corrected over all tests of the comparison. `effect` is Cohen's d of the
    per-query differences, `detectable` the smallest true difference that the test would have
    seen with the asked power. `None` stands for what cannot be computed from so few queries, and
    for p if nothing is tested.
    """

    a: str
    b: str
    queries: int
    mean_a: float
    mean_b: float
    delta: float
    interval: Interval | None
    counts: WinTieLoss
    effect: float | None
    detectable: float | None
    p: float | None = None
    p_corrected: float | None = None


def compared_pairs(systems: int, settings: ComparisonSettings) -> tuple[tuple[int, int], ...]:
    """Return the rows of each pair that is compared."""
    pairs = combinations(range(systems), 2)
    return tuple(pair for pair in pairs if settings.pairs == "all" or pair[0] == 0)


def row_means(rows: Values, tasks: Sequence[str] | None = None) -> tuple[float, ...]:
    """Return each row's mean over queries, or its macro-mean over `tasks`; exactly summed."""
    weights = np.full(rows.shape[1], 1.0) if tasks is None else macro_weights(tasks)
    scale = rows.shape[1] if tasks is None else 1
    return tuple(math.fsum(row * weights) / scale for row in rows)


def head_metric(entries: Iterable[Entry], fix: str) -> str:
    """Return the metric that heads the tasks of all entries; raises `BadInput` for several."""
    metrics = dict.fromkeys(entry.task.head_metric for entry in entries)
    if len(metrics) > 1:
        raise BadInput(
            f"these tasks are headed by different metrics: {', '.join(metrics)}", fix=fix
        )
    return next(iter(metrics))


def untested_differences(
    rows: Values,
    labels: Sequence[str],
    settings: ComparisonSettings,
    scope: str,
    tasks: Sequence[str] | None = None,
) -> tuple[Difference, ...]:
    """Return the difference of each pair of systems, without p-values.

    `rows` are `[systems, queries]`; with `tasks` (the task of each query) means are macro-means,
    and intervals and detectable differences are stratified by task.
    """
    pairs = compared_pairs(len(labels), settings)
    if not pairs:
        return ()
    gaps = np.stack([rows[one] - rows[other] for one, other in pairs])
    intervals = mean_intervals(
        gaps, settings.rng(scope), tasks=tasks, resamples=settings.resamples, level=settings.level
    )
    means = row_means(rows, tasks)
    return tuple(
        Difference(
            a=labels[one],
            b=labels[other],
            queries=rows.shape[1],
            mean_a=means[one],
            mean_b=means[other],
            delta=means[one] - means[other],
            interval=interval,
            counts=win_tie_loss(rows[one], rows[other]),
            effect=_effect(rows[one], rows[other], tasks),
            detectable=_detectable(rows[one], rows[other], tasks, settings),
        )
        for (one, other), interval in zip(pairs, intervals, strict=True)
    )


def task_differences(
    rows: Values, labels: Sequence[str], settings: ComparisonSettings, count: int, task: str
) -> tuple[Difference, ...]:
    """Return the tested differences on one task; `count` is the number of permutations."""
    if len(labels) < 2:
        return ()
    differences = untested_differences(rows, labels, settings, task)
    p = _task_p(rows, settings, count, task)
    return tuple(replace(each, p=value) for each, value in zip(differences, p, strict=True))


def macro_differences(
    rows: Values,
    labels: Sequence[str],
    settings: ComparisonSettings,
    count: int,
    tasks: Sequence[str],
) -> tuple[Difference, ...]:
    """Return the tested differences of macro-means over `tasks` (the task of each query)."""
    if len(labels) < 2:
        return ()
    differences = untested_differences(rows, labels, settings, "overall", tasks)
    p = _macro_p(rows, tasks, settings, count)
    return tuple(replace(each, p=value) for each, value in zip(differences, p, strict=True))


def correct(
    blocks: Sequence[Sequence[Difference]], settings: ComparisonSettings
) -> tuple[tuple[Difference, ...], ...]:
    """Return blocks of differences with their p corrected over all of them.

    Holm's correction covers every p there is. Tukey's test has corrected for the pairs of a task
    already, so its p are multiplied by the number of tasks only (Bonferroni).
    """
    raw = [each.p for block in blocks for each in block if each.p is not None]
    if settings.test == "tukey":
        tested = sum(any(each.p is not None for each in block) for block in blocks)
        adjusted = iter([min(1.0, p * tested) for p in raw])
    else:
        adjusted = iter([float(p) for p in holm(raw)])
    return tuple(
        tuple(
            each if each.p is None else replace(each, p_corrected=next(adjusted)) for each in block
        )
        for block in blocks
    )


def verdict(difference: Difference, settings: ComparisonSettings) -> str:
    """Return a sentence on a difference; one that cannot be told from zero is said to be so."""
    size = f"{signed(difference.delta)} points"
    if difference.interval is not None:
        size += f" ({percent(settings.level)} interval {signed_interval(difference.interval)})"
    sentence = f"{difference.a} {MINUS} {difference.b}: {size}"
    if difference.p_corrected is None:
        return f"{sentence}; not tested."
    sentence += f", corrected p = {p_value(difference.p_corrected)}"
    if difference.p_corrected <= settings.alpha:
        better = difference.a if difference.delta > 0 else difference.b
        return f"{sentence}: {better} is better."
    sentence += ": not distinguishable from zero."
    if difference.detectable:
        sentence += (
            f" A true difference of {points(difference.detectable)} points would be seen in "
            f"{percent(settings.power)} of cases."
        )
    return sentence


def _task_p(
    rows: Values, settings: ComparisonSettings, count: int, scope: str
) -> tuple[float, ...]:
    """Return the p of each pair over the queries of one task."""
    if settings.test == "permutation":
        matrix = sign_flip_pairs(rows, settings.rng(f"{scope}, p"), permutations=count)
    else:
        matrix = pairwise(rows, settings.test, permutations=count, seed=settings.seed % 2**32)
    return tuple(float(matrix[pair]) for pair in compared_pairs(len(rows), settings))


def _macro_p(
    rows: Values, tasks: Sequence[str], settings: ComparisonSettings, count: int
) -> tuple[float | None, ...]:
    """Return the p of each pair's difference of macro-means, stratified by task.

    Permutation and Fisher's test flip weighted differences; Student's divides the difference by
    its stratified standard error. Tukey's test has no stratified form: `None`.
    """
    pairs = compared_pairs(len(rows), settings)
    if settings.test == "tukey":
        return (None,) * len(pairs)
    if settings.test == "student":
        return tuple(_stratified_t(rows[one], rows[other], tasks) for one, other in pairs)
    if settings.test == "fisher":
        weighted = rows * macro_weights(tasks) * rows.shape[1]
        matrix = pairwise(weighted, "fisher", permutations=count, seed=settings.seed % 2**32)
    else:
        rng = settings.rng("overall, p")
        matrix = stratified_sign_flip_pairs(rows, tasks, rng, permutations=count)
    return tuple(float(matrix[pair]) for pair in pairs)


def _stratified_t(a: Values, b: Values, tasks: Sequence[str]) -> float:
    """Return the two-sided p of the macro-mean's difference by its stratified standard error.

    t has as many degrees of freedom as queries less tasks. A task of a single query gives 1: its
    spread is unknown. So does no difference at all; one without any spread gives 0.
    """
    from scipy.stats import t

    error = difference_error(a, b, tasks=tasks)
    if error is None or not (a - b).any():
        return 1.0
    one, other = macro_mean(np.stack([a, b]), tasks)
    delta = abs(float(one - other))
    if error[0] == 0:
        return 0.0 if delta else 1.0
    return float(2 * t.sf(delta / error[0], error[1]))


def _effect(a: Values, b: Values, tasks: Sequence[str] | None) -> float | None:
    """Return Cohen's d; over tasks, with the mean of their variances, each counting the same."""
    if tasks is None:
        return effect_size(a, b)
    gaps = a - b
    if not gaps.any():
        return 0.0
    names = np.asarray(tasks)
    groups = [gaps[names == name] for name in dict.fromkeys(tasks)]
    if any(len(group) < 2 for group in groups):
        return None
    deviation = math.sqrt(sum(float(group.var(ddof=1)) for group in groups) / len(groups))
    rounding = 8 * np.finfo(np.float64).eps * (np.abs(a).max() + np.abs(b).max())
    if deviation <= rounding:
        return None
    return sum(float(group.mean()) for group in groups) / len(groups) / deviation


def _detectable(
    a: Values, b: Values, tasks: Sequence[str] | None, settings: ComparisonSettings
) -> float | None:
    """Return the smallest true difference seen with the asked power, before any correction."""
    error = difference_error(a, b, tasks=tasks)
    if error is None:
        return None
    return detectable_difference(*error, alpha=settings.alpha, target=settings.power)
