"""Texts to batches, and one batch through the model: planned, backed off, and checked."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from harness.cache.codecs.codec import Codec, V
from harness.cache.codecs.table import CODECS
from harness.cache.keys import key_words
from harness.core.errors import ModelError, OutOfMemory
from harness.core.protocols import Reporter, VectorEncoder
from harness.core.types import Role, VectorSpace

if TYPE_CHECKING:
    from harness.cache.keys import Distinct, KeyMatrix
    from harness.core.types import IntVector


MAX_ROWS = 4096
"""Texts in one batch at most, so that short texts and budgets of 0 leave batches to keep."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that are encoded in one call, with their rows among the distinct texts.

    `keys` is uint8 `[n, 32]`, `counts` int64 `[n]` tokens before truncation, `lengths` int64
    `[n]` after it. `name` is that of the planned batch, which its parts keep: the hash of its keys.
    """

    rows: IntVector
    texts: tuple[str, ...]
    keys: KeyMatrix
    counts: IntVector
    lengths: IntVector
    name: str

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
            name=self.name,
        )

    def split_to_budget(self, budget: int) -> list[Batch]:
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
            name=hashlib.sha256(distinct.keys[rows].tobytes()).hexdigest()[:32],
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


def check_counts(counts: IntVector, expected: int, model: str) -> None:
    """Raise `ModelError` unless there is one token count, 0 or more, for each text."""
    if counts.shape != (expected,) or (counts < 0).any():
        raise ModelError(
            f"model {model!r} counted the tokens of {expected} texts as an array of shape "
            f"{counts.shape}, least {counts.min(initial=0)}",
            fix="The backend must return one count a text; check its version.",
        )


COUNT_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class EncodingInput:
    """What stays the same for all texts of one encoding: role, instruction and their space."""

    role: Role
    instruction: str
    space: VectorSpace

    @classmethod
    def of(cls, embedder: VectorEncoder[Any], role: Role, instruction: str) -> EncodingInput:
        """Return the input of a role under an instruction, its space worked out once."""
        return cls(role, instruction, embedder.space(role, instruction))


@dataclass(frozen=True, slots=True)
class EncodingCallbacks:
    """The caller's side: what is still needed of a batch, and word of what is finished.

    Both are called one at a time. `remaining` returns None for a batch that is stored;
    `finished` gets texts, tokens after truncation, and whether they were encoded here.
    """

    remaining: Callable[[Batch], Batch | None]
    finished: Callable[[int, int, bool], None]


class BatchEncoder(Generic[V]):
    """Encodes batches with one embedder; learns the budget that fits its memory.

    `tokens` counts what went through the model so far, after truncation and without padding.
    """

    def __init__(self, embedder: VectorEncoder[V], source: EncodingInput) -> None:
        self._embedder = embedder
        self._source = source
        self._codec: Codec[V] = CODECS[source.space.kind]
        self._budget = 0
        self.tokens = 0

    def encode(self, batch: Batch) -> V:
        """Return the vectors of a batch, in as many calls as memory asks for.

        Raises `ModelError` for unusable rows, or for a single text that does not fit.
        """
        queue = deque([batch])
        done: list[V] = []
        while queue:
            pieces = queue.popleft().split_to_budget(self._budget)
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
                self._codec.check(vectors, pieces[0], self._source.space, self._embedder.name)
                done.append(vectors)
        self.tokens += int(batch.lengths.sum())
        return done[0] if len(done) == 1 else self._codec.concatenate(done)

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

    def _attempt(self, batch: Batch) -> V | None:
        """Return the vectors, or None where the batch did not fit."""
        try:
            return self._embedder.encode(
                batch.texts, role=self._source.role, instruction=self._source.instruction
            )
        except OutOfMemory:
            return None


def encode_here(
    encoder: BatchEncoder[V],
    batches: Iterable[Batch],
    feed: EncodingCallbacks,
    keep: Callable[[Batch, V], None],
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
    embedder: VectorEncoder[Any], texts: Sequence[str], source: EncodingInput, reporter: Reporter
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
