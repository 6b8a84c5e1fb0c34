"""Counts the terms of many documents, with memory that follows the distinct terms alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.search.lucene.analyzer import term_of
from harness.search.lucene.segmentation import tokenize

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REMEMBERED_TOKENS = 1_000_000  # about 150 MB of dictionary; past it, remembering starts over
_STOPPED = -1
_TERM_BITS = 32


@dataclass(frozen=True, slots=True)
class TermCounts:
    """The terms of some documents, document after document, each term once and ascending.

    `terms` int32 and `frequencies` float32 are parallel; `sizes` int64 `[documents]` says how many
    of them each document has, `lengths` int64 `[documents]` how many with repeats.
    """

    terms: NDArray[np.int32]
    frequencies: NDArray[np.float32]
    sizes: NDArray[np.int64]
    lengths: NDArray[np.int64]


class TermCounter:
    """Numbers terms in order of appearance and counts them; `vocabulary` grows as it goes."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}
        self._term_of_token = _TokenTerms(self.vocabulary)

    def count(self, texts: Sequence[str]) -> TermCounts:
        """Count the terms of some documents; one without words has size and length 0."""
        remembered = self._term_of_token
        if len(remembered) > _REMEMBERED_TOKENS:
            remembered.clear()
        number_of = remembered.__getitem__
        numbers: list[int] = []
        ends = np.empty(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            numbers.extend(map(number_of, tokenize(text)))
            ends[row] = len(numbers)
        terms = np.array(numbers, dtype=np.int64)
        rows = np.repeat(np.arange(len(texts), dtype=np.int64), np.diff(ends, prepend=0))
        kept = terms != _STOPPED
        return _counted(rows[kept], terms[kept], len(texts))


class _TokenTerms(dict[str, int]):
    """Token -> number of its term, or `_STOPPED`; each token is looked into once."""

    def __init__(self, vocabulary: dict[str, int]) -> None:
        self._vocabulary = vocabulary

    def __missing__(self, token: str) -> int:
        term = term_of(token)
        number = self._vocabulary.setdefault(term, len(self._vocabulary)) if term else _STOPPED
        self[token] = number
        return number


def _counted(rows: NDArray[np.int64], terms: NDArray[np.int64], n_rows: int) -> TermCounts:
    """Merge equal (row, term) pairs into counts."""
    pairs = np.sort((rows << _TERM_BITS) | terms)
    is_first = np.ones(len(pairs), dtype=np.bool_)
    np.not_equal(pairs[1:], pairs[:-1], out=is_first[1:])
    places = np.flatnonzero(is_first)
    merged = pairs[places]
    return TermCounts(
        terms=(merged & ((1 << _TERM_BITS) - 1)).astype(np.int32),
        frequencies=np.diff(places, append=len(pairs)).astype(np.float32),
        sizes=np.bincount(merged >> _TERM_BITS, minlength=n_rows),
        lengths=np.bincount(rows, minlength=n_rows),
    )
