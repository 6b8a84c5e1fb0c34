"""BM25 by BRIGHT's official recipe, and the plain bag-of-words variant, on sparse rows.

The recipe (xlang-ai/BRIGHT, retrievers.py): Lucene's default English analyzer; gensim's
`LuceneBM25Model` with k1 0.9 and b 0.4 over the corpus; the query passed through the same model,
so that its terms carry `idf * tf / (tf + k1 * (1 - b + b * |q| / average))` with the corpus'
average length; the plain inner product of the two. Every document is scored, and those that share
no term rank last with 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from harness.core.errors import BadInput
from harness.core.types import Ranking, RetrievalResult, Run
from harness.search.lucene.analyzer import VERSION, analyze

if TYPE_CHECKING:
    # A system that is measured already is only named: NumPy would be half of that time.
    import numpy as np
    from numpy.typing import NDArray

    from harness.core.protocols import Advance, Reporter
    from harness.core.types import Corpus, FloatMatrix, Json, Task
    from harness.search.lucene.term_counts import TermCounts

    Length = TypeVar("Length", float, NDArray[np.float64])

QueryWeights: TypeAlias = dict[int, float]
"""Term number -> weight."""

_DOCUMENTS_AT_ONCE = 4096  # bounds what counting and scoring hold beside the index


@dataclass(frozen=True, slots=True)
class Bm25Settings:
    """BM25's constants and what a query is.

    `k1` (0 or more) says how soon repeats stop counting, `b` (0 to 1) how much length matters;
    0.9 and 0.4 are BRIGHT's (xlang-ai/BRIGHT, retrievers.py). With `weighted_query` a query's
    terms are weighted as a document's are (BRIGHT's recipe), else each occurrence counts 1.
    Raises `BadInput` outside these ranges.
    """

    k1: float = 0.9
    b: float = 0.4
    weighted_query: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (0 <= self.k1 < math.inf and 0 <= self.b <= 1):
            raise BadInput(
                f"BM25 cannot use k1 = {self.k1} with b = {self.b}",
                fix="Give k1 >= 0 (usually 0.9 to 2) and 0 <= b <= 1.",
            )


@dataclass(frozen=True, slots=True)
class Bm25Index:
    """Documents as rows of term weights (compressed sparse rows, 8 bytes a weight).

    Row `i` holds `terms[starts[i]:starts[i + 1]]` (int32, ascending) with `weights` (float32).
    `idf` is float64 `[terms]`; `average_length` counts terms per document, with repeats.
    """

    settings: Bm25Settings
    vocabulary: dict[str, int]
    idf: NDArray[np.float64]
    average_length: float
    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.starts) - 1

    def query_weights(self, text: str) -> QueryWeights:
        """Return the weight of each term of a query that some document has.

        gensim's `doc2bow` drops other terms first, so they do not lengthen the query either.
        """
        numbers = (self.vocabulary.get(term) for term in analyze(text))
        counts = Counter(number for number in numbers if number is not None)
        if not self.settings.weighted_query:
            return {term: float(count) for term, count in counts.items()}
        slack = _slack(self.settings, float(counts.total()), self.average_length)
        return {
            term: float(self.idf[term] * count / (count + slack)) for term, count in counts.items()
        }

    def scores(self, queries: Sequence[QueryWeights]) -> FloatMatrix:
        """Return the inner product of every query with every document: float32 `[q, n]`.

        Sums run in float64 over a document's terms in ascending order and are rounded once, so a
        score depends neither on the other queries nor on how documents are split into blocks.
        """
        import numpy as np
        from scipy.sparse import csr_array

        asked = sorted({term for query in queries for term in query})
        column_of = np.full(len(self.vocabulary), -1, dtype=np.int32)
        column_of[asked] = np.arange(len(asked), dtype=np.int32)
        dense = np.zeros((len(asked), len(queries)))
        for number, query in enumerate(queries):
            dense[column_of[list(query)], number] = list(query.values())
        scores = np.empty((len(queries), len(self)), dtype=np.float32)
        for first, last in _blocks(len(self)):
            block = slice(self.starts[first], self.starts[last])
            columns = column_of[self.terms[block]]
            kept = np.flatnonzero(columns >= 0)
            ends = np.searchsorted(kept, self.starts[first : last + 1] - block.start)
            values = self.weights[block][kept].astype(np.float64)
            rows = csr_array((values, columns[kept], ends), shape=(last - first, len(asked)))
            scores[:, first:last] = (rows @ dense).T
        return scores


def build_index(texts: Sequence[str], settings: Bm25Settings, advance: Advance) -> Bm25Index:
    """Index documents, at least one.

    A term of document `d` weighs `idf * tf / (tf + k1 * (1 - b + b * |d| / average))` where
    `idf = ln((N + 1) / (df + 0.5))`: gensim 4.4's `LuceneBM25Model` made from a dictionary. `N`
    and the average include empty documents, and `|d|` counts terms with repeats. gensim's
    dictionary drops the rarest terms past two million; this one keeps all.
    """
    import numpy as np

    from harness.search.lucene.term_counts import TermCounter

    counter = TermCounter()
    parts = []
    for first, last in _blocks(len(texts)):
        parts.append(counter.count(texts[first:last]))
        advance(last - first)
    lengths = np.concatenate([part.lengths for part in parts])
    sizes = np.concatenate([part.sizes for part in parts])
    starts = np.concatenate(([0], np.cumsum(sizes)))
    terms = np.empty(starts[-1], dtype=np.int32)
    weights = np.empty(starts[-1], dtype=np.float32)
    holding = np.zeros(len(counter.vocabulary), dtype=np.int64)
    for (first, _), part in zip(_blocks(len(texts)), _taken(parts), strict=True):
        span = slice(starts[first], starts[first] + len(part.terms))
        terms[span], weights[span] = part.terms, part.frequencies
        holding += np.bincount(part.terms, minlength=len(holding))
    idf = math.log(len(texts) + 1.0) - np.log(holding + 0.5)
    average = float(lengths.mean())
    for first, last in _blocks(len(texts)):
        span = slice(starts[first], starts[last])
        slack = np.repeat(_slack(settings, lengths[first:last], average), sizes[first:last])
        frequencies = weights[span].astype(np.float64)
        weights[span] = idf[terms[span]] * frequencies / (frequencies + slack)
    return Bm25Index(settings, counter.vocabulary, idf, average, starts, terms, weights)


def _slack(settings: Bm25Settings, length: Length, average: float) -> Length:
    """Return the part of BM25's denominator that grows with a text's length, in terms."""
    relative = length / max(average, 1e-9)  # an average of 0 goes with lengths of 0
    return settings.k1 * (1 - settings.b + settings.b * relative)


def _taken(parts: list[TermCounts]) -> Iterator[TermCounts]:
    """Yield parts in order, letting go of each."""
    parts.reverse()
    while parts:
        yield parts.pop()


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    """Yield the spans `[first, last)` that documents are handled in."""
    for first in range(0, n, _DOCUMENTS_AT_ONCE):
        yield first, min(first + _DOCUMENTS_AT_ONCE, n)


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

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
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
        return RetrievalResult(
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
    from harness.search.top_k import TopKRanker

    rows = TopKRanker(corpus.ids)
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
