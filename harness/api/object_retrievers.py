"""Which retriever a live object gets: its own search, sparse rows, token or dense vectors."""

from __future__ import annotations

from pathlib import Path

from harness.api.late_objects import LateObjectEmbedder, ObjectLateRetriever
from harness.api.objects import (
    HasSearch,
    ObjectEmbedder,
    ObjectOptions,
    ObjectRetriever,
    without_unknown_facts,
)
from harness.api.sparse_objects import ObjectSparseRetriever, SparseObjectEmbedder
from harness.cache.store import EmbeddingStore
from harness.core.protocols import Reporter, Retriever
from harness.core.types import RetrievalResult, Task
from harness.retrieval.dense import DenseRetriever


class ObjectDenseRetriever(DenseRetriever):
    """A dense retriever whose facts leave out what an object does not say."""

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Search as any dense retriever does."""
        return without_unknown_facts(super().search(task, k, reporter))


def object_retriever(model: object, options: ObjectOptions, cache: Path) -> Retriever:
    """Return a retriever for a live object; its vectors are cached if it has a version."""
    if isinstance(model, HasSearch) and not hasattr(model, "encode"):
        return ObjectRetriever(model, options)
    store = EmbeddingStore(cache) if options.version else None
    if is_a(model, "MultiVectorEncoder"):
        return ObjectLateRetriever(LateObjectEmbedder(model, options), store)
    if is_a(model, "SparseEncoder"):
        return ObjectSparseRetriever(SparseObjectEmbedder(model, options), store)
    return ObjectDenseRetriever(ObjectEmbedder(model, options), store)


def is_a(model: object, name: str) -> bool:
    """Tell whether a live model is of sentence-transformers' class `name`, or made from it."""
    return any(kind.__name__ == name for kind in type(model).__mro__)
