"""Per-query values as arrays: checked, aligned over queries, and weighted by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.core.errors import BadInput, NotComparable

Values: TypeAlias = NDArray[np.float64]

CHUNK_CELLS = 1 << 20
"""Numbers in one block of signs or resampling weights: 8 MB each, whatever is asked for."""


def aligned(per_query: Sequence[Mapping[str, float]]) -> tuple[tuple[str, ...], Values]:
    """Return query ids and values `[entries, queries]`, columns in the first entry's order.

    Raises `NotComparable` when the entries were not measured on the same queries, and `BadInput`
    when there is no entry, no query or a value that is not finite.
    """
    if not per_query:
        raise BadInput("there is no entry to test", fix="Name at least one measured entry.")
    ids = tuple(per_query[0])
    for at, values in enumerate(per_query[1:], start=2):
        odd = sorted(values.keys() ^ per_query[0].keys())
        if odd:
            raise NotComparable(
                f"entries 1 and {at} differ in {len(odd)} of their queries, such as {odd[0]!r}",
                fix="Measure both on the same tasks and the same queries.",
            )
    return ids, as_rows([[values[qid] for qid in ids] for values in per_query])


def as_rows(values: ArrayLike) -> Values:
    """Return values as float64 `[rows, queries]`; raises `BadInput`, also for NaN."""
    rows = np.ascontiguousarray(values, dtype=np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise BadInput(
            f"per-query values of shape {rows.shape} cannot be tested",
            fix="Give at least one row of values with at least one query.",
        )
    if not np.isfinite(rows).all():
        row, query = np.argwhere(~np.isfinite(rows))[0]
        raise BadInput(
            f"row {row} holds {rows[row, query]} for query number {query}",
            fix="Score the run again: per-query values must be finite.",
        )
    return rows


def as_pair(a: ArrayLike, b: ArrayLike) -> tuple[Values, Values]:
    """Return two systems' values over the same queries, float64 `[n]`; raises `BadInput`."""
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise BadInput(
            f"paired values have the shapes {np.shape(a)} and {np.shape(b)}",
            fix="Give one value per query for both systems.",
        )
    rows = as_rows(np.stack([np.asarray(a), np.asarray(b)]))
    return rows[0], rows[1]


def check_count(name: str, count: int) -> None:
    """Raise `BadInput` unless a number of permutations or resamples is at least 1."""
    if count < 1:
        raise BadInput(f"{name} is {count}", fix=f"Give a number of {name} from 1, such as 10000.")


def macro_weights(tasks: Sequence[str]) -> Values:
    """Return each query's weight in the mean over tasks of the mean over queries, `[n]`.

    `tasks` names the task of each query. The weight is 1 / (number of tasks x queries of the
    task), so that `values @ macro_weights(tasks)` is the macro-mean; the weights sum to 1.
    """
    if not tasks:
        raise BadInput("there is no query to weight", fix="Give at least one query.")
    _, place, sizes = np.unique(np.asarray(tasks), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(sizes) * sizes[place]), dtype=np.float64)
