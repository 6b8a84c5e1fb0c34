"""What a comparison could have seen: power, and the smallest difference it can detect.

For a paired two-sided t-test on n differences with standard error s, t is distributed as
non-central t with n - 1 degrees of freedom and non-centrality delta / s, so the power is
P(|T| > t_crit) (Cohen 1988, section 2.5; Sakai, Laboratory Experiments in IR, 2018, section 6.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from harness.core.errors import BadInput
from harness.stats.samples import as_pair


def power(delta: float, standard_error: float, degrees: float, *, alpha: float = 0.05) -> float:
    """Return the chance of seeing a true difference `delta` at level `alpha`, 0 to 1.

    `standard_error` is that of the observed difference, in the same units, and above 0;
    `degrees` are its degrees of freedom, from 1. Raises `BadInput`.
    """
    from scipy.special import nctdtr
    from scipy.stats import t

    _check(standard_error, degrees, alpha, (1 + alpha) / 2)
    if standard_error == 0:
        return 1.0 if delta else alpha
    critical = float(t.ppf(1 - alpha / 2, degrees))
    away = abs(delta) / standard_error
    upper = 1 - float(nctdtr(degrees, away, critical))
    # The wrong tail is below Phi(-away): 1e-9 at 6, where scipy begins to return NaN for it.
    lower = float(nctdtr(degrees, away, -critical)) if away < 6 else 0.0
    return min(1.0, upper + lower)


def detectable_difference(
    standard_error: float, degrees: float, *, alpha: float = 0.05, target: float = 0.8
) -> float | None:
    """Return the smallest true difference seen with power `target` at level `alpha`.

    In the units of `standard_error`. 0 when the error is 0; `None` without a degree of freedom (a
    single query), where nothing is detectable. Raises `BadInput`.
    """
    if degrees == 0:
        return None
    _check(standard_error, degrees, alpha, target)
    return _detectable_errors(degrees, alpha, target) * standard_error


@lru_cache(maxsize=4096)
def _detectable_errors(degrees: float, alpha: float, target: float) -> float:
    """Return the detectable difference in standard errors: all pairs of a board share it."""
    from scipy.optimize import brentq

    high = 1.0
    while power(high, 1.0, degrees, alpha=alpha) < target:
        high *= 2
    found = brentq(lambda at: power(at, 1.0, degrees, alpha=alpha) - target, 0.0, high)
    return float(found)


def difference_error(
    a: ArrayLike, b: ArrayLike, *, tasks: Sequence[str] | None = None
) -> tuple[float, int] | None:
    """Return the standard error of the (macro-)mean difference and its degrees of freedom.

    With T tasks of n_t queries and variances v_t it is sqrt(sum of v_t / n_t) / T, with the sum
    of n_t - 1 degrees; without tasks, the usual sqrt(v / n) with n - 1. `None` when a task (or
    the whole) has a single query. Raises `BadInput`.
    """
    first, second = as_pair(a, b)
    names = np.zeros(len(first)) if tasks is None else np.asarray(tasks)
    if names.shape != first.shape:
        raise BadInput(
            f"{len(first)} queries but {len(names)} names of tasks",
            fix="Give the task of each query.",
        )
    groups = [(first - second)[names == name] for name in np.unique(names)]
    if any(len(group) < 2 for group in groups):
        return None
    total = sum(float(group.var(ddof=1)) / len(group) for group in groups)
    return float(np.sqrt(total)) / len(groups), len(first) - len(groups)


def _check(standard_error: float, degrees: float, alpha: float, target: float) -> None:
    """Raise `BadInput` for a figure out of range."""
    possible = np.isfinite(standard_error) and standard_error >= 0 and degrees >= 1
    if not (possible and 0 < alpha < 1 and alpha < target < 1):
        raise BadInput(
            f"no power for a standard error of {standard_error}, {degrees} degrees of freedom, "
            f"alpha {alpha} and power {target}",
            fix="Give an error from 0, degrees from 1, and 0 < alpha < power < 1.",
        )
