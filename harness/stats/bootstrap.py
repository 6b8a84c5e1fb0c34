"""Bootstrap intervals of means, differences and macro-means.

Resampling queries says how much a figure would move on other queries of the same kind. Tasks are
kept: each contributes as many queries to every resample as it has. The intervals are BCa (bias
corrected and accelerated; Efron, JASA 82, 1987; Efron and Tibshirani 1993, section 14.3), because
per-query values pile up at 0 and 1: percentile intervals of a skewed sample miss on one side more
often than on the other, and BCa corrects that to second order at no cost for a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from harness.core.errors import BadInput
from harness.stats.conventions import RESAMPLES
from harness.stats.samples import (
    CHUNK_CELLS,
    Values,
    as_pair,
    as_rows,
    check_count,
    macro_weights,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, in the units of the values; `level` is 0.95 for 95 %."""

    low: float
    high: float
    level: float


def mean_intervals(
    values: ArrayLike,
    rng: Generator,
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> tuple[Interval | None, ...]:
    """Return the BCa interval of each row's mean, or of its macro-mean over `tasks`.

    `values` are `[rows, queries]`, `tasks` names the task of each query. `None` stands for every
    row when a task (or the whole) has a single query: one query does not say how queries differ.
    Equal values give an interval of no width. Raises `BadInput` for values that are not finite,
    `resamples` below 1 and a `level` outside 0 to 1.
    """
    rows = as_rows(values)
    if not 0 < level < 1:
        raise BadInput(f"the confidence level is {level}", fix="Give one such as 0.95.")
    if not resamplable(rows.shape[1], tasks):
        return (None,) * len(rows)
    means = resampled_means(rows, rng, tasks=tasks, resamples=resamples)
    return intervals_of(rows, means, tasks=tasks, level=level)


def intervals_of(
    values: ArrayLike,
    means: Values,
    *,
    tasks: Sequence[str] | None = None,
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Return the BCa intervals of rows whose `resampled_means` `[rows, resamples]` are at hand."""
    rows = as_rows(values)
    centres = rows @ _weights(rows.shape[1], tasks)
    return tuple(
        _bca(own, float(centre), _influence(row, tasks), level)
        for own, centre, row in zip(means, centres, rows, strict=True)
    )


def mean_interval(
    values: ArrayLike,
    rng: Generator,
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval | None:
    """Return the interval of one row `[n]`, as `mean_intervals`."""
    row = np.asarray(values)[None]
    return mean_intervals(row, rng, tasks=tasks, resamples=resamples, level=level)[0]


def difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    rng: Generator,
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval | None:
    """Return the interval of mean(a) - mean(b) over the same queries, as `mean_interval`."""
    first, second = as_pair(a, b)
    return mean_interval(first - second, rng, tasks=tasks, resamples=resamples, level=level)


def resampled_means(
    values: ArrayLike,
    rng: Generator,
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
) -> Values:
    """Return (macro-)means of resampled queries, `[rows, queries]` -> `[rows, resamples]`.

    Every row sees the same resamples, so rows may be compared within a resample.
    """
    rows = as_rows(values)
    check_count("resamples", resamples)
    queries = rows.shape[1]
    weights = _weights(queries, tasks)
    start, size = _strata(queries, tasks)
    order = np.argsort(start, kind="stable")
    block = max(1, CHUNK_CELLS // queries)
    means = np.empty((len(rows), resamples))
    by_task = np.ascontiguousarray((rows * weights)[:, order])
    for at in range(0, resamples, block):
        lines = min(block, resamples - at)
        drawn = start + np.floor(rng.random((lines, queries)) * size).astype(np.int64)
        drawn += np.arange(lines)[:, None] * queries
        times = np.bincount(drawn.ravel(), minlength=lines * queries).reshape(lines, queries)
        means[:, at : at + lines] = by_task @ times.T.astype(np.float64)
    return means


def resamplable(queries: int, tasks: Sequence[str] | None) -> bool:
    """Tell whether each task (or the whole) has the two queries that resampling needs."""
    _, size = _strata(queries, tasks)
    return bool((size >= 2).all())


def _strata(
    queries: int, tasks: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, per query, where its task starts when sorted by task, and the task's size."""
    names = np.zeros(queries) if tasks is None else np.asarray(tasks)
    if names.shape != (queries,):
        raise BadInput(
            f"{queries} queries but {len(names)} names of tasks",
            fix="Give the task of each query.",
        )
    _, place, sizes = np.unique(names, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    return starts[place], sizes[place]


def _weights(queries: int, tasks: Sequence[str] | None) -> Values:
    """Return each query's weight in the (macro-)mean."""
    return np.full(queries, 1.0 / queries) if tasks is None else macro_weights(tasks)


def _influence(row: Values, tasks: Sequence[str] | None) -> Values:
    """Return how far each query pulls the (macro-)mean from its task's own."""
    start, _ = _strata(len(row), tasks)
    _, place = np.unique(start, return_inverse=True)
    own_mean = np.bincount(place, weights=row) / np.bincount(place)
    return np.asarray((row - own_mean[place]) * _weights(len(row), tasks), dtype=np.float64)


def _bca(means: Values, centre: float, influence: Values, level: float) -> Interval:
    """Return the BCa interval; `influence` gives the acceleration (equations 14.14, 14.15)."""
    normal = NormalDist()
    rounding = 8 * np.finfo(np.float64).eps * (np.abs(means).max() + abs(centre))
    spread = float((influence**2).sum())
    if np.ptp(means) <= rounding or spread == 0:
        return Interval(low=centre, high=centre, level=level)
    below = (np.mean(means < centre - rounding) + np.mean(means <= centre + rounding)) / 2
    edge = 0.5 / len(means)
    bias = normal.inv_cdf(min(max(float(below), edge), 1 - edge))
    acceleration = float((influence**3).sum()) / (6 * spread**1.5)
    places = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + normal.inv_cdf(tail)
        # The divisor stays positive for any sample of real size; the floor is for tiny ones.
        places.append(normal.cdf(bias + shifted / max(1 - acceleration * shifted, 1e-9)))
    low, high = np.quantile(means, places)
    return Interval(low=float(low), high=float(high), level=level)
