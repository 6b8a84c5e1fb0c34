"""Sparse vectors over a vocabulary: CSR rows `[n, vocabulary]` with float32 weights.

A shard's bytes are the number of terms of each row (uint32), then the rows' term numbers,
ascending within a row (uint16 for up to 65,536 terms, else uint32), then their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.cache.codecs.codec import CountedTexts, Layout, check_shape, fix_for, shown
from harness.cache.codecs.ragged import COUNT_BYTES, Items, RaggedParts, starts_of
from harness.cache.codecs.values import (
    ITEM_BYTES,
    pack_values,
    smallest_lossless_dtype,
    unpack_values,
)
from harness.core.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import Distinct
    from harness.core.memory import Room
    from harness.core.types import FloatVector, IntVector, SparseRows, VectorKind, VectorSpace

_SHORT_TERMS = 1 << 16


class SparseCodec:
    """SciPy CSR `[n, vocabulary]` in canonical form: term numbers ascend, no weight is zero."""

    kind: VectorKind = "sparse"
    schema = 2

    def check(
        self, vectors: SparseRows, batch: CountedTexts, space: VectorSpace, model: str
    ) -> None:
        """Raise `ModelError` unless `vectors` is canonical CSR with finite float32 weights.

        A row without a term is a text in which the model saw nothing; that is no error.
        """
        check_shape(vectors.shape, batch, space, model)
        if vectors.dtype != np.float32 or not vectors.has_canonical_format:
            raise ModelError(
                f"model {model!r} returned {vectors.dtype} weights, or terms out of order",
                fix="The backend must return float32 weights with each row's terms ascending.",
            )
        bad = np.flatnonzero(~np.isfinite(vectors.data))
        if len(bad):
            row = int(np.searchsorted(vectors.indptr, bad[0], side="right")) - 1
            raise ModelError(
                f"model {model!r} returned weights that are not finite, the first for "
                f"{shown(batch, row)}",
                fix=fix_for(space),
            )

    def rows(self, vectors: SparseRows) -> int:
        """Return n."""
        return int(vectors.shape[0])

    def nbytes(self, vectors: SparseRows) -> int:
        """Return the bytes of the three arrays."""
        return int(vectors.data.nbytes + vectors.indices.nbytes + vectors.indptr.nbytes)

    def take(self, vectors: SparseRows, rows: IntVector) -> SparseRows:
        """Return a copy of these rows."""
        return vectors[rows]

    def concatenate(self, parts: Sequence[SparseRows]) -> SparseRows:
        """Return the parts below each other."""
        from scipy.sparse import vstack

        return vstack(list(parts), format="csr")

    def pack(self, vectors: SparseRows) -> tuple[Layout, bytes]:
        """Return row lengths, term numbers and weights."""
        rows, dimension = vectors.shape
        storage = smallest_lossless_dtype(vectors.data)
        body = (
            np.diff(vectors.indptr).astype("<u4").tobytes(),
            vectors.indices.astype(_term_type(dimension)).tobytes(),
            pack_values(vectors.data, storage),
        )
        return Layout(rows, dimension, storage, int(vectors.nnz)), b"".join(body)

    def body_bytes(self, layout: Layout) -> int:
        """Return the bytes of the three parts."""
        per_term = _term_type(layout.dimension).itemsize + ITEM_BYTES[layout.storage]
        return layout.rows * COUNT_BYTES + layout.items * per_term

    def unpack(self, body: NDArray[np.uint8], layout: Layout) -> SparseRows:
        """Return CSR rows; stored float32 weights are not copied."""
        terms = _term_type(layout.dimension)
        terms_at = layout.rows * COUNT_BYTES
        weights_at = terms_at + layout.items * terms.itemsize
        starts = starts_of(body[:terms_at].view("<u4"))
        # A term's two bytes may leave the weights where no float may begin.
        weights = body[weights_at:]
        weights = weights if weights_at % COUNT_BYTES == 0 else weights.copy()
        numbers = body[terms_at:weights_at].view(terms)
        values = unpack_values(weights, layout.storage)
        return canonical_rows(values, numbers, starts, layout.dimension)

    def collector(self, distinct: Distinct, model: str, room: Room | None = None) -> RowParts:
        """Return an empty collector, which is in memory whatever there is of it."""
        del room
        return RowParts(distinct, model)


class RowParts(RaggedParts["SparseRows"]):
    """CSR rows of n texts: parts as they come, one matrix at the end."""

    def _taken(self, vectors: SparseRows) -> Items:
        arrays = (vectors.data, vectors.indices)
        return Items(int(vectors.shape[1]), np.diff(vectors.indptr), arrays)

    def _made(self, arrays: Sequence[NDArray[Any]], starts: IntVector) -> SparseRows:
        values, terms = arrays
        return canonical_rows(values, terms, starts, self._dimension)


def canonical_rows(
    values: FloatVector, terms: NDArray[Any], starts: IntVector, dimension: int
) -> SparseRows:
    """Return CSR `[n, dimension]` of weights and ascending term numbers, row r from `starts[r]`."""
    from scipy.sparse import csr_array

    kind = _index_type(len(values), dimension)
    rows = csr_array(
        (values, terms.astype(kind, copy=False), starts.astype(kind, copy=False)),
        shape=(len(starts) - 1, dimension),
    )
    rows.has_canonical_format = True
    return rows


def _term_type(dimension: int) -> np.dtype[Any]:
    """Return the type of term numbers on disk."""
    return np.dtype("<u2" if dimension <= _SHORT_TERMS else "<u4")


def _index_type(items: int, dimension: int) -> np.dtype[Any]:
    """Return the type of SciPy's index arrays: int32 as long as all numbers fit."""
    return np.dtype(np.int32 if max(items, dimension) < 2**31 else np.int64)
