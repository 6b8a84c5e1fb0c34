"""Dense vectors: float32 `[n, d]`, row after row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.cache.codecs.codec import (
    CountedTexts,
    Gathered,
    Layout,
    check_norms,
    check_shape,
    fix_for,
    shown,
)
from harness.cache.codecs.values import (
    ITEM_BYTES,
    pack_values,
    smallest_lossless_dtype,
    unpack_values,
)
from harness.core.errors import ModelError
from harness.core.memory import Room

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import Distinct
    from harness.core.types import FloatMatrix, IntVector, VectorKind, VectorSpace

COPY_ROWS = 1024


class DenseCodec:
    """Float32 `[n, d]`, stored in the narrowest of bfloat16, float16 and float32."""

    kind: VectorKind = "dense"
    schema = 1

    def check(
        self, vectors: FloatMatrix, batch: CountedTexts, space: VectorSpace, model: str
    ) -> None:
        """Raise `ModelError` unless `vectors` is finite float32 `[n, d]` as the space says.

        Where the space is normalised each norm is 1 within the dtype's tolerance. A zero row is
        right only for a text without tokens: static models have nothing to average there.
        """
        check_shape(vectors.shape, batch, space, model)
        if vectors.dtype != np.float32:
            raise ModelError(
                f"model {model!r} returned {vectors.dtype} vectors",
                fix="The backend must return float32, whatever dtype it computes in.",
            )
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise ModelError(
                f"model {model!r} returned {len(bad)} of {len(batch.texts)} vectors that are not "
                f"finite, the first for {shown(batch, int(bad[0]))}",
                fix=fix_for(space),
            )
        _check_norms(vectors, batch, space, model)

    def rows(self, vectors: FloatMatrix) -> int:
        """Return n."""
        return len(vectors)

    def nbytes(self, vectors: FloatMatrix) -> int:
        """Return the matrix' bytes."""
        return vectors.nbytes

    def take(self, vectors: FloatMatrix, rows: IntVector) -> FloatMatrix:
        """Return a copy of these rows."""
        return vectors[rows]

    def concatenate(self, parts: Sequence[FloatMatrix]) -> FloatMatrix:
        """Return the parts below each other."""
        return np.concatenate(parts)

    def pack(self, vectors: FloatMatrix) -> tuple[Layout, bytes]:
        """Return the rows one after another."""
        if vectors.ndim != 2:
            raise ValueError(f"dense vectors of shape {vectors.shape}")
        storage = smallest_lossless_dtype(vectors)
        rows, dimension = vectors.shape
        return Layout(rows, dimension, storage, rows), pack_values(vectors, storage)

    def body_bytes(self, layout: Layout) -> int:
        """Return the bytes of all components."""
        return layout.rows * layout.dimension * ITEM_BYTES[layout.storage]

    def unpack(self, body: NDArray[np.uint8], layout: Layout) -> FloatMatrix:
        """Return float32 `[rows, dimension]`; stored float32 is not copied."""
        return unpack_values(body, layout.storage).reshape(layout.rows, layout.dimension)

    def collector(self, distinct: Distinct, model: str, room: Room | None = None) -> RowMatrix:
        """Return an empty matrix, allocated when the dimension is known."""
        return RowMatrix(distinct, model, room)


class RowMatrix(Gathered):
    """Float32 `[n, d]` for n texts; allocated when d is known, in memory or in a mapped file."""

    def __init__(self, distinct: Distinct, model: str, room: Room | None = None) -> None:
        super().__init__(distinct, model)
        self._room = room or Room()
        self._values: FloatMatrix = np.empty((0, 0), dtype=np.float32)

    def put(self, rows: IntVector, vectors: FloatMatrix) -> None:
        """Store the vectors float32 `[r, d]` of distinct texts `rows`."""
        self.fill(rows, vectors.shape[1])
        if not self._values.size:
            self._values = self._room.matrix(len(self._distinct.inverse), vectors.shape[1])
        self._values[self._distinct.first[rows]] = vectors

    def finish(self) -> FloatMatrix:
        """Copy repeated texts' rows and return the matrix; all m must be filled.

        Raises `ValueError` otherwise.
        """
        source = self.first_places()
        repeats = np.flatnonzero(source != np.arange(len(source)))
        # In pieces: a corpus may be half repeats, and a fancy index copies what it selects.
        for start in range(0, len(repeats), COPY_ROWS):
            part = repeats[start : start + COPY_ROWS]
            self._values[part] = self._values[source[part]]
        return self._values


def _check_norms(vectors: FloatMatrix, batch: CountedTexts, space: VectorSpace, model: str) -> None:
    """Raise `ModelError` for a zero row of a text with tokens, or a norm that is not 1."""
    something = np.asarray(vectors.any(axis=1))
    empty = np.flatnonzero(~something & (batch.counts > 0))
    if len(empty):
        raise ModelError(
            f"model {model!r} returned {len(empty)} zero vectors for texts that have tokens, the "
            f"first for {shown(batch, int(empty[0]))}",
            fix=fix_for(space),
        )
    if not space.normalize:
        return
    check_norms(vectors[something], space, model)
