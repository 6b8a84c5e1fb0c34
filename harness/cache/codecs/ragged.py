"""What the codecs share whose texts differ in how many items they have: terms, or tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from harness.cache.codecs.codec import Gathered, V

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import Distinct
    from harness.core.types import IntVector

COUNT_BYTES = 4
"""A text's number of items on disk: uint32."""


@dataclass(frozen=True, slots=True)
class Items:
    """What texts hold: how many items each has, and arrays of all of them one after another.

    `dimension` is that of the vectors; `lengths` is int64 `[texts]`.
    """

    dimension: int
    lengths: IntVector
    arrays: Sequence[NDArray[Any]]


class RaggedParts(Gathered, ABC, Generic[V]):
    """Vectors of n texts in parts as they come, in one piece at the end."""

    def __init__(self, distinct: Distinct, model: str) -> None:
        super().__init__(distinct, model)
        self._parts: list[tuple[IntVector, Sequence[NDArray[Any]]]] = []
        self._lengths = np.zeros(len(distinct), dtype=np.int64)

    @abstractmethod
    def _taken(self, vectors: V) -> Items:
        """Return the items of some texts."""

    @abstractmethod
    def _made(self, arrays: Sequence[NDArray[Any]], starts: IntVector) -> V:
        """Return the vectors whose text r has the items from `starts[r]` on."""

    def put(self, rows: IntVector, vectors: V) -> None:
        """Store the vectors of distinct texts `rows`."""
        items = self._taken(vectors)
        self.fill(rows, items.dimension)
        # Copies: what was read from a shard lasts only until the next one is.
        self._parts.append((rows, [each.copy() for each in items.arrays]))
        self._lengths[rows] = items.lengths

    def finish(self) -> V:
        """Return the vectors of all n texts; `ValueError` unless all m are there."""
        source = self.first_places()
        first, inverse = self._distinct.first, self._distinct.inverse
        starts = starts_of(self._lengths[inverse])
        whole = [
            np.empty((int(starts[-1]), *each.shape[1:]), dtype=each.dtype)
            for each in self._parts[0][1]
        ]
        while self._parts:
            rows, arrays = self._parts.pop()
            to = places(starts[first[rows]], self._lengths[rows])
            for target, array in zip(whole, arrays, strict=True):
                target[to] = array
        repeats = np.flatnonzero(source != np.arange(len(source)))
        lengths = np.diff(starts)[repeats]
        to, of = places(starts[repeats], lengths), places(starts[source[repeats]], lengths)
        for target in whole:
            target[to] = target[of]
        return self._made(whole, starts)


def starts_of(lengths: IntVector) -> IntVector:
    """Return where each text's items begin, and the end of the last: int64 `[n + 1]`."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def places(starts: IntVector, lengths: IntVector) -> IntVector:
    """Return the places of rows that begin at `starts` and hold `lengths` items, row by row."""
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    each: IntVector = shift + np.arange(len(shift), dtype=np.int64)
    return each
