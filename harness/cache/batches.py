"""Texts to batches, and one batch through the model: planned, backed off, and checked."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.cache.keys import key_words
from harness.core.errors import ModelError, OutOfMemory
from harness.core.protocols import Embedder, Reporter
from harness.core.types import Role, VectorSpace

if TYPE_CHECKING:
    from harness.cache.keys import Distinct, KeyMatrix
    from harness.core.types import FloatMatrix, IntVector


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


NORM_TOLERANCE = {"float32": 1e-3, "float16": 4e-3, "bfloat16": 3.2e-2}
"""How far a norm may be from 1: a few units in the last place of a norm rounded to the dtype
(2^-11 for float16, 2^-8 for bfloat16), and room for float32 sums of any order."""
LOOSE_TOLERANCE = 3.2e-2
"""For servers that do not say what they compute in."""


def check_counts(counts: IntVector, expected: int, model: str) -> None:
    """Raise `ModelError` unless there is one token count, 0 or more, for each text."""
    if counts.shape != (expected,) or (counts < 0).any():
        raise ModelError(
            f"model {model!r} counted the tokens of {expected} texts as an array of shape "
            f"{counts.shape}, least {counts.min(initial=0)}",
            fix="The backend must return one count a text; check its version.",
        )


class Encoded(Protocol):
    """Texts that were encoded together, with their token counts, int64 `[n]`."""

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts."""

    @property
    def counts(self) -> IntVector:
        """Return the tokens of each text before truncation."""


def check_rows(vectors: FloatMatrix, batch: Encoded, space: VectorSpace, model: str) -> None:
    """Raise `ModelError` unless `vectors` is finite float32 `[n, d]` as the space says.

    Where the space is normalised each norm is 1 within the dtype's tolerance. A zero row is
    right only for a text without tokens: static models have nothing to average there.
    """
    if vectors.ndim != 2 or vectors.shape[0] != len(batch.texts) or not vectors.shape[1]:
        raise ModelError(
            f"model {model!r} returned vectors of shape {vectors.shape} for "
            f"{len(batch.texts)} texts",
            fix="The backend must return one row a text; check its version or its server.",
        )
    if vectors.dtype != np.float32:
        raise ModelError(
            f"model {model!r} returned {vectors.dtype} vectors",
            fix="The backend must return float32, whatever dtype it computes in.",
        )
    if space.dimension and vectors.shape[1] != space.dimension:
        raise ModelError(
            f"model {model!r} returned {vectors.shape[1]} components; its card says "
            f"{space.dimension}",
            fix="Correct the card's dimension, or check which weights are loaded.",
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ModelError(
            f"model {model!r} returned {len(bad)} of {len(batch.texts)} vectors that are not "
            f"finite, the first for {_shown(batch, int(bad[0]))}",
            fix=_fix(space),
        )
    _check_norms(vectors, batch, space, model)


def _check_norms(vectors: FloatMatrix, batch: Encoded, space: VectorSpace, model: str) -> None:
    """Raise `ModelError` for a zero row of a text with tokens, or a norm that is not 1."""
    something = np.asarray(vectors.any(axis=1))
    empty = np.flatnonzero(~something & (batch.counts > 0))
    if len(empty):
        raise ModelError(
            f"model {model!r} returned {len(empty)} zero vectors for texts that have tokens, the "
            f"first for {_shown(batch, int(empty[0]))}",
            fix=_fix(space),
        )
    if not space.normalize:
        return
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    tolerance = NORM_TOLERANCE.get(space.dtype, LOOSE_TOLERANCE)
    wrong = np.flatnonzero(something & (np.abs(norms - 1) > tolerance))
    if len(wrong):
        raise ModelError(
            f"model {model!r} should return vectors of norm 1; {len(wrong)} of {len(batch.texts)} "
            f"differ by more than {tolerance}, the first has {float(norms[wrong[0]]):.4f}",
            fix="Set normalize = false in the model's card if that is how it is meant to be run.",
        )


def _fix(space: VectorSpace) -> str:
    """Return what to do about vectors that are none: a server takes no flags of ours."""
    if space.backend == "http":
        return (
            "Run the command again in a few minutes, or restart the server: some return such "
            "vectors while they load. If it stays, the server's weights are damaged."
        )
    return "Try --dtype float32; if it stays, the weights are damaged."


def _shown(batch: Encoded, place: int) -> str:
    """Return the start of a text, quoted, with its tokens."""
    return f"{batch.texts[place][:60]!r} ({int(batch.counts[place]):,} tokens)"


COUNT_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class EncodingInput:
    """What stays the same for all texts of one encoding: role, instruction and their space."""

    role: Role
    instruction: str
    space: VectorSpace

    @classmethod
    def of(cls, embedder: Embedder, role: Role, instruction: str) -> EncodingInput:
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


class BatchEncoder:
    """Encodes batches with one embedder; learns the budget that fits its memory.

    `tokens` counts what went through the model so far, after truncation and without padding.
    """

    def __init__(self, embedder: Embedder, source: EncodingInput) -> None:
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
    feed: EncodingCallbacks,
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
    embedder: Embedder, texts: Sequence[str], source: EncodingInput, reporter: Reporter
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
