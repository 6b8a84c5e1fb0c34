"""Exact top-k over one query's scores: mask first, then cut, ties by document id descending."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.core.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import FloatVector, IntVector

    IntRows: TypeAlias = NDArray[np.intp]


SAMPLE_STEP = 32
"""Every so-manieth score is looked at first, to guess where the cut will be."""


def id_order(ids: Sequence[str]) -> IntVector:
    """Return each row's place when ids are sorted descending by code point: int64 `[n]`.

    Row `r` comes before row `s` among equal scores where `order[r] < order[s]`, which is how
    trec_eval ranks ties (facts: pytrec_eval-terrier 0.5.11).
    """
    descending = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    order = np.empty(len(ids), dtype=np.int64)
    order[descending] = np.arange(len(ids), dtype=np.int64)
    return order


class IdOrder:
    """`id_order` of some rows of a corpus; all ids are sorted only once it is worth it."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._sorted = 0

    def __len__(self) -> int:
        """Return the number of rows of the corpus."""
        return len(self._ids)

    def of(self, rows: IntRows) -> IntVector:
        """Return numbers by which `rows` stand as their ids do: int64, as many as rows."""
        self._sorted += len(rows)
        if self._sorted > len(self._ids):
            return self._all[rows]
        return id_order([self._ids[row] for row in rows.tolist()])

    @cached_property
    def _all(self) -> IntVector:
        return id_order(self._ids)


def top_k(
    scores: FloatVector,
    order: IdOrder,
    k: int,
    excluded_rows: IntRows | None = None,
) -> IntRows:
    """Return the rows of the best `k` documents, best first: intp `[min(k, n - excluded)]`.

    `scores` is float32 `[n]`, `order` that of the same rows. `excluded_rows` (repeats allowed)
    are taken out before the cut, so they never cost a place. Equal scores stand by `order`, at
    the cut as well.

    Raises:
        ValueError: `k` is below 1, or `scores` is not float32 of `order`'s length.
        ModelError: a score that is not finite.
    """
    check_asked(scores, order, k)
    kept, excluded = _without(scores, excluded_rows)
    places = min(k, len(scores) - excluded)
    if places == 0:
        return np.empty(0, dtype=np.intp)
    return best_of(candidate_rows(kept, places), kept, order, places)


def check_asked(scores: FloatVector, order: IdOrder, k: int) -> None:
    """Raise what `top_k` raises for arguments that it cannot rank by."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if scores.dtype != np.float32 or scores.shape != (len(order),):
        raise ValueError(f"scores are {scores.dtype} {scores.shape}, order is of {len(order)}")
    check_finite(scores)


def candidate_rows(scores: FloatVector, k: int) -> IntRows:
    """Return all rows whose score reaches some floor, at least `k` of n: intp, ascending.

    Whatever ties with one of them is among them. The floor is guessed from a sample so that about
    twice `k` rows depth it, and is the exact cut where the guess was wrong: several times faster
    than finding that cut among all.
    """
    sample = scores[::SAMPLE_STEP]
    expected = k / SAMPLE_STEP
    # Eight deviations of the count above what is expected: too high a floor is next to impossible
    # in a corpus that has no order of its own.
    rank = int(expected + 8 * expected**0.5) + 8
    if 4 * rank < len(sample):
        rows = np.flatnonzero(scores >= _kth_largest(sample, rank))
        if len(rows) >= k:
            return rows
    return np.flatnonzero(scores >= _kth_largest(scores, k))


def at_least(rows: IntRows, scores: FloatVector, k: int) -> IntRows:
    """Return those of `rows` whose score is at least the `k`-th best of theirs: ties stay."""
    values = scores[rows]
    return rows[values >= _kth_largest(values, k)] if len(rows) > k else rows


def best_of(rows: IntRows, scores: FloatVector, order: IdOrder, k: int) -> IntRows:
    """Return the best `k` of these rows, or all where they are fewer, best first."""
    rows = _best_of_ties(at_least(rows, scores, k), scores, order, k)
    values = scores[rows]
    ranked = np.argsort(-values, kind="stable")
    rows, values = rows[ranked], values[ranked]
    if (values[1:] == values[:-1]).any():
        rows = rows[np.lexsort((order.of(rows), -values))]
    return rows


def _kth_largest(values: FloatVector, k: int) -> np.float32:
    """Return the k-th largest value, k from 1."""
    place = len(values) - k
    return np.float32(np.partition(values, place)[place])


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


def _best_of_ties(candidates: IntRows, scores: FloatVector, order: IdOrder, k: int) -> IntRows:
    """Cut candidates that only tie at the last place, so that the sort stays near `k` rows."""
    surplus = len(candidates) - k
    if surplus <= 0:
        return candidates
    values = scores[candidates]
    lowest = values.min()
    tied = candidates[values == lowest]
    room = len(tied) - surplus
    best = tied[np.argpartition(order.of(tied), room - 1)[:room]]
    return np.concatenate((candidates[values > lowest], best))


BEYOND = 1.25
"""How far beyond `k` is looked first: few of the best are excluded in most collections."""
TIES = 4
"""Candidates, as a multiple of those looked for, from which masking rows is the cheaper way."""


class TopKRanker:
    """Ranks the rows of a corpus whose ids are `ids`; ids that it lacks exclude nothing.

    A query of BRIGHT's aops excludes up to 11,000 documents. Looking all of them up costs as much
    as the whole search, so the candidates at the top are looked up among the excluded instead.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self.order = IdOrder(ids)

    def best(self, scores: FloatVector, k: int, excluded: Collection[str]) -> IntRows:
        """Return what `top_k` returns with the rows of `excluded` (a set) taken out.

        `scores` is float32 `[n]`. Raises what `top_k` raises.
        """
        if excluded:
            check_asked(scores, self.order, k)
            safe_depth = k + len(excluded)
            for depth in (min(int(BEYOND * k), safe_depth), safe_depth):
                if (found := self._among(scores, k, excluded, depth)) is not None:
                    return found
        return top_k(scores, self.order, k, self.rows_of(excluded))

    def rows_of(self, ids: Collection[str]) -> IntRows:
        """Return the rows of those ids that the corpus has: intp, in no order."""
        rows = np.fromiter(map(self._row_of.get, ids, repeat(-1)), np.intp, count=len(ids))
        return rows[rows >= 0]

    def _among(
        self, scores: FloatVector, k: int, excluded: Collection[str], depth: int
    ) -> IntRows | None:
        """Return the best `k` rows if those with the `depth` best scores hold as many.

        Whatever has one of these scores is looked at, so that ties at the cut are settled by id.
        `None` where too many tie, or too few are left.
        """
        if depth >= len(scores):
            return None
        rows = at_least(candidate_rows(scores, depth), scores, depth)
        if len(rows) > TIES * depth:
            return None
        ids = map(self._ids.__getitem__, rows.tolist())
        left_out = np.fromiter(map(excluded.__contains__, ids), np.bool_, count=len(rows))
        allowed = rows[~left_out]
        return best_of(allowed, scores, self.order, k) if len(allowed) >= k else None

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self._ids)}
