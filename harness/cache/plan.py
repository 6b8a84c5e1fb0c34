"""The plan: which texts share a batch, decided by the whole set of texts and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.cache.keys import key_words

if TYPE_CHECKING:
    from harness.cache.keys import Distinct, KeyMatrix
    from harness.core.types import IntVector

MAX_ROWS = 4096
"""Texts in one batch at most, so that short texts and budgets of 0 leave batches to keep."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that are encoded in one call, with their rows among the distinct texts.

    `keys` is uint8 `[n, 32]`, `counts` int64 `[n]` tokens before truncation, `lengths` int64
    `[n]` after it.
    """

    rows: IntVector
    texts: tuple[str, ...]
    keys: KeyMatrix
    counts: IntVector
    lengths: IntVector

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)

    @property
    def padded(self) -> int:
        """Return the tokens the model sees when every text is padded to the longest."""
        return len(self) * max(1, int(self.lengths.max(initial=0)))

    def take(self, places: IntVector) -> Batch:
        """Return the batch of the texts at these places."""
        return Batch(
            rows=self.rows[places],
            texts=tuple(self.texts[place] for place in places),
            keys=self.keys[places],
            counts=self.counts[places],
            lengths=self.lengths[places],
        )

    def within(self, budget: int) -> list[Batch]:
        """Return this batch cut, in its order, into ones of at most `budget` padded tokens."""
        if budget <= 0 or self.padded <= budget:
            return [self]
        return [self.take(part) for part in cut(self.lengths, budget)]


def plan_batches(distinct: Distinct, counts: IntVector, limit: int, budget: int) -> list[Batch]:
    """Return batches of all distinct texts, longest first, each within `budget` padded tokens.

    `counts` is int64 `[m]` before truncation to `limit` tokens (0: none). What is stored already
    plays no part, and texts of equal length stand by key, so a killed run's batches come out
    the same when it is resumed, whatever order the texts are in.
    """
    lengths = np.minimum(counts, limit) if limit > 0 else counts
    words = key_words(distinct.keys)
    order = np.lexsort((*words.T[::-1], -lengths))
    return [
        Batch(
            rows=rows,
            texts=tuple(distinct.texts[row] for row in rows),
            keys=distinct.keys[rows],
            counts=counts[rows],
            lengths=lengths[rows],
        )
        for rows in (order[part] for part in cut(lengths[order], budget))
    ]


def cut(lengths: IntVector, budget: int) -> list[IntVector]:
    """Cut places 0 … n-1 into runs of at most `budget` padded tokens and `MAX_ROWS` texts.

    `lengths` is int64 `[n]`, non-increasing; a budget of 0 sets no limit on tokens; a text
    longer than the budget has a run of its own.
    """
    parts = []
    start = 0
    while start < len(lengths):
        longest = max(1, int(lengths[start]))
        rows = min(MAX_ROWS, max(1, budget // longest)) if budget > 0 else MAX_ROWS
        stop = min(len(lengths), start + rows)
        parts.append(np.arange(start, stop, dtype=np.int64))
        start = stop
    return parts
