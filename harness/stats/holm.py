"""Holm's step-down correction of p-values for testing many hypotheses at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.core.errors import BadInput
from harness.stats.samples import Values


def holm(p_values: ArrayLike) -> Values:
    """Return p-values `[k]` adjusted over their family, in the given order.

    The i-th smallest of k is multiplied by k - i + 1, never falls below a smaller one's and stops
    at 1 (Holm, Scandinavian Journal of Statistics 6, 1979). Rejecting what is at most alpha keeps
    the chance of any false rejection at alpha, whatever the dependence between the tests.
    Raises `BadInput` for a value that is not between 0 and 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise BadInput(
            "p-values must be one row of numbers between 0 and 1",
            fix="Leave out tests that gave no p-value, and count them apart.",
        )
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def holm_pairs(p_values: ArrayLike) -> Values:
    """Return a symmetric matrix of pairwise p `[m, m]` adjusted over its m (m - 1) / 2 pairs."""
    p = np.asarray(p_values, dtype=np.float64)
    above = np.triu_indices(len(p), 1)
    adjusted = np.ones_like(p)
    adjusted[above] = holm(p[above])
    adjusted.T[above] = adjusted[above]
    return adjusted
