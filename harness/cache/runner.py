"""One batch through the model: out-of-memory back-off and checked rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.cache.checks import check_counts, check_rows
from harness.core.errors import ModelError, OutOfMemory
from harness.core.protocols import Embedder, Reporter
from harness.core.types import Role, VectorSpace

if TYPE_CHECKING:
    from harness.cache.plan import Batch
    from harness.core.types import FloatMatrix, IntVector

COUNT_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Input:
    """What stays the same for all texts of one encoding: role, instruction and their space."""

    role: Role
    instruction: str
    space: VectorSpace


@dataclass(frozen=True, slots=True)
class Feed:
    """The caller's side: what is still needed of a batch, and word of what is finished.

    Both are called one at a time. `remaining` returns None for a batch that is stored;
    `finished` gets texts, tokens after truncation, and whether they were encoded here.
    """

    remaining: Callable[[Batch], Batch | None]
    finished: Callable[[int, int, bool], None]


class BatchEncoder:
    """Encodes batches with one embedder; learns the budget that fits its memory.

    `tokens` counts what went through the model so far, after truncation and without padding.
    """

    def __init__(self, embedder: Embedder, source: Input) -> None:
        self._embedder = embedder
        self._source = source
        self._budget = 0
        self.tokens = 0

    def encode(self, batch: Batch) -> FloatMatrix:
        """Return float32 `[n, d]` for a batch, in as many calls as memory asks for.

        Raises `ModelError` for unusable rows, or for a single text that does not fit.
        """
        queue = deque([batch])
        done: list[FloatMatrix] = []
        while queue:
            pieces = queue.popleft().within(self._budget)
            if len(pieces) > 1:
                queue.extendleft(reversed(pieces))
                continue
            vectors = self._attempt(pieces[0])
            # The retry stands outside the handler: an exception being handled keeps the frames,
            # and with them the memory, of the attempt that failed.
            if vectors is None:
                self._budget = self._smaller(pieces[0])
                queue.appendleft(pieces[0])
            else:
                check_rows(vectors, pieces[0], self._source.space, self._embedder.name)
                done.append(vectors)
        self.tokens += int(batch.lengths.sum())
        return done[0] if len(done) == 1 else np.concatenate(done)

    def _smaller(self, batch: Batch) -> int:
        """Return half of what did not fit, for this batch and all later ones."""
        if len(batch) == 1:
            raise ModelError(
                f"a text of {int(batch.lengths[0]):,} tokens ({len(batch.texts[0]):,} characters) "
                f"does not fit into the device's memory with model {self._embedder.name!r}",
                fix="Use a larger device, a smaller dtype (--dtype bfloat16) or a lower maximum "
                "length.",
            )
        return max(1, batch.padded // 2)

    def _attempt(self, batch: Batch) -> FloatMatrix | None:
        """Return the vectors, or None where the batch did not fit."""
        try:
            return self._embedder.encode(
                batch.texts, role=self._source.role, instruction=self._source.instruction
            )
        except OutOfMemory:
            return None


def encode_here(
    encoder: BatchEncoder,
    batches: Iterable[Batch],
    feed: Feed,
    keep: Callable[[Batch, FloatMatrix], None],
) -> None:
    """Encode in this process what the feed says remains of each batch, and hand it to `keep`."""
    for batch in batches:
        todo = feed.remaining(batch)
        if todo is None or len(todo) < len(batch):
            feed.finished(len(batch) - len(todo or ()), 0, False)
        if todo is not None:
            before = encoder.tokens
            keep(todo, encoder.encode(todo))
            feed.finished(len(todo), encoder.tokens - before, True)


def count_tokens(
    embedder: Embedder, texts: Sequence[str], source: Input, reporter: Reporter
) -> IntVector:
    """Return tokens per text before truncation, instruction included: int64 `[n]`, checked."""
    parts = [np.empty(0, dtype=np.int64)]
    if not texts:
        return parts[0]
    with reporter.bar("counting tokens", len(texts), "texts") as advance:
        for start in range(0, len(texts), COUNT_AT_ONCE):
            some = texts[start : start + COUNT_AT_ONCE]
            counts = embedder.token_counts(some, source.role, source.instruction)
            check_counts(counts, len(some), embedder.name)
            parts.append(counts.astype(np.int64, copy=False))
            advance(len(some))
    return np.concatenate(parts)
