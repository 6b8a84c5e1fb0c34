"""Comparing means over several tasks: permutation within tasks, macro-mean as the statistic.

A task with few queries counts as much in BRIGHT's overall figure as one with many. Swapping two
systems' values query by query never moves a value between tasks, so the randomisation test is
stratified when its statistic is the macro-mean: each difference carries its query's weight in it.
Intervals of macro-means are `bootstrap.mean_interval(..., tasks=...)`, resampled within tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import Generator
from numpy.typing import ArrayLike

from harness.core.errors import BadInput
from harness.stats.conventions import PERMUTATIONS
from harness.stats.paired import sign_flip_pairs, sign_flip_rows
from harness.stats.samples import Values, as_pair, as_rows, macro_weights


def macro_mean(values: ArrayLike, tasks: Sequence[str]) -> Values:
    """Return the plain mean over tasks of the mean over queries, `[rows, queries]` -> `[rows]`."""
    rows = as_rows(values)
    return rows @ _weights(rows, tasks)


def stratified_sign_flip(
    a: ArrayLike,
    b: ArrayLike,
    tasks: Sequence[str],
    rng: Generator,
    *,
    permutations: int = PERMUTATIONS,
) -> float:
    """Return the two-sided p of the difference of macro-means; `a`, `b` and `tasks` are `[n]`."""
    first, second = as_pair(a, b)
    rows = (first - second)[None, :]
    return float(sign_flip_rows(rows * _weights(rows, tasks), rng, permutations=permutations)[0])


def stratified_sign_flip_pairs(
    values: ArrayLike,
    tasks: Sequence[str],
    rng: Generator,
    *,
    permutations: int = PERMUTATIONS,
) -> Values:
    """Return the p of every pair's difference of macro-means, `[m, n]` -> symmetric `[m, m]`."""
    rows = as_rows(values)
    return sign_flip_pairs(rows * _weights(rows, tasks), rng, permutations=permutations)


def _weights(rows: Values, tasks: Sequence[str]) -> Values:
    """Return the queries' weights; raises `BadInput` unless each query has a task."""
    if len(tasks) != rows.shape[1]:
        raise BadInput(
            f"{rows.shape[1]} queries but {len(tasks)} names of tasks",
            fix="Give the task of each query.",
        )
    return macro_weights(tasks)
