"""The dense retriever: an embedder, its vectors through the store, and exact search."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.cache.store import EmbeddingStore
from harness.cache.workers import Workers
from harness.core.errors import BadInput
from harness.core.memory import Room
from harness.core.protocols import Embedder, Reporter, Scoring
from harness.core.types import Json, RetrievalResult, Task
from harness.retrieval.encoded import EncodedRetriever
from harness.search.approximate import SEED_ROWS, check_factory, recall_of, search_approximate
from harness.search.dense import DISTANCES, SCORE_BYTES, DenseSearch, search_dense

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix  # noqa: F401 - named in the base class


class DenseRetriever(EncodedRetriever["FloatMatrix"]):
    """Ranks by inner product of an embedder's vectors, or by the distance that it names.

    The inner product of normalised vectors is their cosine. `store` and `workers` as in
    `EncodedRetriever`. `index` is a FAISS factory string (empty: exact search); its recall against
    exact search is then measured on the same queries and kept with the facts. `room` bounds what
    vectors and scores take; a score may differ by rounding. Raises `BadInput` for a factory string
    that would end the process.
    """

    def __init__(
        self,
        embedder: Embedder,
        store: EmbeddingStore | None = None,
        workers: Workers | None = None,
        index: str = "",
        room: Room | None = None,
    ) -> None:
        super().__init__(embedder, store, workers, room)
        check_factory(index)
        self.index = index
        self.embedder = embedder

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the model's identity and the two vector spaces it uses on this task."""
        search = f"exact, {self._distance}" if self._distance else self.index or "exact"
        return self._identity(task, search)

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Encode documents and queries, then search exactly with exclusions masked."""
        encoded = self._encode_task(task, reporter)
        asked, ids = encoded.asked, encoded.corpus.ids
        start = time.perf_counter()
        vectors = (encoded.queries.vectors, encoded.documents.vectors)
        how = DenseSearch(distance=self._distance, score_bytes=self.room.score_bytes or SCORE_BYTES)
        if self.index and self._distance:
            raise BadInput(
                f"model {self.name!r} is scored by {self._distance} distance",
                fix="Leave --index out: approximate search is by inner product.",
            )
        if self.index:
            seed = self.room.score_bytes // (4 * vectors[1].shape[1])
            run = search_approximate(*vectors, ids, asked, k, self.index, seed or SEED_ROWS)
        else:
            run = search_dense(*vectors, ids, asked, k, how)
        seconds = time.perf_counter() - start
        documents = encoded.documents.vectors
        facts: dict[str, Json] = {"dimension": int(documents.shape[1])}
        if self.room.limit:
            mapped = self.room.is_mapped(documents.nbytes)
            facts["memory"] = {"limit": self.room.limit, "mapped": mapped}
        if self.index:
            recall = recall_of(run, search_dense(*vectors, ids, asked, k, how))
            facts["recall_against_exact"] = {str(depth): recall[depth] for depth in recall}
        return encoded.result(run, seconds, facts)

    @property
    def _distance(self) -> str:
        """Return the distance that ranks, empty for the inner product."""
        measure = self.embedder.similarity if isinstance(self.embedder, Scoring) else ""
        return measure if measure in DISTANCES else ""
