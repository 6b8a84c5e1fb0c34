"""BM25 by BRIGHT's official recipe, and the plain bag-of-words variant, on sparse rows.

The recipe (xlang-ai/BRIGHT, retrievers.py): Lucene's default English analyzer; gensim's
`LuceneBM25Model` with k1 0.9 and b 0.4 over the corpus; the query passed through the same model,
so that its terms carry `idf * tf / (tf + k1 * (1 - b + b * |q| / average))` with the corpus'
average length; the plain inner product of the two. Every document is scored, and those that share
no term rank last with 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from harness.core.errors import BadInput
from harness.core.types import Ranking, Retrieved, Run
from harness.search.analyzer import VERSION
from harness.search.best_rows import BestRows
from harness.search.bm25_index import Bm25Index, Bm25Settings, build_index

if TYPE_CHECKING:
    from harness.core.protocols import Reporter
    from harness.core.types import Corpus, Json, Task

_SCORES_AT_ONCE = 1 << 25  # float32, so 128 MiB of scores beside the index
_QUERIES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Bm25Retriever:
    """A `Retriever` that indexes the task's documents anew on each search."""

    name: str
    settings: Bm25Settings

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return all that changes a run; nothing of it depends on the task."""
        return {
            "retriever": "bm25",
            "analyzer": VERSION,
            "formula": "gensim-lucene/1",
            "k1": self.settings.k1,
            "b": self.settings.b,
            "query_weighting": "bm25" if self.settings.weighted_query else "bag-of-words",
        }

    def search(self, task: Task, k: int, reporter: Reporter) -> Retrieved:
        """Return each query's best `k` documents, excluded ones masked before the cut.

        Raises:
            BadInput: `k` is below 1, or the task has no documents.
            ModelError: a score that is not finite.
        """
        corpus = _documents(task, k)
        started = perf_counter()
        with reporter.bar("indexing", len(corpus), "documents") as advance:
            index = build_index(corpus.texts, self.settings, advance)
        indexed = perf_counter()
        rankings = _rank(index, corpus, task, k, reporter)
        return Retrieved(
            run=Run(rankings),
            timings={"index": indexed - started, "search": perf_counter() - indexed},
            facts={
                "documents": len(corpus),
                "terms": len(index.vocabulary),
                "average_length": index.average_length,
            },
        )


def bm25() -> Bm25Retriever:
    """Return BM25 with the query weighted as BRIGHT's official code does."""
    return Bm25Retriever("bm25", Bm25Settings())


def bm25_bow() -> Bm25Retriever:
    """Return BM25 with a plain bag-of-words query."""
    return Bm25Retriever("bm25-bow", Bm25Settings(weighted_query=False))


def _documents(task: Task, k: int) -> Corpus:
    """Return the task's documents, or say why there is nothing to search."""
    if k < 1:
        raise BadInput(f"k is {k}, and a ranking needs at least one place", fix="Give k >= 1.")
    if task.corpus is None or len(task.corpus) == 0:
        raise BadInput(
            f"task {task.name!r} has no documents to search",
            fix="Check that its documents are in the data folder and not empty.",
        )
    return task.corpus


def _rank(
    index: Bm25Index, corpus: Corpus, task: Task, k: int, reporter: Reporter
) -> dict[str, Ranking]:
    """Return query id -> ranking, some queries at a time so that their scores fit."""
    rows = BestRows(corpus.ids)
    at_once = min(max(1, _SCORES_AT_ONCE // len(corpus)), _QUERIES_AT_ONCE)
    rankings = {}
    with reporter.bar("searching", len(task.queries), "queries") as advance:
        for first in range(0, len(task.queries), at_once):
            queries = task.queries[first : first + at_once]
            scores = index.scores([index.query_weights(query.text) for query in queries])
            for query, row in zip(queries, scores, strict=True):
                best = rows.best(row, k, task.excluded.get(query.id, frozenset()))
                rankings[query.id] = Ranking(tuple(corpus.ids[i] for i in best), row[best])
                advance(1)
    return rankings
