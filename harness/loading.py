"""Resolve a model's name to a retriever: the only place that knows BM25 and every backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput
from harness.core.protocols import BilledEmbedder, Retriever, VectorEncoder
from harness.core.settings import Settings
from models.card import ModelCard
from models.registry import (
    SPARSE,
    make_embedder,
    make_sparse_embedder,
    resolve_model,
    settle_backend,
)
from models.spec import LoadOptions, ModelSpec

if TYPE_CHECKING:
    from harness.cache.store import EmbeddingStore
    from harness.cache.workers import Workers


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How models are run: what is said of each, and what is said of the search.

    `devices` holds more than one name where encoding is spread over processes; `index` is a
    FAISS factory string (empty: exact search); `cached` keeps vectors in the embedding store.
    """

    load: LoadOptions = field(default_factory=LoadOptions)
    devices: tuple[str, ...] = ()
    index: str = ""
    cached: bool = True


@dataclass(frozen=True, slots=True)
class SpecEmbedderFactory:
    """Makes a spec's embedder for a device, in whatever process it is called."""

    spec: ModelSpec

    def __call__(self, device: str) -> VectorEncoder[Any]:
        """Return the embedder on `device`."""
        spec = self.spec.on(device)
        if spec.card.backend == SPARSE:
            return make_sparse_embedder(spec)
        return make_embedder(spec)


def split_names(spec: str) -> list[str]:
    """Return the names of a comma-separated list; raises `BadInput` if there is none."""
    names = [name.strip() for name in spec.split(",") if name.strip()]
    if not names:
        raise BadInput("no model is named", fix="Name one: --model bm25")
    return names


def retriever(name: str, settings: Settings, options: RunOptions | None = None) -> Retriever:
    """Return the retriever of a model's name, folder or hub id; nothing heavy is loaded yet.

    Raises `UnknownName` with the nearest names, `MissingExtra` for a backend not installed.
    """
    how = options or RunOptions()
    spec = settle_backend(resolve_model(name, how.load, settings.models), how.load)
    card = spec.card
    if card.backend == "bm25":
        return _bm25(card)
    from harness.cache.store import EmbeddingStore
    from harness.cache.workers import Workers

    factory = SpecEmbedderFactory(spec)
    store = EmbeddingStore(settings.cache_dir) if how.cached else None
    workers = Workers(factory, how.devices) if len(how.devices) > 1 else None
    device = how.devices[0] if how.devices else how.load.device
    if card.backend == SPARSE:
        return _sparse(spec.on(device), store, workers, how)
    from harness.retrieval.dense import DenseRetriever

    embedder = make_embedder(spec.on(device))
    if len(how.devices) > 1 and isinstance(embedder, BilledEmbedder):
        raise BadInput(
            f"model {card.name!r} runs on a server, and --device names {len(how.devices)} here",
            fix="Leave --device out; options.concurrency says how many requests run at once.",
        )
    return DenseRetriever(embedder, store, workers, how.index)


def _sparse(
    spec: ModelSpec, store: EmbeddingStore | None, workers: Workers | None, how: RunOptions
) -> Retriever:
    """Return the retriever of a sparse encoder."""
    from harness.retrieval.sparse import SparseRetriever

    if how.index:
        raise BadInput(
            f"model {spec.card.name!r} weighs terms; --index {how.index} searches dense vectors",
            fix="Leave --index out: sparse search is exact.",
        )
    return SparseRetriever(make_sparse_embedder(spec), store, workers)


def _bm25(card: ModelCard) -> Retriever:
    """Return the BM25 that a card's options describe."""
    from harness.search.bm25 import Bm25Retriever, Bm25Settings

    weightings = {"weighted": True, "bag-of-words": False}
    query = card.options.get("query")
    k1, b = card.options.get("k1"), card.options.get("b")
    if query not in weightings or not isinstance(k1, float) or not isinstance(b, float):
        raise BadInput(
            f"the card of {card.name!r} has options {dict(card.options)}",
            fix='A BM25 card needs k1 and b as decimals and query = "weighted" or "bag-of-words".',
        )
    return Bm25Retriever(card.name, Bm25Settings(k1, b, weighted_query=weightings[str(query)]))
