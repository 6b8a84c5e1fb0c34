"""How far the repeats of a model that draws its replies agree on the order of the documents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.core.types import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Repeats: TypeAlias = NDArray[np.float64]

CUT = 10


def agreement(lists: Sequence[Repeats]) -> dict[str, Json]:
    """Return the mean agreement over queries of each query's repeats.

    Each array is float64 `[repeats, documents]` of one query, higher is better, NaN where a repeat
    gave a document no score. `kendall_tau_b` is the mean over pairs of repeats of Kendall's tau-b
    (from -1 to 1; pairs in which a repeat ranks nothing are left out), `overlap@10` the mean share
    of documents that two repeats both have among their first ten. Empty without repeats.
    """
    taus, overlaps = [], []
    for scores in lists:
        pairs = list(combinations(range(len(scores)), 2))
        found = [tau for a, b in pairs if (tau := _tau(scores[a], scores[b])) is not None]
        if found:
            taus.append(float(np.mean(found)))
        if pairs and scores.shape[1]:
            overlaps.append(float(np.mean([_overlap(scores[a], scores[b]) for a, b in pairs])))
    if not overlaps:
        return {}
    return {
        "repeats": max(len(scores) for scores in lists),
        "kendall_tau_b": float(np.mean(taus)) if taus else None,
        "overlap@10": float(np.mean(overlaps)),
    }


def _tau(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Return tau-b over the documents that both score; None if either ranks nothing there."""
    from scipy.stats import kendalltau

    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 2:
        return None
    value = float(kendalltau(first[both], second[both]).statistic)
    return value if np.isfinite(value) else None


def _overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the share of common documents among the first ten; ties keep the old order."""
    size = min(CUT, len(first))
    heads = [set(np.argsort(-np.nan_to_num(each, nan=-np.inf), kind="stable")[:size].tolist())
             for each in (first, second)]  # fmt: skip
    return len(heads[0] & heads[1]) / size
