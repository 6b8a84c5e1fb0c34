"""The table of an ablation: means over seeds, and tested differences, from values by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from harness.ablation.spec import AblationSpec
from harness.ablation.values import MeasuredValues
from harness.core.hashing import sha256_text
from harness.stats.conventions import PERMUTATIONS
from harness.stats.crossed import (
    CrossedTest,
    Part,
    crossed_test,
    crossed_variance,
    pooled_seeds,
)
from harness.stats.effect import WinTieLoss, win_tie_loss
from harness.stats.holm import holm
from harness.stats.samples import Values, macro_weights

SEED = 20_240_716
"""Where the random numbers of the table start: the same entries give the same table."""

LEVEL = 0.95
POWER = 0.8
OVERALL = ""
"""Stands for all tasks together in place of a task's name."""


@dataclass(frozen=True, slots=True)
class SideMean:
    """One side on one task (or all: macro-mean): mean over seeds, standard deviation, each seed.

    `deviation` has n - 1 below and is `None` for a single seed and for the reference. `seeds` are
    empty where every run failed, and `mean` is then `None`.
    """

    side: str
    task: str
    mean: float | None
    deviation: float | None
    seeds: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class SeededDifference:
    """`one` less `other` on one task (or all), as a fraction.

    `by_seed` holds each seed's mean difference; `counts` are queries won, tied and lost by the
    difference averaged over seeds. `p_corrected` is Holm's over all tests of the table.
    """

    one: str
    other: str
    task: str
    queries: int
    by_seed: Mapping[int, float]
    counts: WinTieLoss
    test: CrossedTest
    p_corrected: float

    @property
    def delta(self) -> float:
        """Return the difference of means."""
        return self.test.crossed.mean

    @property
    def separable(self) -> bool:
        """Tell whether the difference stands after correction."""
        return self.p_corrected <= 1 - LEVEL + 1e-12


@dataclass(frozen=True, slots=True)
class BinDifference:
    """A difference over the queries of one bin of reasoning intensity; not tested."""

    one: str
    other: str
    bin: str
    queries: int
    delta: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class AblationTable:
    """Means and differences; `deltas` stand pair by pair, tasks before the macro-mean.

    `tests` counts the p-values that were corrected together, `skipped` the pairs that failed runs
    left nothing of.
    """

    means: tuple[SideMean, ...]
    deltas: tuple[SeededDifference, ...]
    bins: tuple[BinDifference, ...]
    tests: int
    skipped: tuple[tuple[str, str], ...] = ()

    def headline(self, spec: AblationSpec) -> tuple[SeededDifference, ...]:
        """Return the differences over all that was measured, one per pair."""
        wanted = OVERALL if len(spec.tasks) > 1 else None
        return tuple(each for each in self.deltas if wanted is None or each.task == wanted)


def scopes(spec: AblationSpec, values: MeasuredValues) -> tuple[str, ...]:
    """Return the tasks, and with more than one of them all together."""
    tasks = tuple(dict.fromkeys(values.columns.tasks))
    return (*tasks, OVERALL) if len(tasks) > 1 else tasks


def make_table(
    spec: AblationSpec, values: MeasuredValues, bins: Mapping[str, Sequence[int]]
) -> AblationTable:
    """Return the table; `bins` maps a bin of reasoning intensity to its columns."""
    found: list[SeededDifference] = []
    skipped: list[tuple[str, str]] = []
    by_bin: list[BinDifference] = []
    for one, other in spec.pairs:
        seeds, gaps = values.differences(one, other, spec)
        if not seeds:
            skipped.append((one, other))
            continue
        found += [
            _delta((one, other), seeds, gaps, scope, values) for scope in scopes(spec, values)
        ]
        by_bin += [
            _bin_delta((one, other), name, gaps[:, list(places)]) for name, places in bins.items()
        ]
    corrected = holm([each.test.p for each in found]) if found else ()
    deltas = tuple(
        replace(each, p_corrected=float(p)) for each, p in zip(found, corrected, strict=True)
    )
    return AblationTable(_means(spec, values), deltas, tuple(by_bin), len(deltas), tuple(skipped))


def rng_of(scope: str) -> Generator:
    """Return the generator of one scope: another comparison changes no number of this one."""
    return np.random.default_rng([SEED, int(sha256_text(scope)[:16], 16)])


def _delta(
    pair: tuple[str, str], seeds: Sequence[int], gaps: Values, scope: str, values: MeasuredValues
) -> SeededDifference:
    """Return one tested difference, not yet corrected."""
    tasks = values.columns.tasks if scope == OVERALL else None
    own = gaps if scope == OVERALL else np.ascontiguousarray(gaps[:, values.columns.of(scope)])
    test = crossed_test(
        own,
        rng_of(f"{pair[0]} − {pair[1]} on {scope}"),
        tasks=tasks,
        pooled=_pooled(pair, seeds, scope, values),
        level=LEVEL,
        target=POWER,
        permutations=4 * PERMUTATIONS,
    )
    means = _macro(own, tasks)
    averaged = own.mean(axis=0)
    return SeededDifference(
        one=pair[0],
        other=pair[1],
        task=scope,
        queries=own.shape[1],
        by_seed={seed: float(mean) for seed, mean in zip(seeds, means, strict=True)},
        counts=win_tie_loss(averaged, np.zeros_like(averaged)),
        test=test,
        p_corrected=test.p,
    )


def _pooled(
    pair: tuple[str, str], seeds: Sequence[int], scope: str, values: MeasuredValues
) -> Part | None:
    """Return what seeds do to this difference, by all variants that have its seeds."""
    complete = values.complete(seeds)
    if scope == OVERALL:
        means = np.stack([_macro(own, values.columns.tasks) for own in complete])
    else:
        means = complete[:, :, values.columns.of(scope)].mean(axis=2)
    parts = pooled_seeds(means)
    if parts is None:
        return None
    return parts[0] if all(side in values.variants for side in pair) else parts[1]


def _bin_delta(pair: tuple[str, str], name: str, gaps: Values) -> BinDifference:
    """Return a difference over one bin with the crossed model's interval."""
    from scipy.stats import t

    found = crossed_variance(gaps)
    low = high = None
    if found.error is not None and found.degrees is not None:
        reach = float(t.ppf((1 + LEVEL) / 2, found.degrees)) * found.error
        low, high = found.mean - reach, found.mean + reach
    return BinDifference(*pair, name, gaps.shape[1], found.mean, low, high)


def _means(spec: AblationSpec, values: MeasuredValues) -> tuple[SideMean, ...]:
    """Return every side's means on every task and on all."""
    found = []
    for scope in scopes(spec, values):
        tasks = values.columns.tasks if scope == OVERALL else None
        places = slice(None) if scope == OVERALL else values.columns.of(scope)
        if values.reference is not None:
            own = float(_macro(values.reference[places][None], tasks)[0])
            found.append(SideMean(spec.reference.title, scope, own, None, {}))
        for name, by_seed_values in values.variants.items():
            by_seed = {
                seed: float(_macro(row[places][None], tasks)[0])
                for seed, row in sorted(by_seed_values.items())
            }
            numbers = list(by_seed.values())
            found.append(
                SideMean(
                    side=name,
                    task=scope,
                    mean=float(np.mean(numbers)) if numbers else None,
                    deviation=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
                    seeds=by_seed,
                )
            )
    return tuple(found)


def _macro(rows: Values, tasks: Sequence[str] | None) -> Values:
    """Return each row's mean over queries, or its macro-mean over tasks: `[rows]`."""
    means: Values = rows.mean(axis=1) if tasks is None else rows @ macro_weights(tasks)
    return means
