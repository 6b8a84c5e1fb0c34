"""Which ranks are real: groups of entries that cannot be told apart, and intervals of ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from harness.core.errors import BadInput
from harness.stats.bootstrap import resamplable, resampled_means
from harness.stats.conventions import RESAMPLES
from harness.stats.samples import Values, as_rows


def rank_groups(means: ArrayLike, p_values: ArrayLike, *, alpha: float = 0.05) -> tuple[int, ...]:
    """Return each entry's rank group, from 1, in the given order.

    Going down from the best mean `[m]`, an entry belongs to the group of its head (the group's
    best) until one differs from that head with p at most `alpha`; that one heads the next group.
    `p_values` `[m, m]` should already be corrected (`holm.holm_pairs`). Within a group, members
    are not said to be equal: the data do not separate them from the head. Raises `BadInput`.
    """
    best = np.asarray(means, dtype=np.float64)
    p = np.asarray(p_values, dtype=np.float64)
    if (
        best.ndim != 1
        or p.shape != (len(best), len(best))
        or np.isnan(p).any()
        or np.isnan(best).any()
    ):
        raise BadInput(
            f"means of shape {best.shape} do not go with p-values of shape {p.shape}",
            fix="Give one mean per entry and a p-value for every pair.",
        )
    groups = np.zeros(len(best), dtype=np.int64)
    group, head = 0, -1
    for entry in np.argsort(-best, kind="stable"):
        if head < 0 or p[head, entry] <= alpha:
            group, head = group + 1, int(entry)
        groups[entry] = group
    return tuple(int(number) for number in groups)


def rank_intervals(
    values: ArrayLike,
    rng: Generator,
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> tuple[tuple[int, int], ...]:
    """Return the best and worst rank of each entry `[m, n]` over resampled queries.

    Between them lie the middle `level` of the resamples; equal means share the better rank. With
    a single query (or a task of one) nothing is known, and every interval is 1 to m.
    """
    rows = as_rows(values)
    if not resamplable(rows.shape[1], tasks):
        return ((1, len(rows)),) * len(rows)
    means = resampled_means(rows, rng, tasks=tasks, resamples=resamples)
    return ranks_of(means, level=level)


def ranks_of(means: Values, *, level: float = 0.95) -> tuple[tuple[int, int], ...]:
    """Return the rank intervals of entries whose `resampled_means` `[m, resamples]` are at hand."""
    # Sums of the same values in another order differ in the last bits only.
    means = np.round(means, 12)
    ranks = np.stack([1 + np.count_nonzero(means > own, axis=0) for own in means])
    tail = (1 - level) / 2
    low = np.quantile(ranks, tail, axis=1, method="inverted_cdf")
    high = np.quantile(ranks, 1 - tail, axis=1, method="inverted_cdf")
    return tuple((int(one), int(other)) for one, other in zip(low, high, strict=True))
