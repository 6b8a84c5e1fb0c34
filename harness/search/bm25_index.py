"""The sparse side of BM25: term weights of every document, and scores of many queries at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.core.errors import BadInput
from harness.search.analyzer import analyze
from harness.search.term_counts import TermCounter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.protocols import Advance
    from harness.core.types import FloatMatrix
    from harness.search.term_counts import TermCounts

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
        slack = _slack(self.settings, np.float64(counts.total()), self.average_length)
        return {
            term: float(self.idf[term] * count / (count + slack)) for term, count in counts.items()
        }

    def scores(self, queries: Sequence[QueryWeights]) -> FloatMatrix:
        """Return the inner product of every query with every document: float32 `[q, n]`.

        Sums run in float64 over a document's terms in ascending order and are rounded once, so a
        score depends neither on the other queries nor on how documents are split into blocks.
        """
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


def _slack(
    settings: Bm25Settings, length: NDArray[np.float64] | np.float64, average: float
) -> NDArray[np.float64]:
    """Return the part of BM25's denominator that grows with a text's length, in terms."""
    relative = length / max(average, 1e-9)  # an average of 0 goes with lengths of 0
    return np.asarray(settings.k1 * (1 - settings.b + settings.b * relative))


def _taken(parts: list[TermCounts]) -> Iterator[TermCounts]:
    """Yield parts in order, letting go of each."""
    parts.reverse()
    while parts:
        yield parts.pop()


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    """Yield the spans `[first, last)` that documents are handled in."""
    for first in range(0, n, _DOCUMENTS_AT_ONCE):
        yield first, min(first + _DOCUMENTS_AT_ONCE, n)
