"""Texts to vectors: what is stored is read, what is missing is encoded once and stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic
from uuid import uuid4

import numpy as np

from harness.cache.batches import (
    Batch,
    BatchEncoder,
    EncodingCallbacks,
    EncodingInput,
    count_tokens,
    encode_here,
    plan_batches,
)
from harness.cache.claims import BatchClaims
from harness.cache.codecs.codec import Codec, V
from harness.cache.codecs.table import CODECS
from harness.cache.keys import Distinct, distinct_texts
from harness.cache.lookup import Lookup
from harness.cache.store import EmbeddingStore, ShardWriter, SpaceFolder
from harness.cache.workers import Workers
from harness.core.errors import BadInput, ModelError, StoreError
from harness.core.protocols import Reporter, VectorEncoder

if TYPE_CHECKING:
    from harness.cache.keys import Distinct
    from harness.core.memory import Room
    from harness.core.types import IntVector


POLL_SECONDS = 0.2
WAIT_SECONDS = 600.0
"""How long another process may go without storing anything before its texts are encoded here."""
ROUNDS = 3
"""Tries at reading back what was written, before the disk is blamed."""


@dataclass(frozen=True, slots=True)
class Encoded(Generic[V]):
    """The vectors of `texts` texts, n of them, in their order, and what it took to get them.

    Of the distinct texts `encoded` went through the model here and `reused` did not; `tokens`
    counts all n texts before truncation, instruction included, `read_tokens` after it, `truncated`
    those of the n that were cut. `encoded_tokens` went through the model (after truncation) in
    `encode_seconds`, loading of the weights included; `seconds` is the wall time of everything.
    """

    vectors: V
    texts: int
    encoded: int
    reused: int
    tokens: int
    truncated: int
    seconds: float
    encoded_tokens: int = 0
    encode_seconds: float = 0.0
    read_tokens: int = 0


def encode_texts(
    embedder: VectorEncoder[V],
    texts: Sequence[str],
    source: EncodingInput,
    store: EmbeddingStore | None,
    reporter: Reporter,
    workers: Workers | None = None,
    room: Room | None = None,
) -> Encoded[V]:
    """Return the vectors of texts; each distinct text that is not stored is encoded once.

    `source` says in which role, under which instruction and in which space: `EncodingInput.of`.

    Where all are stored neither model nor tokenizer is touched. `room` says what of dense vectors
    is mapped from a file. With `workers` the encoding is
    done by one process a device, which needs a store to hand vectors over. Raises `ModelError`
    for unusable vectors and `StoreError` for a store that cannot be read or written; what was
    finished by then is kept. `BadInput` for workers without a store.
    """
    start = time.perf_counter()
    if not texts:
        raise ModelError("there is no text to encode", fix="Check that the task is not empty.")
    work = _EncodingState(embedder, source, distinct_texts(texts), reporter, room)
    if store is None and workers is not None:
        raise BadInput(
            "several devices hand their vectors over through the embedding cache",
            fix="Use the cache, or name one device.",
        )
    if store is None:
        work.encode_unstored()
    else:
        work.encode_stored(store.space(source.space), workers)
    counts = work.counts[work.distinct.inverse]
    limit = source.space.max_length
    return Encoded(
        vectors=work.vectors.finish(),
        texts=len(texts),
        encoded=work.encoded,
        reused=max(0, len(work.distinct) - work.encoded),
        tokens=int(counts.sum()),
        truncated=int((counts > limit).sum()) if limit > 0 else 0,
        seconds=time.perf_counter() - start,
        encoded_tokens=work.encoded_tokens,
        encode_seconds=work.encode_seconds,
        read_tokens=int((np.minimum(counts, limit) if limit > 0 else counts).sum()),
    )


class _EncodingState(Generic[V]):
    """One call of `encode_texts`: the distinct texts and what is known of them so far.

    `counts` is int64 `[m]`, tokens before truncation (-1: not known yet).
    """

    def __init__(
        self,
        embedder: VectorEncoder[V],
        source: EncodingInput,
        distinct: Distinct,
        reporter: Reporter,
        room: Room | None = None,
    ) -> None:
        self.embedder = embedder
        self.source = source
        self.distinct = distinct
        self.reporter = reporter
        self.codec: Codec[V] = CODECS[source.space.kind]
        self.vectors = self.codec.collector(distinct, embedder.name, room)
        self.counts: IntVector = np.full(len(distinct), -1, dtype=np.int64)
        self.encoded = 0
        self.encoded_tokens = 0
        self.encode_seconds = 0.0

    def encode_unstored(self) -> None:
        """Encode everything and keep nothing."""
        batches = self._plan()
        with self._feed(len(self.distinct), lambda batch: batch) as feed:
            encoder = BatchEncoder(self.embedder, self.source)
            encode_here(encoder, batches, feed, self._put)

    def encode_stored(self, folder: SpaceFolder, workers: Workers | None) -> None:
        """Fill in the vectors from the store, and store what it lacked."""
        lookup = Lookup(folder, self.distinct.keys, self.reporter)
        rounds = 0
        with BatchClaims(folder.claims_folder) as claims:
            while rounds < ROUNDS:
                self._load(lookup)
                if self.vectors.filled.all():
                    return
                try:
                    folder.check_writable()
                    elsewhere = self._encode_missing(lookup, folder, workers, claims)
                except StoreError as error:
                    lookup.refresh()
                    raise self._stopped(error, int(lookup.stored.sum())) from error
                if self.vectors.filled.all():
                    return
                claims.release()
                if not elsewhere:
                    rounds += 1
                elif not self._await(elsewhere, lookup, claims):
                    claims.ignore()
        raise StoreError(
            f"vectors written to {folder.shards_folder} are damaged when they are read back",
            fix="Check that disk, or use another cache folder (REBENCH_CACHE).",
        )

    def _load(self, lookup: Lookup) -> None:
        """Take over what is stored and not among the vectors yet."""
        lookup.refresh()
        self.counts[lookup.stored] = lookup.tokens[lookup.stored]
        rows = np.flatnonzero(lookup.stored & ~self.vectors.filled)
        if not len(rows):
            return
        with self.reporter.bar("reading stored vectors", len(rows), "texts") as advance:

            def put(some: IntVector, vectors: V) -> None:
                self.vectors.put(some, vectors)
                advance(len(some))

            lookup.load(rows, put)

    def _plan(self) -> list[Batch]:
        """Return the batches of all distinct texts; tokens are counted where they are unknown."""
        unknown = np.flatnonzero(self.counts < 0)
        texts = [self.distinct.texts[row] for row in unknown]
        self.counts[unknown] = count_tokens(self.embedder, texts, self.source, self.reporter)
        limit = self.source.space.max_length
        return plan_batches(self.distinct, self.counts, limit, self.embedder.batch_tokens)

    def _encode_missing(
        self,
        lookup: Lookup,
        folder: SpaceFolder,
        workers: Workers | None,
        claims: BatchClaims,
    ) -> list[Batch]:
        """Encode and store what is not stored, batch by batch of the whole plan.

        Returns the batches that other processes have claimed.
        """
        elsewhere: list[Batch] = []

        def missing(batch: Batch) -> Batch | None:
            lookup.refresh()
            places = np.flatnonzero(~lookup.stored[batch.rows])
            return batch.take(places) if len(places) else None

        def remaining(batch: Batch) -> Batch | None:
            todo = missing(batch)
            if todo is not None and not claims.take(batch.name):
                elsewhere.append(todo)
                return None
            # Looked at again: another process may have stored it and given up its claim just now.
            return missing(batch) if todo is not None else None

        batches = [todo for batch in self._plan() if (todo := missing(batch)) is not None]
        batches = _rotated(batches, from_the_longest=folder.created)
        with self._feed(sum(len(batch) for batch in batches), remaining) as feed:
            if workers is not None:
                workers.encode(self.source, folder, batches, feed)
                return elsewhere
            with ShardWriter(folder, self.codec) as writer:

                def keep(batch: Batch, vectors: V) -> None:
                    self._put(batch, vectors)
                    writer.add(batch, vectors)

                encode_here(BatchEncoder(self.embedder, self.source), batches, feed, keep)
        return elsewhere

    def _await(self, batches: list[Batch], lookup: Lookup, claims: BatchClaims) -> bool:
        """Wait until one of the batches is stored or its owner has ended; False if none is."""
        texts = sum(len(batch) for batch in batches)
        self.reporter.note(f"waiting for {texts:,} texts that another process is encoding")
        give_up = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < give_up:
            lookup.refresh()
            if any(lookup.stored[batch.rows].all() or claims.free(batch.name) for batch in batches):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _put(self, batch: Batch, vectors: V) -> None:
        """Take over a batch's vectors."""
        self.vectors.put(batch.rows, vectors)

    @contextmanager
    def _feed(
        self, total: int, remaining: Callable[[Batch], Batch | None]
    ) -> Iterator[EncodingCallbacks]:
        """Yield a feed that counts and shows what is finished, and time its use."""
        start = time.perf_counter()
        what = "queries" if self.source.role == "query" else "documents"
        with self.reporter.bar(f"encoding {what}", total, "texts") as advance:

            def finished(texts: int, tokens: int, encoded: bool) -> None:
                if encoded:
                    self.encoded += texts
                    self.encoded_tokens += tokens
                advance(texts, tokens=tokens)

            yield EncodingCallbacks(remaining, finished)
        self.encode_seconds += time.perf_counter() - start

    def _stopped(self, error: StoreError, stored: int) -> StoreError:
        """Return a store's error with what is kept and how to go on."""
        return StoreError(
            f"{error.message}; {stored:,} of {len(self.distinct):,} texts are encoded and kept",
            fix=f"{error.fix} The same command then goes on where it stopped; REBENCH_CACHE names "
            "another cache folder.",
        )


def _rotated(batches: list[Batch], *, from_the_longest: bool) -> list[Batch]:
    """Return the batches in the order to encode them.

    The process that made the space begins with the longest, where memory runs out first if it
    does. One that comes later begins anywhere: of several at once each then does another part,
    and each skips what it finds stored on its way round.
    """
    start = 0 if from_the_longest or not batches else uuid4().int % len(batches)
    return batches[start:] + batches[:start]
