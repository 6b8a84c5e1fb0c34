"""Differences of systems over the same queries: size, interval, what they could have shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from numpy.random import Generator

from harness.core.errors import BadInput, UnknownName
from harness.core.hashing import sha256_text
from harness.stats.bootstrap import RESAMPLES, Interval, mean_intervals
from harness.stats.effect import WinTieLoss, effect_size, win_tie_loss
from harness.stats.power import detectable_difference, difference_error
from harness.stats.samples import Values, macro_weights

SEED = 20_240_716
"""Where the random numbers of a comparison start: the same entries give the same tables."""

TESTS = ("permutation", "student", "fisher", "tukey")
Pairs: TypeAlias = Literal["all", "first"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a comparison is computed.

    `permutations` of 0: 10,000, or more where the number of tests asks for it. `pairs`: every
    pair of systems, or each against the first. `level` is that of intervals, `alpha` and `power`
    those of the smallest detectable difference. `changes` queries are shown for gains and for
    losses. Raises `UnknownName` for a test, `BadInput` for a negative count.
    """

    test: str = "permutation"
    permutations: int = 0
    seed: int = SEED
    pairs: Pairs = "all"
    resamples: int = RESAMPLES
    level: float = 0.95
    alpha: float = 0.05
    power: float = 0.8
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

    def rng(self, scope: str) -> Generator:
        """Return the generator of one scope: naming another task changes no number of this one."""
        return np.random.default_rng([self.seed, int(sha256_text(scope)[:16], 16)])


@dataclass(frozen=True, slots=True)
class Mean:
    """A system's mean with its interval; `task` is empty for the mean over tasks."""

    system: str
    task: str
    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Difference:
    """`a` less `b` over `queries` queries, fractions of 1; positive where `a` is better.

    `p_corrected` is corrected over all tests of the comparison. `effect` is Cohen's d of the
    per-query differences, `detectable` the smallest true difference that the test would have
    seen with the plan's power. `None` stands for what cannot be told from so few queries, and
    for p where nothing is tested.
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


def pair_places(systems: int, plan: Plan) -> tuple[tuple[int, int], ...]:
    """Return the places of the pairs that the plan compares."""
    pairs = combinations(range(systems), 2)
    return tuple(pair for pair in pairs if plan.pairs == "all" or pair[0] == 0)


def means(rows: Values, tasks: Sequence[str] | None = None) -> tuple[float, ...]:
    """Return each row's mean over queries, or its macro-mean over `tasks`; exactly summed."""
    weights = np.full(rows.shape[1], 1.0) if tasks is None else macro_weights(tasks)
    scale = rows.shape[1] if tasks is None else 1
    return tuple(math.fsum(row * weights) / scale for row in rows)


def contrast(
    rows: Values, labels: Sequence[str], plan: Plan, scope: str, tasks: Sequence[str] | None = None
) -> tuple[Difference, ...]:
    """Return the difference of each pair of systems, without p-values.

    `rows` are `[systems, queries]`; with `tasks` (the task of each query) means are macro-means,
    and intervals and detectable differences are stratified by task.
    """
    pairs = pair_places(len(labels), plan)
    if not pairs:
        return ()
    gaps = np.stack([rows[one] - rows[other] for one, other in pairs])
    intervals = mean_intervals(
        gaps, plan.rng(scope), tasks=tasks, resamples=plan.resamples, level=plan.level
    )
    own = means(rows, tasks)
    return tuple(
        Difference(
            a=labels[one],
            b=labels[other],
            queries=rows.shape[1],
            mean_a=own[one],
            mean_b=own[other],
            delta=own[one] - own[other],
            interval=interval,
            counts=win_tie_loss(rows[one], rows[other]),
            effect=_effect(rows[one], rows[other], tasks),
            detectable=_detectable(rows[one], rows[other], tasks, plan),
        )
        for (one, other), interval in zip(pairs, intervals, strict=True)
    )


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


def _detectable(a: Values, b: Values, tasks: Sequence[str] | None, plan: Plan) -> float | None:
    """Return the smallest true difference seen with the plan's power, before any correction."""
    error = difference_error(a, b, tasks=tasks)
    if error is None:
        return None
    return detectable_difference(*error, alpha=plan.alpha, target=plan.power)
