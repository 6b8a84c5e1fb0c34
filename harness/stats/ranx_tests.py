"""ranx's significance tests by name, fed with stored per-query values.

ranx is imported on use (it compiles with numba). Its p-values come back as it gives them, save
where it gives none: systems that are equal on every query, and a single query, have p = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from harness.core.errors import UnknownName
from harness.stats.samples import Values, as_pair, as_rows, check_count

TESTS: Mapping[str, str] = {
    "student": "Student's t, paired",
    "fisher": "Fisher's randomisation, paired",
    "tukey": "Tukey's honestly significant difference, over all systems",
}
"""Names that `ranx.compare(stat_test=...)` takes too, with what they are."""


def pairwise(values: ArrayLike, test: str, *, permutations: int = 1_000, seed: int = 42) -> Values:
    """Return the p of every pair by one of `TESTS`, `[m, n]` -> symmetric `[m, m]`, diagonal 1.

    `permutations` and `seed` (both with ranx's defaults) matter to `fisher` only. Tukey's test
    corrects for all pairs itself: do not correct it again. Raises `UnknownName`, `BadInput`.
    """
    rows = as_rows(values)
    if test not in TESTS:
        raise UnknownName("test", test, TESTS, listing=f"Tests are {', '.join(TESTS)}.")
    if test == "tukey":
        return tukey(rows)
    p = np.ones((len(rows), len(rows)))
    for one, other in combinations(range(len(rows)), 2):
        pair = rows[one], rows[other]
        found = (
            student(*pair)
            if test == "student"
            else fisher(*pair, permutations=permutations, seed=seed)
        )
        p[one, other] = p[other, one] = found
    return p


def student(a: ArrayLike, b: ArrayLike) -> float:
    """Return ranx's paired two-sided Student's t-test of `[n]` values; raises `BadInput`."""
    first, second = as_pair(a, b)
    if len(first) < 2 or not (first - second).any():
        return 1.0
    from ranx.statistical_tests import paired_student_t_test

    p, _ = paired_student_t_test(first, second)
    return float(p)


def fisher(a: ArrayLike, b: ArrayLike, *, permutations: int = 1_000, seed: int = 42) -> float:
    """Return ranx's two-sided Fisher's randomisation test of `[n]` values; raises `BadInput`.

    ranx counts k / N, so it can return 0; and it seeds one of its threads only, so the same seed
    need not give the same p. `paired.sign_flip` has neither trait and is far faster.
    """
    first, second = as_pair(a, b)
    check_count("permutations", permutations)
    from ranx.statistical_tests import fisher_randomization_test

    p, _ = fisher_randomization_test(first, second, permutations, 0.01, seed)
    return float(p)


def tukey(values: ArrayLike) -> Values:
    """Return ranx's Tukey HSD of systems `[m, n]`: p of every pair, `[m, m]`, diagonal 1.

    It comes from scipy and takes systems for independent groups, so values over the same queries
    make it conservative. Raises `BadInput`.
    """
    rows = as_rows(values)
    if len(rows) < 2 or rows.shape[1] < 2 or not np.ptp(rows, axis=1).any():
        return _tukey_without_spread(rows)
    from ranx.statistical_tests.tukey_hsd_test import tukey_hsd_test

    found = tukey_hsd_test([str(at) for at in range(len(rows))], list(rows), 0.01)
    p = np.ones((len(rows), len(rows)))
    for pair in found:
        p[int(pair["control"]), int(pair["treatment"])] = pair["p-value"]
    np.fill_diagonal(p, 1.0)
    return p


def _tukey_without_spread(rows: Values) -> Values:
    """Return p where the test divides by nothing: 1 throughout for single values.

    Systems that are each constant over several queries are told apart without doubt: p = 0.
    """
    if rows.shape[1] < 2:
        return np.ones((len(rows), len(rows)))
    return np.asarray(rows[:, :1] == rows[:, :1].T, dtype=np.float64)
