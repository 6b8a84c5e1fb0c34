"""The dense retriever through the store: equal runs cold, warm and without; honest facts."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from harness.cache.store import EmbeddingStore
from harness.core.errors import BadInput
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.retrieval.dense import DenseRetriever
from tests.helpers.cache_embedders import (
    Asleep,
    Limited,
    Recorder,
    Watched,
    encode_texts,
    some_texts,
)

WORDING = PromptFields("tides", "Tides", "Tides post", "post", "passages")


def task(name: str = "tides", repeats: int = 10) -> Task:
    texts = some_texts(40)
    texts += texts[:repeats]
    ids = tuple(f"d{row}" for row in range(len(texts)))
    return Task(
        name=name,
        group="test",
        revision="1",
        query_set="original",
        queries=(Query("q1", texts[3]), Query("q2", texts[7])),
        qrels={"q1": {"d3": 1}, "q2": {"d7": 1}},
        excluded={"q1": frozenset({"d3"})},
        head_metric="ndcg@10",
        prompt_fields=WORDING,
        corpus=Corpus(ids, tuple(texts)),
    )


def test_cold_warm_and_storeless_runs_are_equal(tmp_path) -> None:
    store = EmbeddingStore(tmp_path)
    cold = DenseRetriever(Watched(), store).search(task(), 20, Recorder())
    warm = DenseRetriever(Asleep(), store).search(task("second"), 20, Recorder())
    plain = DenseRetriever(Watched()).search(task(), 20, Recorder())
    for query in ("q1", "q2"):
        rankings = [each.run.rankings[query] for each in (cold, warm, plain)]
        assert len({ranking.doc_ids for ranking in rankings}) == 1
        assert all(np.array_equal(rankings[0].scores, other.scores) for other in rankings)
    assert "d3" not in cold.run.rankings["q1"].doc_ids
    assert cold.run.rankings["q2"].doc_ids[0] == "d7"
    served = [space.uses() for space in store.spaces()]
    assert [[use["task"] for use in uses] for uses in served] == [["second", "tides"]] * 2


def test_facts_of_cold_and_warm_runs(tmp_path) -> None:
    store = EmbeddingStore(tmp_path)
    cold = DenseRetriever(Limited(limit=12), store).search(task(), 20, Recorder())
    texts = task().corpus.texts
    counts = Watched().token_counts(texts, "document", "")
    facts = cold.facts["documents"]
    assert (facts["texts"], facts["encoded"], facts["reused"]) == (50, 40, 0)
    assert facts["tokens"] == counts.sum()
    assert facts["truncation_rate"] == (counts > 12).mean()
    assert facts["encoded_tokens"] == np.minimum(counts[:40], 12).sum()
    assert facts["texts_per_second"] > 0
    assert cold.facts["dimension"] == 256
    assert set(cold.timings) == {"encode_documents", "encode_queries", "search"}

    class AsleepLimited(Limited, Asleep):
        encode = Asleep.encode
        token_counts = Asleep.token_counts

    warm = DenseRetriever(AsleepLimited(limit=12), store).search(task(), 20, Recorder())
    again = warm.facts["documents"]
    assert (again["encoded"], again["reused"], again["texts_per_second"]) == (0, 40, 0.0)
    for same in ("texts", "tokens", "truncated", "truncation_rate"):
        assert again[same] == facts[same]


def test_identity_loads_nothing_and_holds_both_spaces(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("wordllama.WordLlama.load", None)
    asleep = Asleep()
    identity = DenseRetriever(asleep, EmbeddingStore(tmp_path)).identity(task())
    assert identity["spaces"]["query"]["role"] == "query"
    assert identity["spaces"]["document"]["weights"] == asleep.identity["weights"]
    assert list(tmp_path.iterdir()) == []


def test_a_task_without_documents_is_refused() -> None:
    from dataclasses import replace

    with pytest.raises(BadInput, match="without its documents"):
        DenseRetriever(Watched()).search(replace(task(), corpus=None), 5, Recorder())


def test_a_matrix_is_not_held_twice(tmp_path, monkeypatch) -> None:
    """Stored vectors, a third of them repeats, come back in one matrix and a shard's worth."""
    from harness.cache import store as writer

    monkeypatch.setattr(writer, "FLUSH_BYTES", 1 << 20)
    wide, store = 1024, EmbeddingStore(tmp_path)

    class Wide(Watched):
        def space(self, role, instruction):
            from dataclasses import replace

            return replace(super().space(role, instruction), dimension=wide)

        def encode(self, texts, *, role, instruction):
            rows = super().encode(texts, role=role, instruction=instruction)
            return np.repeat(rows, wide // 256, axis=1) / np.float32(np.sqrt(wide // 256))

    texts = some_texts(4000, longest=3)
    texts += texts[:2000]
    encode_texts(Wide(budget=500), texts, "document", "", store, Recorder())
    matrix = len(texts) * wide * 4
    tracemalloc.start()
    try:
        warm = encode_texts(Wide(), texts, "document", "", store, Recorder())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert warm.vectors.nbytes == matrix
    assert peak < matrix + 8 * (1 << 20)


class Held(Watched):
    """Holds something until it is closed."""

    held = True

    def close(self) -> None:
        self.held = False


def test_closing_lets_go_of_the_model() -> None:
    embedder = Held()
    retriever = DenseRetriever(embedder)
    retriever.search(task(), 5, Recorder())
    assert embedder.held
    retriever.close()
    assert not embedder.held
    DenseRetriever(Watched()).close()  # one that holds nothing has nothing to close
