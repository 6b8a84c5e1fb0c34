"""The late-interaction retriever: token vectors through the store, and MaxSim over them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cache.codecs.multi_vector import token_bytes
from harness.cache.store import EmbeddingStore
from harness.cache.workers import Workers
from harness.core.errors import BadInput
from harness.core.protocols import Closing, MultiVectorEncoding, Reporter, Retriever
from harness.core.types import ROLES, Json, RetrievalResult, Role, Run, Task
from harness.retrieval.encoded import EncodedRetriever, EncodedTask
from harness.search.approximate import recall_of
from harness.search.late import search_candidates, search_late
from harness.search.maxsim import MaxSim

if TYPE_CHECKING:
    from harness.core.types import TokenVectors

DEPTH = 100
"""Candidates of a query, unless the caller says otherwise."""
_WITHOUT_TOKENS: Mapping[Role, tuple[str, str]] = {
    "query": ("queries", "all documents tie for them and stand by id"),
    "document": ("documents", "they rank last"),
}


@dataclass(frozen=True, slots=True)
class FirstStage:
    """A first stage: only its best `depth` documents of a query are scored by MaxSim."""

    retriever: Retriever
    depth: int = DEPTH

    def __post_init__(self) -> None:
        """Raise `BadInput` for a depth below 1."""
        if self.depth < 1:
            raise BadInput(f"--depth is {self.depth}", fix="Score at least 1 candidate.")


class LateRetriever(EncodedRetriever["TokenVectors"]):
    """Ranks by MaxSim of all documents' token vectors, exactly, or of a first stage's candidates.

    With `candidates` the exact search is made too, so that the entry tells how much of it the two
    stages find, and both times.
    """

    def __init__(
        self,
        embedder: MultiVectorEncoding,
        store: EmbeddingStore | None = None,
        workers: Workers | None = None,
        candidates: FirstStage | None = None,
    ) -> None:
        super().__init__(embedder, store, workers)
        self.embedder = embedder
        self.candidates = candidates

    def close(self) -> None:
        """Let go of the model, and of the first stage's."""
        super().close()
        if self.candidates is not None and isinstance(self.candidates.retriever, Closing):
            self.candidates.retriever.close()

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the model's identity, its two spaces, the score, and the first stage if any."""
        measure = self.embedder.similarity
        if self.candidates is None:
            return self._identity(task, f"exact, {measure}")
        first, depth = self.candidates.retriever, self.candidates.depth
        search: Json = {
            "two-stage": measure,
            "depth": depth,
            "candidates": {"model": first.name, **first.identity(task)},
        }
        return self._identity(task, search)

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Encode documents and queries, then score them with exclusions masked before the cut."""
        encoded = self._encode_task(task, reporter)
        self._tell_cuts(encoded, reporter)
        start = time.perf_counter()
        exact = search_late(
            encoded.queries.vectors,
            encoded.documents.vectors,
            encoded.corpus.ids,
            encoded.asked,
            k,
            self._how,
        )
        seconds = time.perf_counter() - start
        facts = self._facts(encoded)
        if self.candidates is None:
            return encoded.result(exact, seconds, facts)
        run, two_stage = self._two_stages(self.candidates, encoded, task, k, reporter)
        recall = recall_of(run, exact)
        facts["recall_against_exact"] = {str(depth): recall[depth] for depth in recall}
        facts["search_seconds"] = {"exact": seconds, **two_stage}
        reporter.note(
            f"{self.name} on {task.name}: of the first 10 documents of exact MaxSim, the two "
            f"stages find {recall[10]:.1%}"
        )
        return encoded.result(run, sum(two_stage.values()), facts)

    def _two_stages(
        self,
        first: FirstStage,
        encoded: EncodedTask[TokenVectors],
        task: Task,
        k: int,
        reporter: Reporter,
    ) -> tuple[Run, dict[str, float]]:
        """Return the run over the first stage's candidates, and the seconds of both searches."""
        found = first.retriever.search(task, first.depth, reporter)
        start = time.perf_counter()
        listed = {qid: found.run.rankings[qid].doc_ids for qid, _ in encoded.asked}
        run = search_candidates(
            encoded.queries.vectors,
            encoded.documents.vectors,
            encoded.corpus.ids,
            listed,
            k,
            self._how,
        )
        seconds = time.perf_counter() - start
        return run, {"candidates": float(found.timings["search"]), "maxsim": seconds}

    @property
    def _how(self) -> MaxSim:
        """Return the score, and the model's own GPU if it has one."""
        device = str(getattr(self.embedder, "device", ""))
        return MaxSim(self.embedder.similarity, device=device if "cuda" in device else "")

    def _facts(self, encoded: EncodedTask[TokenVectors]) -> dict[str, Json]:
        """Return dimension, token vectors per text, and what a document's take in the cache."""
        documents = encoded.documents.vectors
        dimension = int(documents.values.shape[1])
        tokens: dict[str, Json] = {
            role: {
                "mean": float(vectors.lengths.mean()),
                "most": int(vectors.lengths.max()),
                "none": int((vectors.lengths == 0).sum()),
            }
            for role, vectors in (("query", encoded.queries.vectors), ("document", documents))
        }
        each = token_bytes(dimension, self.embedder.storage)
        return {
            "dimension": dimension,
            "token_vectors": tokens,
            "bytes_per_document": float(documents.lengths.mean()) * each,
        }

    def _tell_cuts(self, encoded: EncodedTask[TokenVectors], reporter: Reporter) -> None:
        """Say which queries were cut, and how many texts have no token that counts."""
        task = encoded.task
        if encoded.queries.truncated:
            reporter.warn(
                f"{self.name}: {encoded.queries.truncated:,} of {len(task.queries):,} queries of "
                f"{task.name} are longer than the model's query length and are cut to it; "
                "--max-query-length keeps more"
            )
        for role in ROLES:
            vectors = encoded.queries.vectors if role == "query" else encoded.documents.vectors
            empty = int((vectors.lengths == 0).sum())
            if empty:
                texts, effect = _WITHOUT_TOKENS[role]
                reporter.warn(
                    f"{self.name}: {empty:,} of {len(vectors):,} {texts} of {task.name} have no "
                    f"token that counts, so {effect}"
                )
