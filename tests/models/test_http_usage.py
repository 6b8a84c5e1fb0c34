"""What a server billed for a task stands in its entry, and on the leaderboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cache.store import EmbeddingStore
from harness.core.progress import SilentReporter
from harness.core.types import RetrievalResult, Task, Usage
from harness.data.registry import TaskOptions, load_task
from harness.evaluate import EvalConfig, evaluate
from harness.leaderboard.measures import billed, price
from harness.retrieval.dense import DenseRetriever
from models.backends.http import HttpEmbedder
from results.schema import Entry
from results.store import ResultStore
from tests.helpers.embedding_server import Server, changed, status
from tests.helpers.http_embedders import FakeClock, embedder
from tests.helpers.small_task import DOCUMENTS, QUERIES, write_beir

WORDS = sum(len(text.split()) for text in {*DOCUMENTS.values()} | {*QUERIES.values()})
"""What the server bills: a token a word, each distinct text once (q1 is a document too)."""
BOTH_ROLES = len(QUERIES["q1"].split())
"""A text that stands in both roles is embedded for each."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    options = TaskOptions(data_dir=None, query_set="original", with_corpus=True)
    return load_task(str(write_beir(tmp_path / "tides")), options, SilentReporter())


def searched(model: HttpEmbedder, task: Task, cache: Path | None) -> RetrievalResult:
    store = EmbeddingStore(cache) if cache else None
    return DenseRetriever(model, store).search(task, 10, SilentReporter())


def test_a_task_is_billed_once_and_a_retry_is_seen(
    server: Server, task: Task, tmp_path: Path
) -> None:
    model = embedder(server, FakeClock(), options={"price_per_million_tokens": 20})
    server.faults.append(status(503))
    first = searched(model, task, tmp_path / "cache").facts["usage"]
    tokens = WORDS + BOTH_ROLES
    assert first == {
        "requests": 3,
        "retries": 1,
        "tokens": tokens,
        "unreported": 0,
        "price": 20,
        "cost": pytest.approx(tokens * 20 / 1e6),
    }
    again = searched(model, task, tmp_path / "cache").facts["usage"]
    assert again == {**first, "requests": 0, "retries": 0, "tokens": 0, "cost": 0.0}
    # Without the store everything is sent, and billed, again: the counters' difference only.
    unstored = searched(model, task, None).facts["usage"]
    assert unstored["tokens"] == tokens
    assert model.usage.tokens == 2 * tokens
    model.close()


def test_tokens_that_were_not_told_leave_no_cost(server: Server, task: Task) -> None:
    server.always = changed(lambda reply: reply.pop("usage") and None)
    model = embedder(server, FakeClock(), options={"price_per_million_tokens": 20})
    usage = searched(model, task, None).facts["usage"]
    assert (usage["tokens"], usage["unreported"], usage["cost"]) == (0, 2, None)
    model.close()


def measured(server: Server, task: Task, store: Path, per_million: float) -> Entry:
    model = embedder(server, FakeClock(), options={"price_per_million_tokens": per_million})
    retriever = DenseRetriever(model)
    return evaluate(
        retriever, task, ResultStore(store), EvalConfig(force=True), SilentReporter()
    ).entry


def test_the_leaderboard_adds_up_bills(server: Server, task: Task, tmp_path: Path) -> None:
    paid = measured(server, task, tmp_path / "results", 20)
    (stored,) = ResultStore(tmp_path / "results").entries().entries
    assert stored.facts["usage"] == paid.facts["usage"]
    one = (WORDS + BOTH_ROLES) * 20 / 1e6
    assert billed([stored, stored]) == pytest.approx(2 * one)
    free = measured(server, task, tmp_path / "free", 0)
    assert billed([stored, free]) is None
    assert billed([]) is None
    assert (price([stored], 3), price([free], 3)) == (20, 3)
    assert price([free], None) is None


def test_usage_is_a_difference_of_counters() -> None:
    later, earlier = Usage(9, 3, 700, 1, 2.0), Usage(4, 1, 200, 1, 2.0)
    assert later.since(earlier) == Usage(5, 2, 500, 0, 2.0)
    assert later.cost is None
    assert later.since(earlier).cost == pytest.approx(0.001)
