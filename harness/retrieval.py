"""The dense retriever: an embedder, its vectors through the store, and exact search."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.cache.batches import EncodingInput
from harness.cache.encode import Encoded, encode_texts
from harness.cache.store import EmbeddingStore
from harness.cache.workers import Workers
from harness.core.errors import BadInput
from harness.core.hashing import space_fields
from harness.core.protocols import BilledEmbedder, Closing, Embedder, Reporter, Scoring
from harness.core.types import Json, PromptFields, RetrievalResult, Role, Task, Usage
from harness.search.approximate import check_factory, recall_of, search_approximate
from harness.search.dense import DISTANCES, DenseSearch, search_dense

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix


class DenseRetriever:
    """Ranks by inner product of an embedder's vectors, or by the distance that it names.

    The inner product of normalised vectors is their cosine. With a `store` each text is encoded
    once however many tasks hold it, and a task whose texts are all stored loads no model.
    `workers` spreads encoding over several devices. `index` is a FAISS factory string (empty:
    exact search); its recall against exact search is then measured on the same queries and kept
    with the facts. Raises `BadInput` for a factory string that would end the process.
    """

    def __init__(
        self,
        embedder: Embedder,
        store: EmbeddingStore | None = None,
        workers: Workers | None = None,
        index: str = "",
    ) -> None:
        check_factory(index)
        self.index = index
        self.embedder = embedder
        self.store = store
        self.workers = workers
        self._inputs: dict[tuple[Role, PromptFields], EncodingInput] = {}

    @property
    def name(self) -> str:
        """Return the embedder's name."""
        return self.embedder.name

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the model's identity and the two vector spaces it uses on this task."""
        roles: tuple[Role, Role] = ("query", "document")
        spaces: dict[str, Json] = {
            role: space_fields(self._input(role, task).space) for role in roles
        }
        search = f"exact, {self._distance}" if self._distance else self.index or "exact"
        return {"model": self.embedder.identity, "spaces": spaces, "search": search}

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Encode documents and queries, then search exactly with exclusions masked."""
        if task.corpus is None:
            raise BadInput(f"task {task.name!r} was read without its documents", fix="Load them.")
        before = self._usage()
        # Queries first: they are few, and show within seconds whether the model works at all.
        queries = self._encode("query", tuple(query.text for query in task.queries), task, reporter)
        documents = self._encode("document", task.corpus.texts, task, reporter)
        asked = [(query.id, task.excluded.get(query.id, frozenset())) for query in task.queries]
        start = time.perf_counter()
        vectors = (queries.vectors, documents.vectors)
        if self.index and self._distance:
            raise BadInput(
                f"model {self.name!r} is scored by {self._distance} distance",
                fix="Leave --index out: approximate search is by inner product.",
            )
        if self.index:
            run = search_approximate(*vectors, task.corpus.ids, asked, k, self.index)
        else:
            how = DenseSearch(distance=self._distance)
            run = search_dense(*vectors, task.corpus.ids, asked, k, how)
        seconds = time.perf_counter() - start
        facts: dict[str, Json] = {
            "documents": _facts(documents),
            "queries": _facts(queries),
            "dimension": int(documents.vectors.shape[1]),
        }
        if before is not None and (after := self._usage()) is not None:
            facts["usage"] = _billed(after.since(before))
        if self.index:
            exact = search_dense(*vectors, task.corpus.ids, asked, k)
            recall = recall_of(run, exact)
            facts["recall_against_exact"] = {str(depth): recall[depth] for depth in recall}
        return RetrievalResult(
            run=run,
            timings={
                "encode_documents": documents.seconds,
                "encode_queries": queries.seconds,
                "search": seconds,
            },
            facts=facts,
        )

    def close(self) -> None:
        """End the processes of several devices, and let go of the model: the next may not fit."""
        if self.workers is not None:
            self.workers.close()
        if isinstance(self.embedder, Closing):
            self.embedder.close()

    @property
    def _distance(self) -> str:
        """Return the distance that ranks, empty for the inner product."""
        measure = self.embedder.similarity if isinstance(self.embedder, Scoring) else ""
        return measure if measure in DISTANCES else ""

    def _usage(self) -> Usage | None:
        """Return what a server was asked and billed so far; `None` for a model that runs here."""
        return self.embedder.usage if isinstance(self.embedder, BilledEmbedder) else None

    def _input(self, role: Role, task: Task) -> EncodingInput:
        """Return a role's instruction and space on a task, worked out once for tasks alike."""
        key = (role, task.prompt_fields)
        if key not in self._inputs:
            instruction = self.embedder.instruction(role, task.prompt_fields)
            self._inputs[key] = EncodingInput.of(self.embedder, role, instruction)
        return self._inputs[key]

    def _encode(
        self, role: Role, texts: tuple[str, ...], task: Task, reporter: Reporter
    ) -> Encoded[FloatMatrix]:
        """Return the vectors of texts of one role under the task's instruction."""
        source = self._input(role, task)
        encoded = encode_texts(self.embedder, texts, source, self.store, reporter, self.workers)
        if self.store is not None:
            folder = self.store.space(source.space)
            folder.record_use(task.name, self.embedder.name, len(texts))
        return encoded


def _billed(usage: Usage) -> dict[str, Json]:
    """Return the usage of one task's texts; vectors that were stored before cost nothing now."""
    return {**asdict(usage), "cost": usage.cost}


def _facts(encoded: Encoded[FloatMatrix]) -> dict[str, Json]:
    """Return the counts worth keeping; rates are 0 where nothing was encoded.

    `tokens` are those of all texts before truncation, `encoded_tokens` those that went through
    the model after it; rates are per second of encoding, loading of the weights included.
    """
    texts = encoded.texts
    rate = 1.0 / encoded.encode_seconds if encoded.encoded and encoded.encode_seconds > 0 else 0.0
    return {
        "texts": texts,
        "encoded": encoded.encoded,
        "reused": encoded.reused,
        "tokens": encoded.tokens,
        "encoded_tokens": encoded.encoded_tokens,
        "truncated": encoded.truncated,
        "truncation_rate": encoded.truncated / texts if texts else 0.0,
        "texts_per_second": encoded.encoded * rate,
        "tokens_per_second": encoded.encoded_tokens * rate,
    }
