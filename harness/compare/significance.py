"""P-values of a comparison, and their correction over everything it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.compare.contrast import Difference, Plan, pair_places
from harness.stats.holm import holm
from harness.stats.paired import PERMUTATIONS, sign_flip_pairs
from harness.stats.power import difference_error
from harness.stats.ranx_tests import pairwise
from harness.stats.samples import Values, macro_weights
from harness.stats.stratified import macro_mean, stratified_sign_flip_pairs

PERMUTATIONS_PER_TEST = 40
MOST_PERMUTATIONS = 200_000
"""The smallest p of N permutations is 1 / (N + 1), which Holm multiplies by the number of tests:
with fewer than 20 permutations a test no difference could reach 0.05. Twice that leaves room."""


def permutations(plan: Plan, tests: int) -> int:
    """Return the plan's number of permutations, or one that suits so many tests."""
    wanted = max(PERMUTATIONS, PERMUTATIONS_PER_TEST * tests)
    return plan.permutations or min(wanted, MOST_PERMUTATIONS)


def pair_p(rows: Values, plan: Plan, count: int, scope: str) -> tuple[float, ...]:
    """Return the p of each pair over the queries of one task, `[systems, queries]`.

    `count` is the number of permutations.
    """
    if plan.test == "permutation":
        matrix = sign_flip_pairs(rows, plan.rng(f"{scope}, p"), permutations=count)
    else:
        matrix = pairwise(rows, plan.test, permutations=count, seed=plan.seed % 2**32)
    return tuple(float(matrix[pair]) for pair in pair_places(len(rows), plan))


def overall_p(
    rows: Values, tasks: Sequence[str], plan: Plan, count: int
) -> tuple[float | None, ...]:
    """Return the p of each pair's difference of macro-means, stratified by task.

    Permutation and Fisher's test flip weighted differences; Student's divides the difference by
    its stratified standard error. Tukey's test has no stratified form: `None`.
    """
    pairs = pair_places(len(rows), plan)
    if plan.test == "tukey":
        return (None,) * len(pairs)
    if plan.test == "student":
        return tuple(_stratified_t(rows[one], rows[other], tasks) for one, other in pairs)
    if plan.test == "fisher":
        weighted = rows * macro_weights(tasks) * rows.shape[1]
        matrix = pairwise(weighted, "fisher", permutations=count, seed=plan.seed % 2**32)
    else:
        rng = plan.rng("overall, p")
        matrix = stratified_sign_flip_pairs(rows, tasks, rng, permutations=count)
    return tuple(float(matrix[pair]) for pair in pairs)


def corrected(
    blocks: Sequence[Sequence[Difference]], plan: Plan
) -> tuple[tuple[Difference, ...], ...]:
    """Return blocks of differences with their p corrected over all of them.

    Holm's correction covers every p there is. Tukey's test has corrected for the pairs of a task
    already, so its p are multiplied by the number of tasks only (Bonferroni).
    """
    raw = [each.p for block in blocks for each in block if each.p is not None]
    if plan.test == "tukey":
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
