"""Differences over queries and training seeds, both as sources of variance.

Two systems are trained with the same S seeds and scored on the same queries, so there is one
difference per seed and query. The model is the two-way crossed layout with random effects and one
observation a cell: D[s, q] = mu + a[s] + b[q] + e[s, q]; seeds and queries both stand for others
that might have been drawn. With mean squares MS of an analysis of variance

    Var(mean) = (max(MS_seeds, MS_rest) + max(MS_queries, MS_rest) - MS_rest) / (S Q),

the usual estimate with components below 0 cut off, and its degrees of freedom are Satterthwaite's
(Biometrics Bulletin 2, 1946; the same reasoning as Clark's quasi-F for words and subjects, J. of
Verbal Learning and Verbal Behavior 12, 1973). With several tasks the mean is the macro-mean:
queries are crossed with seeds within each task, and the seeds' part is that of the macro-means.
With one seed there is no variance between seeds to estimate: queries alone are then the source.

Three seeds leave two degrees of freedom, which is next to nothing. So the seeds' part may be pooled
over all variants of an ablation (`pooled_seeds`), as an analysis of variance pools its error: seeds
are taken to scatter alike in every variant. And the p that counts is the largest of three: signs
flipped by query, t over seeds, and the mixed model; each holds its level where the others may not.

A bootstrap over seeds is not used: three seeds have ten resamples, and resampling so few
understates their variance by a third. Simulated levels: `benchmarks/results/ablation_level.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from harness.core.errors import BadInput
from harness.stats.bootstrap import Interval
from harness.stats.conventions import PERMUTATIONS
from harness.stats.paired import sign_flip_rows
from harness.stats.power import detectable_difference
from harness.stats.samples import Values, as_rows, macro_weights


@dataclass(frozen=True, slots=True)
class MeanSquare:
    """A mean square divided down to a variance of the mean, and its degrees of freedom."""

    value: float
    degrees: float


@dataclass(frozen=True, slots=True)
class Crossed:
    """The (macro-)mean difference and what is known of its error, in the units of the values.

    `seeds`, `queries` and `rest` are the parts of the mean's variance as estimated, before parts
    below 0 are cut off: between seeds, between queries, and neither (`seeds` and `rest` are
    `None` with one seed). `error` is the standard error, `degrees` its degrees of freedom
    (fractional, at least 1); both are `None` where a task has a single query.
    """

    mean: float
    error: float | None
    degrees: float | None
    seeds: float | None
    queries: float | None
    rest: float | None


@dataclass(frozen=True, slots=True)
class CrossedTest:
    """What a comparison over seeds and queries found.

    `p_mixed` treats queries and seeds as random (t with `crossed.degrees`), `p_queries` flips
    signs query by query of the difference averaged over these very seeds, `p_seeds` is t over
    seeds on these very queries (`None` with one seed). `p` is the largest of them. `interval` is
    the t interval of the mixed model, `detectable` the smallest true difference that its test
    would see with the asked power. `None`: cannot be told.
    """

    crossed: Crossed
    interval: Interval | None
    p_mixed: float | None
    p_queries: float
    p_seeds: float | None
    p: float
    detectable: float | None


def pooled_seeds(means: ArrayLike) -> tuple[MeanSquare, MeanSquare] | None:
    """Return the seeds' part for a difference of two variants, and for one variant by itself.

    `means` are `[variants, seeds]`, each variant's (macro-)mean at each seed; equal seeds are
    equal columns. In the layout variant x seed with residual mean square MS_r on (V - 1)(S - 1)
    degrees and seeds' MS_c on S - 1, a difference has 2 MS_r / S; a single variant
    (MS_c + (V - 1) MS_r) / (V S), with Satterthwaite's degrees. `None` with fewer than two
    variants or seeds. Raises `BadInput`.
    """
    rows = as_rows(means)
    variants, seeds = (int(size) for size in rows.shape)
    if variants < 2 or seeds < 2:
        return None
    columns = rows.mean(axis=0)
    rest = rows - rows.mean(axis=1, keepdims=True) - columns + rows.mean()
    degrees = (variants - 1.0) * (seeds - 1.0)
    rest_square = float((rest**2).sum()) / degrees
    column_share = float(columns.var(ddof=1))
    rest_share = (variants - 1.0) / variants * rest_square
    square = column_share**2 / (seeds - 1.0) + rest_share**2 / degrees
    single = column_share + rest_share
    return (
        MeanSquare(2 * rest_square / seeds, degrees),
        MeanSquare(single / seeds, single**2 / square if square > 0 else seeds - 1.0),
    )


def crossed_variance(
    differences: ArrayLike, tasks: Sequence[str] | None = None, pooled: MeanSquare | None = None
) -> Crossed:
    """Return the mean of differences `[seeds, queries]` and its variance by the crossed model.

    `tasks` names the task of each query; without it all are one task. `pooled` stands in place of
    the seeds' part of these differences alone. Raises `BadInput` for values that are not finite
    and for names that do not fit.
    """
    rows = as_rows(differences)
    groups = _groups(rows, tasks)
    means = np.mean([group.mean(axis=1) for group in groups], axis=0)
    mean = float(means.mean())
    if any(group.shape[1] < 2 for group in groups):
        return Crossed(mean, None, None, None, None, None)
    count = len(rows)
    scale = 1.0 / len(groups) ** 2
    shares = np.array([scale * _query_share(group) for group in groups])
    sizes = np.array([group.shape[1] for group in groups])
    queries = MeanSquare(float(shares.sum()), _satterthwaite(shares, sizes - 1.0))
    if count < 2:
        return Crossed(mean, queries.value**0.5, queries.degrees, None, queries.value, None)
    rests = np.array([scale * _rest_share(group) for group in groups])
    rest = MeanSquare(float(rests.sum()), _satterthwaite(rests, (count - 1.0) * (sizes - 1.0)))
    seeds = pooled or _own_seeds(means)
    error, degrees = _combined(seeds, queries, rest)
    return Crossed(
        mean, error, degrees, seeds.value - rest.value, queries.value - rest.value, rest.value
    )


def crossed_test(
    differences: ArrayLike,
    rng: Generator,
    *,
    tasks: Sequence[str] | None = None,
    pooled: MeanSquare | None = None,
    level: float = 0.95,
    target: float = 0.8,
    permutations: int = PERMUTATIONS,
) -> CrossedTest:
    """Return interval, p and detectable difference of differences `[seeds, queries]`.

    `level` is the interval's, 1 - `level` the test's; `target` the power. No difference at all
    gives p = 1 and an interval of no width. Raises `BadInput`.
    """
    from scipy.stats import t

    rows = as_rows(differences)
    if not 0 < level < 1:
        raise BadInput(f"the confidence level is {level}", fix="Give one such as 0.95.")
    found = crossed_variance(rows, tasks, pooled)
    weights = np.full(rows.shape[1], 1.0 / rows.shape[1]) if tasks is None else macro_weights(tasks)
    averaged = rows.mean(axis=0) * weights
    p_queries = float(sign_flip_rows(averaged[None], rng, permutations=permutations)[0])
    p_seeds = None
    if len(rows) > 1:
        seeds = pooled or _own_seeds(rows @ weights)
        p_seeds = _two_sided(found.mean, seeds.value**0.5, seeds.degrees)
    if found.error is None or found.degrees is None:
        p = max(p_queries, p_seeds or 0.0)
        return CrossedTest(found, None, None, p_queries, p_seeds, p, None)
    p_mixed = _two_sided(found.mean, found.error, found.degrees)
    reach = float(t.ppf((1 + level) / 2, found.degrees)) * found.error
    return CrossedTest(
        crossed=found,
        interval=Interval(found.mean - reach, found.mean + reach, level),
        p_mixed=p_mixed,
        p_queries=p_queries,
        p_seeds=p_seeds,
        p=max(p_mixed, p_queries, p_seeds or 0.0),
        detectable=detectable_difference(
            found.error, found.degrees, alpha=1 - level, target=target
        ),
    )


def _two_sided(mean: float, error: float, degrees: float) -> float:
    """Return the two-sided p of t = mean / error; without any error 1 for no difference, else 0."""
    from scipy.stats import t

    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * t.sf(abs(mean) / error, degrees))


def _own_seeds(means: Values) -> MeanSquare:
    """Return the seeds' part as a comparison's own seed means `[seeds]` have it."""
    return MeanSquare(float(means.var(ddof=1)) / len(means), len(means) - 1.0)


def _groups(rows: Values, tasks: Sequence[str] | None) -> list[Values]:
    """Return the columns of each task."""
    if tasks is None:
        return [rows]
    names = np.asarray(tasks)
    if names.shape != (rows.shape[1],):
        raise BadInput(
            f"{rows.shape[1]} queries but {len(names)} names of tasks",
            fix="Give the task of each query.",
        )
    return [rows[:, names == name] for name in np.unique(names)]


def _query_share(group: Values) -> float:
    """Return MS_queries / (S Q): the variance of the query means over Q."""
    return float(group.mean(axis=0).var(ddof=1)) / int(group.shape[1])


def _rest_share(group: Values) -> float:
    """Return MS_rest / (S Q): what neither seed nor query explains."""
    count, queries = (int(size) for size in group.shape)
    rest = group - group.mean(axis=1, keepdims=True) - group.mean(axis=0) + group.mean()
    return float((rest**2).sum()) / ((count - 1) * (queries - 1) * count * queries)


def _satterthwaite(parts: Values, degrees: Values) -> float:
    """Return the degrees of freedom of a sum of independent mean squares; 1 of a sum of 0."""
    square = float((parts**2 / degrees).sum())
    return float(parts.sum()) ** 2 / square if square > 0 else float(degrees.min())


def _combined(seeds: MeanSquare, queries: MeanSquare, rest: MeanSquare) -> tuple[float, float]:
    """Return standard error and degrees of freedom of the mean from its three mean squares.

    A part that does not exceed `rest` has a component of at most 0, and is left out.
    """
    seeds_count, queries_count = seeds.value > rest.value, queries.value > rest.value
    if seeds_count and queries_count:
        value = seeds.value + queries.value - rest.value
        square = sum(part.value**2 / part.degrees for part in (seeds, queries, rest))
        return value**0.5, max(1.0, value**2 / square)
    only = seeds if seeds_count else queries if queries_count else rest
    return only.value**0.5, only.degrees
