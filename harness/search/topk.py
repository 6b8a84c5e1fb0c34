"""Exact top-k over one query's scores: mask first, then cut, ties by document id descending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.core.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import FloatVector, IntVector

    IntRows: TypeAlias = NDArray[np.intp]


def id_order(ids: Sequence[str]) -> IntVector:
    """Return each row's place when ids are sorted descending by code point: int64 `[n]`.

    Row `r` comes before row `s` among equal scores where `order[r] < order[s]`, which is how
    trec_eval ranks ties (facts: pytrec_eval-terrier 0.5.11).
    """
    descending = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    order = np.empty(len(ids), dtype=np.int64)
    order[descending] = np.arange(len(ids), dtype=np.int64)
    return order


def top_k(
    scores: FloatVector,
    order: IntVector,
    k: int,
    excluded_rows: IntRows | None = None,
) -> IntRows:
    """Return the rows of the best `k` documents, best first: intp `[min(k, n - excluded)]`.

    `scores` is float32 `[n]`, `order` is `id_order` of the same rows. `excluded_rows` (repeats
    allowed) are taken out before the cut, so they never cost a place. Equal scores stand by
    `order`, at the cut as well.

    Raises:
        ValueError: `k` is below 1, or `scores` is not float32 of `order`'s length.
        ModelError: a score that is not finite.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if scores.dtype != np.float32 or scores.shape != order.shape:
        raise ValueError(f"scores are {scores.dtype} {scores.shape}, order is {order.shape}")
    check_finite(scores)
    kept, excluded = _without(scores, excluded_rows)
    places = min(k, len(scores) - excluded)
    if places == 0:
        return np.empty(0, dtype=np.intp)
    # Everything at the cut's score stays a candidate, so that ties there are settled by id.
    cut = np.partition(kept, len(kept) - places)[len(kept) - places]
    candidates = _best_of_ties(np.flatnonzero(kept >= cut), kept, order, places)
    return candidates[np.lexsort((order[candidates], -kept[candidates]))]


def check_finite(scores: NDArray[np.floating]) -> None:
    """Raise `ModelError` when a score is NaN or infinite."""
    if not np.isfinite(scores).all():
        bad = scores[~np.isfinite(scores)][0]
        raise ModelError(
            f"a score is {bad}, and a ranking needs finite numbers",
            fix="Look for an empty or all-zero vector, an overflow in half precision, or weights "
            "that hold NaN; with a float16 model try --dtype float32.",
        )


def _without(scores: FloatVector, excluded_rows: IntRows | None) -> tuple[FloatVector, int]:
    """Return scores in which excluded rows are below every finite one, and how many they are.

    A copy with holes is several times cheaper than gathering the rows that stay.
    """
    if excluded_rows is None or len(excluded_rows) == 0:
        return scores, 0
    masked = scores.copy()
    masked[excluded_rows] = -np.inf
    return masked, int(np.count_nonzero(np.isneginf(masked)))


def _best_of_ties(candidates: IntRows, scores: FloatVector, order: IntVector, k: int) -> IntRows:
    """Cut candidates that only tie at the last place, so that the sort stays near `k` rows."""
    surplus = len(candidates) - k
    if surplus <= 0:
        return candidates
    values = scores[candidates]
    lowest = values.min()
    tied = candidates[values == lowest]
    room = len(tied) - surplus
    best = tied[np.argpartition(order[tied], room - 1)[:room]]
    return np.concatenate((candidates[values > lowest], best))
