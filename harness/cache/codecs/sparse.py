"""Sparse vectors over a vocabulary: CSR rows `[n, vocabulary]` with float32 weights.

A shard's bytes are the number of terms of each row (uint32), then the rows' term numbers,
ascending within a row (uint16 for up to 65,536 terms, else uint32), then their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.cache.codecs.codec import CountedTexts, Gathered, Layout, check_shape, fix_for, shown
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
    from harness.core.types import FloatVector, IntVector, SparseRows, VectorKind, VectorSpace

ROW_BYTES = 4
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
        return layout.rows * ROW_BYTES + layout.items * per_term

    def unpack(self, body: NDArray[np.uint8], layout: Layout) -> SparseRows:
        """Return CSR rows; stored float32 weights are not copied."""
        terms = _term_type(layout.dimension)
        terms_at = layout.rows * ROW_BYTES
        weights_at = terms_at + layout.items * terms.itemsize
        starts = np.zeros(layout.rows + 1, dtype=np.int64)
        np.cumsum(body[:terms_at].view("<u4"), out=starts[1:])
        # A term's two bytes may leave the weights where no float may begin.
        weights = body[weights_at:]
        weights = weights if weights_at % ROW_BYTES == 0 else weights.copy()
        numbers = body[terms_at:weights_at].view(terms)
        values = unpack_values(weights, layout.storage)
        return canonical_rows(values, numbers, starts, layout.dimension)

    def collector(self, distinct: Distinct, model: str) -> RowParts:
        """Return an empty collector."""
        return RowParts(distinct, model)


class RowParts(Gathered):
    """CSR rows of n texts: parts as they come, one matrix at the end."""

    def __init__(self, distinct: Distinct, model: str) -> None:
        super().__init__(distinct, model)
        self._parts: list[tuple[IntVector, SparseRows]] = []
        self._lengths = np.zeros(len(distinct), dtype=np.int64)

    def put(self, rows: IntVector, vectors: SparseRows) -> None:
        """Store the rows `[r, vocabulary]` of distinct texts `rows`."""
        self.fill(rows, int(vectors.shape[1]))
        # A copy: what was read from a shard lasts only until the next one is.
        self._parts.append((rows, vectors.copy()))
        self._lengths[rows] = np.diff(vectors.indptr)

    def finish(self) -> SparseRows:
        """Return CSR `[n, vocabulary]`; all m rows must be filled, else `ValueError`."""
        source = self.first_places()
        first, inverse = self._distinct.first, self._distinct.inverse
        starts = np.zeros(len(inverse) + 1, dtype=np.int64)
        np.cumsum(self._lengths[inverse], out=starts[1:])
        values = np.empty(starts[-1], dtype=np.float32)
        terms = np.empty(starts[-1], dtype=_index_type(int(starts[-1]), self._dimension))
        while self._parts:
            rows, part = self._parts.pop()
            to = _places(starts[first[rows]], self._lengths[rows])
            values[to], terms[to] = part.data, part.indices
        repeats = np.flatnonzero(source != np.arange(len(source)))
        lengths = np.diff(starts)[repeats]
        to, of = _places(starts[repeats], lengths), _places(starts[source[repeats]], lengths)
        values[to], terms[to] = values[of], terms[of]
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


def _places(starts: IntVector, lengths: IntVector) -> IntVector:
    """Return the places of rows that begin at `starts` and hold `lengths` items, row by row."""
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    places: IntVector = shift + np.arange(len(shift), dtype=np.int64)
    return places


def _term_type(dimension: int) -> np.dtype[Any]:
    """Return the type of term numbers on disk."""
    return np.dtype("<u2" if dimension <= _SHORT_TERMS else "<u4")


def _index_type(items: int, dimension: int) -> np.dtype[Any]:
    """Return the type of SciPy's index arrays: int32 as long as all numbers fit."""
    return np.dtype(np.int32 if max(items, dimension) < 2**31 else np.int64)
