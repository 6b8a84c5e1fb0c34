"""Token vectors for late interaction: one matrix a text, `[its tokens, d]`, of differing lengths.

A shard's bytes are the number of tokens of each text (uint32), zeros up to a multiple of 8, then
the vectors of all tokens. Rounded to int8 these are one float32 scale a token, then its
components as whole numbers of -127 to 127; else the narrowest floats that lose no bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.cache.codecs.codec import (
    CountedTexts,
    Layout,
    check_norms,
    check_shape,
    fix_for,
    shown,
)
from harness.cache.codecs.ragged import COUNT_BYTES, Items, RaggedParts, places, starts_of
from harness.cache.codecs.values import (
    ITEM_BYTES,
    pack_values,
    smallest_lossless_dtype,
    unpack_values,
)
from harness.core.errors import ModelError
from harness.core.rounding import INT8, INT8_SCALE_BYTES, as_int8, from_int8
from harness.core.types import TokenVectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import Distinct
    from harness.core.memory import Room
    from harness.core.types import IntVector, VectorKind, VectorSpace

ALIGN = 8


class MultiVectorCodec:
    """Float32 token vectors, stored as they were rounded: int8, bfloat16, float16 or float32."""

    kind: VectorKind = "multi-vector"
    schema = 3

    def check(
        self, vectors: TokenVectors, batch: CountedTexts, space: VectorSpace, model: str
    ) -> None:
        """Raise `ModelError` unless each text has a matrix of finite float32 as the space says.

        A text may be left without tokens. Where the space is normalised each vector has norm 1,
        or is zero; a text with tokens must have one that is not zero.
        """
        values = vectors.values
        check_shape((len(vectors), *values.shape[1:]), batch, space, model)
        if values.dtype != np.float32 or int(vectors.starts[-1]) != len(values):
            raise ModelError(
                f"model {model!r} returned {len(values):,} token vectors of {values.dtype} for "
                f"texts that have {int(vectors.starts[-1]):,}",
                fix="The backend must return float32 and one vector a token.",
            )
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            row = int(np.searchsorted(vectors.starts, bad[0], side="right")) - 1
            raise ModelError(
                f"model {model!r} returned {len(bad):,} token vectors that are not finite, the "
                f"first for {shown(batch, row)}",
                fix=fix_for(space),
            )
        something: NDArray[np.bool_] = np.asarray(values.any(axis=1))
        texts = np.repeat(np.arange(len(vectors)), vectors.lengths)
        alive = np.bincount(texts[something], minlength=len(vectors))
        empty = np.flatnonzero((alive == 0) & (vectors.lengths > 0))
        if len(empty):
            raise ModelError(
                f"model {model!r} returned nothing but zeros for the tokens of {len(empty)} texts, "
                f"the first is {shown(batch, int(empty[0]))}",
                fix=fix_for(space),
            )
        if space.normalize:
            rounded = space.options.get("storage", "float32") != "float32"
            check_norms(values[something], space, model, rounded=rounded)

    def rows(self, vectors: TokenVectors) -> int:
        """Return n."""
        return len(vectors)

    def nbytes(self, vectors: TokenVectors) -> int:
        """Return the bytes of both arrays."""
        return int(vectors.values.nbytes + vectors.starts.nbytes)

    def take(self, vectors: TokenVectors, rows: IntVector) -> TokenVectors:
        """Return a copy of these texts' vectors."""
        lengths = vectors.lengths[rows]
        return TokenVectors(
            vectors.values[places(vectors.starts[rows], lengths)], starts_of(lengths)
        )

    def concatenate(self, parts: Sequence[TokenVectors]) -> TokenVectors:
        """Return the texts of all parts."""
        return TokenVectors(
            np.concatenate([part.values for part in parts]),
            starts_of(np.concatenate([part.lengths for part in parts])),
        )

    def pack(self, vectors: TokenVectors) -> tuple[Layout, bytes]:
        """Return the counts and the vectors."""
        tokens, dimension = vectors.values.shape
        counts = vectors.lengths.astype("<u4").tobytes()
        counts += bytes(-len(counts) % ALIGN)
        rounded = as_int8(vectors.values)
        if rounded is not None:
            scales, numbers = rounded
            storage, body = INT8, scales.astype("<f4").tobytes() + numbers.tobytes()
        else:
            storage = smallest_lossless_dtype(vectors.values)
            body = pack_values(vectors.values, storage)
        return Layout(len(vectors), dimension, storage, tokens), counts + body

    def body_bytes(self, layout: Layout) -> int:
        """Return the bytes of counts and vectors."""
        return _counts_bytes(layout.rows) + layout.items * token_bytes(
            layout.dimension, layout.storage
        )

    def unpack(self, body: NDArray[np.uint8], layout: Layout) -> TokenVectors:
        """Return the token vectors; stored float32 is not copied."""
        starts = starts_of(body[: layout.rows * COUNT_BYTES].view("<u4"))
        data = body[_counts_bytes(layout.rows) :]
        shape = (layout.items, layout.dimension)
        if layout.storage == INT8:
            scales = data[: layout.items * INT8_SCALE_BYTES].view("<f4")
            numbers = data[layout.items * INT8_SCALE_BYTES :].view(np.int8).reshape(shape)
            return TokenVectors(from_int8(scales, numbers), starts)
        return TokenVectors(unpack_values(data, layout.storage).reshape(shape), starts)

    def collector(self, distinct: Distinct, model: str, room: Room | None = None) -> TokenParts:
        """Return an empty collector, which is in memory whatever there is of it."""
        del room
        return TokenParts(distinct, model)


class TokenParts(RaggedParts[TokenVectors]):
    """Token vectors of n texts: parts as they come, one matrix at the end."""

    def _taken(self, vectors: TokenVectors) -> Items:
        return Items(int(vectors.values.shape[1]), vectors.lengths, (vectors.values,))

    def _made(self, arrays: Sequence[NDArray[Any]], starts: IntVector) -> TokenVectors:
        return TokenVectors(arrays[0], starts)


def token_bytes(dimension: int, storage: str) -> int:
    """Return the bytes that one token's vector takes on disk."""
    if storage == INT8:
        return dimension + INT8_SCALE_BYTES
    return dimension * ITEM_BYTES[storage]


def _counts_bytes(rows: int) -> int:
    """Return the bytes of the counts with the zeros behind them."""
    counts = rows * COUNT_BYTES
    return counts + -counts % ALIGN
