"""Rerank in a process that may be killed: a slow scorer, or a chat server; the run goes to a file.

python -m tests.helpers.rerank_driver pairs FOLDER
python -m tests.helpers.rerank_driver chat FOLDER URL
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Query, Ranking, Run, Task
from harness.data.trec import write_run
from harness.pipelines import rerank
from harness.pipelines.chat_rerank.asking import ChatSettings, ChatTools
from harness.pipelines.chat_rerank.reranker import ChatReranker
from harness.pipelines.chat_rerank.wording import RerankPrompts, Wording
from harness.pipelines.score_store import ScoreStore
from models.chat.http import ChatServerOptions, HttpChat
from models.chat.protocol import Sampling
from tests.helpers.measured_store import make_task

QUERIES, DOCUMENTS = 8, 24
CHUNK = 16
CONCURRENCY = 4


class SlowScorer:
    """Scores a pair by its hash, 16 pairs in 30 ms; logs each pair that it is asked."""

    name = "slow"
    identity: Mapping[str, str] = {"model": "slow"}

    def __init__(self, log: Path) -> None:
        self._log = log

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        time.sleep(0.03)
        with self._log.open("a", encoding="utf-8") as handle:
            handle.writelines(f"{query}|{passage}\n" for query, passage in pairs)
        digests = [hashlib.sha256("|".join(pair).encode()).digest() for pair in pairs]
        numbers = [int.from_bytes(digest[:3], "big") / 1e5 for digest in digests]
        return np.array(numbers, dtype=np.float32)


def case() -> tuple[Run, Task]:
    """Return a run over a task of numbered texts."""
    ids = tuple(f"d{at:02}" for at in range(DOCUMENTS))
    corpus = Corpus(ids, tuple(f"text number {at}" for at in range(DOCUMENTS)))
    names = [f"q{at}" for at in range(QUERIES)]
    made = make_task("biology", QUERIES, gold={name: ["d00"] for name in names}, corpus=corpus)
    queries = tuple(Query(name, f"query {name}") for name in names)
    task = Task(**{**{f: getattr(made, f) for f in made.__dataclass_fields__}, "queries": queries})
    scores = np.arange(DOCUMENTS, 0, -1, dtype=np.float32)
    return Run({name: Ranking(ids, scores) for name in names}), task


def main() -> None:
    """Rerank, and write the run whole."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    run, task = case()
    rerank.PAIRS_AT_ONCE = CHUNK
    store = None
    if kind == "pairs":
        scorer = SlowScorer(folder / "log")
        store = ScoreStore(folder / "cache", scorer.identity)
    else:
        options = ChatServerOptions(concurrency=CONCURRENCY, timeout=10.0)
        tools = ChatTools(HttpChat(sys.argv[3], "m", options), folder / "journal.jsonl")
        scorer = ChatReranker(
            "m", "chat-listwise", Wording("listwise", RerankPrompts().text("listwise")),
            Sampling(0.0, 1.0, 200), tools, ChatSettings(window=8),
        )  # fmt: skip
    settings = rerank.RerankSettings(depth=DOCUMENTS)
    done = rerank.rerank_run(run, task, scorer, settings, store, SilentReporter())
    (folder / "run.trec").write_text(write_run(done.run, "x"), encoding="utf-8")


if __name__ == "__main__":
    main()
