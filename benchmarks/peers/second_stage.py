"""Sides that rerank pairs with a cross-encoder, and that encode with a learned sparse model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.encoding import WARM, docstrings
from benchmarks.peers.scoring import Work

WINDOW = 256
PER_QUERY = 50


def cross_encoder(folder: Path) -> Path:
    """Return the folder of a BERT with random weights and one label; the same in each process."""
    from benchmarks.rerank import make_model

    place = folder / "cross-encoder"
    if not place.exists():
        place.mkdir(parents=True)
        make_model(place)
    return place


def pairs(size: int) -> tuple[Any, Any]:
    """Return a task and a run that hold `size` pairs of question and docstring."""
    from dataclasses import replace

    from harness.core.progress import SilentReporter
    from harness.core.types import Ranking, Run
    from harness.data.registry import TaskOptions, load_task

    task = load_task("stdlib-plain", TaskOptions(None), SilentReporter())
    queries = task.queries[: max(1, size // PER_QUERY)]
    ids = np.array(task.corpus.ids if task.corpus else [])
    rng = np.random.default_rng(3)
    order = -np.arange(PER_QUERY, dtype=np.float32)
    rankings = {
        query.id: Ranking(tuple(rng.choice(ids, PER_QUERY, replace=False).tolist()), order)
        for query in queries
    }
    return replace(task, queries=tuple(queries), excluded={}), Run(rankings)


def rerank(size: int, folder: Path) -> Work:
    from harness.core.progress import SilentReporter
    from harness.pipelines.rerank import RerankSettings, rerank_run
    from harness.pipelines.score_store import ScoreStore
    from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
    from models.rerankers.find import find_reranker

    task, run = pairs(size)
    made = find_reranker(str(cross_encoder(folder)))
    scorer = CrossEncoderReranker(made, LocalOptions("cpu", WINDOW))
    scorer.scores([("a question", "a docstring")] * WARM)
    shutil.rmtree(folder / "scores", ignore_errors=True)
    store = ScoreStore(folder / "scores", scorer.identity)

    def work() -> Sequence[float]:
        found = rerank_run(run, task, scorer, RerankSettings(PER_QUERY), store, SilentReporter())
        return [
            dict(zip(ranked.doc_ids, ranked.scores.tolist(), strict=True))[doc]
            for ranked, before in (
                (found.run.rankings[qid], run.rankings[qid]) for qid in run.rankings
            )
            for doc in before.doc_ids
        ]

    return work


def rerank_sentence_transformers(size: int, folder: Path) -> Work:
    import torch
    from sentence_transformers import CrossEncoder

    task, run = pairs(size)
    model = CrossEncoder(str(cross_encoder(folder)), device="cpu", max_length=WINDOW)
    asked, of = {query.id: query.text for query in task.queries}, task.corpus.text_of
    given = [(asked[q], of[doc]) for q, ranking in run.rankings.items() for doc in ranking.doc_ids]
    plain = torch.nn.Identity()
    model.predict(given[:WARM], activation_fn=plain, show_progress_bar=False)
    return lambda: model.predict(given, activation_fn=plain, show_progress_bar=False).tolist()


def splade() -> str:
    """Return the folder of SPLADE-tiny's weights."""
    from tests.helpers.splade import splade_tiny

    return str(splade_tiny())


def sparse(size: int, folder: Path) -> Work:
    from harness.cache.batches import EncodingInput
    from harness.cache.encode import encode_texts
    from harness.core.progress import SilentReporter
    from harness.core.settings import Settings
    from harness.loading import RunOptions, retriever
    from models.spec import LoadOptions

    texts = docstrings(size)
    settings = Settings(folder / "cache", folder / "results", None, {})
    how = RunOptions(LoadOptions(backend="sparse", device="cpu"))
    made: Any = retriever(splade(), settings, how)
    embedder = made.embedder
    source = EncodingInput.of(embedder, "document", "")

    def encoded(some: list[str]) -> Any:
        return encode_texts(embedder, some, source, None, SilentReporter()).vectors

    encoded(texts[:WARM])
    return lambda: np.asarray(encoded(texts).sum(axis=1)).ravel().tolist()


def sparse_sentence_transformers(size: int, _: Path) -> Work:
    from sentence_transformers import SparseEncoder

    texts = docstrings(size)
    model = SparseEncoder(splade(), device="cpu")
    model.encode_document(texts[:WARM], show_progress_bar=False)

    def work() -> Sequence[float]:
        made = model.encode_document(texts, show_progress_bar=False)
        sums: Sequence[float] = made.to_dense().sum(dim=1).tolist()
        return sums

    return work
