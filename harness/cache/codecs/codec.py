"""What the store asks of a kind of vector: check, cut, join, write as bytes, read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from harness.core.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import Distinct
    from harness.core.memory import Room
    from harness.core.types import FloatMatrix, IntVector, VectorKind, VectorSpace

NORM_TOLERANCE = {"float32": 1e-3, "float16": 4e-3, "bfloat16": 3.2e-2}
"""How far a norm may be from 1: a few units in the last place of a norm rounded to the dtype
(2^-11 for float16, 2^-8 for bfloat16), and room for float32 sums of any order."""
LOOSE_TOLERANCE = 3.2e-2
"""For servers that do not say what they compute in, and for vectors that are rounded."""
V = TypeVar("V")
"""The vectors of n texts in memory, as `Codec.kind` has them."""


class CountedTexts(Protocol):
    """Texts that were encoded together, with their token counts, int64 `[n]`."""

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts."""

    @property
    def counts(self) -> IntVector:
        """Return the tokens of each text before truncation."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a shard's header says of its vectors, enough to know their bytes.

    `dimension` is that of one vector, `storage` a key of `values.ITEM_BYTES`; `items` counts what
    the rows hold together where rows differ in length (non-zero components, tokens), else rows.
    """

    rows: int
    dimension: int
    storage: str
    items: int


class Collector(Protocol[V]):
    """Gathers the vectors of n texts, of which m are distinct, in any order.

    `filled` is bool `[m]`: which distinct texts have their vector.
    """

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Return which distinct texts have their vector: bool `[m]`."""

    def put(self, rows: IntVector, vectors: V) -> None:
        """Copy the vectors of distinct texts `rows`.

        Raises `ModelError` if their dimension differs from that of earlier ones.
        """

    def finish(self) -> V:
        """Return the vectors of all n texts in their order; `ValueError` if some are missing."""


class Codec(Protocol[V]):
    """One kind of vector. Checksums, resuming, claims and sharing are the store's, for all kinds.

    `schema` is the first schema of shard files that knows the kind: an older rebench then says
    that the shard is newer, and not that it is damaged.
    """

    @property
    def kind(self) -> VectorKind:
        """Return the kind's name in a space and in a shard's header."""

    @property
    def schema(self) -> int:
        """Return the schema number of this kind's shards."""

    def check(self, vectors: V, batch: CountedTexts, space: VectorSpace, model: str) -> None:
        """Raise `ModelError` for anything that is no usable vector for each text."""

    def rows(self, vectors: V) -> int:
        """Return the number of texts."""

    def nbytes(self, vectors: V) -> int:
        """Return the memory that the vectors take."""

    def take(self, vectors: V, rows: IntVector) -> V:
        """Return a copy of these rows' vectors."""

    def concatenate(self, parts: Sequence[V]) -> V:
        """Return the vectors of all parts, which are at least one."""

    def pack(self, vectors: V) -> tuple[Layout, bytes]:
        """Return the layout and the bytes; nothing is lost. Raises `ValueError` for a bad shape."""

    def body_bytes(self, layout: Layout) -> int:
        """Return the length of what `pack` returned with this layout."""

    def unpack(self, body: NDArray[np.uint8], layout: Layout) -> V:
        """Return the vectors in checked bytes; they may share the memory of `body`."""

    def collector(self, distinct: Distinct, model: str, room: Room | None = None) -> Collector[V]:
        """Return an empty collector for these texts; `room` says what is mapped from a file."""


class Gathered:
    """Which of n texts, m of them distinct, have their vector so far; collectors build on it.

    `filled` is bool `[m]`.
    """

    def __init__(self, distinct: Distinct, model: str) -> None:
        self._distinct = distinct
        self._model = model
        self._dimension = 0
        self.filled = np.zeros(len(distinct), dtype=np.bool_)

    def fill(self, rows: IntVector, dimension: int) -> None:
        """Note that distinct texts `rows` have vectors; `ModelError` for another dimension."""
        self._dimension = self._dimension or dimension
        if dimension != self._dimension:
            raise ModelError(
                f"vectors of one space have {self._dimension} and {dimension} components "
                f"(model {self._model!r})",
                fix="The model has changed under one identity: drop what is stored with "
                f"`rebench cache gc --model {self._model}` and run again.",
            )
        self.filled[rows] = True

    def first_places(self) -> IntVector:
        """Return where each of the n texts stands first, int64 `[n]`.

        Raises `ValueError` unless all m have their vector.
        """
        if not self._dimension or not self.filled.all():
            raise ValueError(f"{int((~self.filled).sum())} texts have no vector")
        places: IntVector = self._distinct.first[self._distinct.inverse]
        return places


def check_shape(
    shape: tuple[int, ...], batch: CountedTexts, space: VectorSpace, model: str
) -> None:
    """Raise `ModelError` unless a matrix has a row for each text and the card's dimension."""
    if len(shape) != 2 or shape[0] != len(batch.texts) or not shape[1]:
        raise ModelError(
            f"model {model!r} returned {space.kind} vectors of shape {shape} for "
            f"{len(batch.texts)} texts",
            fix="The backend must return one row a text; check its version or its server.",
        )
    if space.dimension and shape[1] != space.dimension:
        raise ModelError(
            f"model {model!r} returned {shape[1]:,} components; its card says {space.dimension:,}",
            fix="Correct the card's dimension, or check which weights are loaded.",
        )


def check_norms(
    vectors: FloatMatrix, space: VectorSpace, model: str, *, rounded: bool = False
) -> None:
    """Raise `ModelError` for a vector whose norm is not 1 within the space's tolerance."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    tolerance = NORM_TOLERANCE.get(space.dtype, LOOSE_TOLERANCE)
    tolerance = LOOSE_TOLERANCE if rounded else tolerance
    wrong = np.flatnonzero(np.abs(norms - 1) > tolerance)
    if len(wrong):
        raise ModelError(
            f"model {model!r} should return vectors of norm 1; {len(wrong)} of {len(vectors)} "
            f"differ by more than {tolerance}, the first has {float(norms[wrong[0]]):.4f}",
            fix="Set normalize = false in the model's card if that is how it is meant to be run.",
        )


def fix_for(space: VectorSpace) -> str:
    """Return what to do about vectors that are none: a server takes no flags of ours."""
    if space.backend == "http":
        return (
            "Run the command again in a few minutes, or restart the server: some return such "
            "vectors while they load. If it stays, the server's weights are damaged."
        )
    return "Try --dtype float32; if it stays, the weights are damaged."


def shown(batch: CountedTexts, place: int) -> str:
    """Return the start of a text, quoted, with its tokens."""
    return f"{batch.texts[place][:60]!r} ({int(batch.counts[place]):,} tokens)"
