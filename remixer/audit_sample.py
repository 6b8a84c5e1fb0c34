"""The same few of many, whatever their order: those with the smallest hash."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class Smallest(Generic[T]):
    """Keeps the `size` items with the smallest (hash, number); all of them for size 0."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, int, T]] = []

    def offer(self, draw: int, number: int, item: T) -> None:
        """Keep an item if its draw is small enough; `number` is its own and settles ties."""
        entry = (-draw, -number, item)
        if not self._size or len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        elif entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def items(self) -> list[T]:
        """Return the kept items by number."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: -entry[1])]
