"""Resolve a model's name to a retriever: the only place that knows BM25 and every backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput
from harness.core.memory import Room
from harness.core.protocols import BilledEmbedder, Retriever, VectorEncoder
from harness.core.settings import Settings
from models.card import ModelCard
from models.registry import (
    LATE,
    SPARSE,
    make_any_embedder,
    make_embedder,
    make_late_embedder,
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
    `candidates` names the first stage of a late-interaction model, of whose best `depth` documents
    (0: 100) it scores each (empty: it scores all). `memory` bytes bound the vectors and scores of
    dense search (0: what is free).
    """

    load: LoadOptions = field(default_factory=LoadOptions)
    devices: tuple[str, ...] = ()
    index: str = ""
    cached: bool = True
    candidates: str = ""
    depth: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class SpecEmbedderFactory:
    """Makes a spec's embedder for a device, in whatever process it is called."""

    spec: ModelSpec

    def __call__(self, device: str) -> VectorEncoder[Any]:
        """Return the embedder on `device`."""
        return make_any_embedder(self.spec.on(device))


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
    _check_search(card, how)
    if card.backend == "bm25":
        return _bm25(card)
    from harness.cache.store import EmbeddingStore
    from harness.cache.workers import Workers

    factory = SpecEmbedderFactory(spec)
    store = EmbeddingStore(settings.cache_dir) if how.cached else None
    workers = Workers(factory, how.devices) if len(how.devices) > 1 else None
    device = how.devices[0] if how.devices else how.load.device
    if card.backend == SPARSE:
        from harness.retrieval.sparse import SparseRetriever

        return SparseRetriever(make_sparse_embedder(spec.on(device)), store, workers)
    if card.backend == LATE:
        return _late(spec.on(device), store, workers, settings, how)
    from harness.retrieval.dense import DenseRetriever

    embedder = make_embedder(spec.on(device))
    if len(how.devices) > 1 and isinstance(embedder, BilledEmbedder):
        raise BadInput(
            f"model {card.name!r} runs on a server, and --device names {len(how.devices)} here",
            fix="Leave --device out; options.concurrency says how many requests run at once.",
        )
    room = Room(how.memory, settings.cache_dir / "mapped")
    return DenseRetriever(embedder, store, workers, how.index, room)


def _check_search(card: ModelCard, how: RunOptions) -> None:
    """Raise `BadInput` for a way to search that does not fit the model's vectors."""
    kinds = {SPARSE: "weighs terms", LATE: "has a vector for each token"}
    if how.index and card.backend in kinds:
        raise BadInput(
            f"model {card.name!r} {kinds[card.backend]}, and --index {how.index} searches dense "
            "vectors",
            fix="Leave --index out; a late-interaction model takes --candidates MODEL."
            if card.backend == LATE
            else "Leave --index out: sparse search is exact.",
        )
    if how.memory and card.backend in ("bm25", SPARSE, LATE):
        raise BadInput(
            f"--memory bounds dense vectors, and model {card.name!r} has none",
            fix="Leave --memory out.",
        )
    if how.candidates and card.backend != LATE:
        raise BadInput(
            f"model {card.name!r} is no late-interaction model, so --candidates {how.candidates} "
            "has no effect on it",
            fix="Leave --candidates out; `rebench rerank` orders any run anew with a reranker.",
        )
    if how.depth and not how.candidates:
        raise BadInput(f"--depth is {how.depth}, without --candidates", fix="Name a first stage.")


def _late(
    spec: ModelSpec,
    store: EmbeddingStore | None,
    workers: Workers | None,
    settings: Settings,
    how: RunOptions,
) -> Retriever:
    """Return the retriever of a late-interaction model, with its first stage if one is named."""
    from harness.retrieval.late import DEPTH, FirstStage, LateRetriever

    candidates = None
    if how.candidates:
        first = retriever(how.candidates, settings, RunOptions(cached=how.cached))
        candidates = FirstStage(first, how.depth or DEPTH)
    return LateRetriever(make_late_embedder(spec), store, workers, candidates)


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
