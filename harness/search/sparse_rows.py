"""Sparse rows made smaller or scaled: the heaviest terms of each, norm 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.core.types import IntVector, SparseRows


@dataclass(frozen=True, slots=True)
class Pruned:
    """Rows cut to their heaviest terms, and what that took.

    `cut` counts the rows that lost a term; `kept` is the mean share of a row's weight that is
    left, 0 to 1 (rows without a term not counted).
    """

    rows: SparseRows
    cut: int
    kept: float


def prune(rows: SparseRows, most: int) -> Pruned:
    """Keep the `most` heaviest terms of each CSR row (0: all); equal weights by term number.

    Weights are compared by size, as sentence-transformers' `max_active_dims` does.
    """
    lengths = np.diff(rows.indptr)
    if most <= 0 or not (lengths > most).any():
        return Pruned(rows, 0, 1.0)
    numbers = _row_numbers(rows)
    sizes = np.abs(rows.data)
    order = np.lexsort((rows.indices, -sizes, numbers))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - rows.indptr[:-1].astype(np.int64)[numbers]
    left = rank < most
    before = np.bincount(numbers, sizes, rows.shape[0])
    after = np.bincount(numbers[left], sizes[left], rows.shape[0])
    some = before > 0
    starts = np.concatenate(([0], np.cumsum(np.minimum(lengths, most))))
    kept = type(rows)(
        (rows.data[left], rows.indices[left], starts.astype(rows.indptr.dtype)), shape=rows.shape
    )
    return Pruned(kept, int((lengths > most).sum()), float(np.mean(after[some] / before[some])))


def unit_rows(rows: SparseRows) -> SparseRows:
    """Return CSR rows of norm 1; a row without a term stays as it is."""
    norms = np.sqrt(np.bincount(_row_numbers(rows), rows.data**2, rows.shape[0]))
    scaled = rows.copy()
    scaled.data /= norms[_row_numbers(rows)].astype(np.float32)
    return scaled


def _row_numbers(rows: SparseRows) -> IntVector:
    """Return the row of each stored weight."""
    return np.repeat(np.arange(rows.shape[0], dtype=np.int64), np.diff(rows.indptr))
