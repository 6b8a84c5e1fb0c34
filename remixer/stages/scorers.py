"""Cheap annotators for the annotator ablation: a score per candidate, and labels by its rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.cache.batches import EncodingInput
from harness.cache.encode import encode_texts
from harness.core.errors import ModelError
from harness.core.protocols import Embedder, PairScorer, Reporter
from harness.core.types import Role, Task
from harness.search.bm25 import Bm25Settings, build_index
from remixer.rows import LabelRow, MinedRow, QueryRow

if TYPE_CHECKING:
    from harness.cache.store import EmbeddingStore
    from harness.core.types import FloatMatrix

SHARES = ((5, 0.04), (4, 0.08), (3, 0.12), (2, 0.56))
"""Label and the share of a list, from its top, that gets at least that label; the rest gets 1.

Ours. 12 in 100 are positive, as in the data that ReasonEmbed released (991,791 positives in 81,659
lists of 99 or 100, counted by others); how they spread over the labels is a choice.
"""

_QUERIES_AT_ONCE = 64

CROSS_ENCODER = "cross-encoder:"
_PAIRS_AT_ONCE = 512


class CandidateScorer(Protocol):
    """Scores documents for a query: higher is more relevant, on any scale."""

    @property
    def name(self) -> str:
        """Return the name that rows carry as their annotator."""

    def scores(
        self, task: Task, pairs: Sequence[tuple[str, Sequence[str]]], reporter: Reporter
    ) -> list[list[float]]:
        """Return, for each (query, document ids), a score per document."""


class LexicalScorer:
    """BM25 by BRIGHT's recipe, its statistics from the whole corpus."""

    name = "lexical"

    def scores(
        self, task: Task, pairs: Sequence[tuple[str, Sequence[str]]], reporter: Reporter
    ) -> list[list[float]]:
        """Return the BM25 score of each candidate."""
        corpus = _corpus(task)
        row_of = {key: row for row, key in enumerate(corpus[0])}
        with reporter.bar("indexing", len(corpus[0]), "documents") as advance:
            index = build_index(corpus[1], Bm25Settings(), advance)
        found: list[list[float]] = []
        with reporter.bar("scoring", len(pairs), "queries") as advance:
            for first in range(0, len(pairs), _QUERIES_AT_ONCE):
                group = pairs[first : first + _QUERIES_AT_ONCE]
                every = index.scores([index.query_weights(query) for query, _ in group])
                for scores, (_, candidates) in zip(every, group, strict=True):
                    found.append([float(scores[row_of[key]]) for key in candidates])
                    advance(1)
        return found


class EmbeddingScorer:
    """Inner product of an embedder's vectors, through the embedding cache where there is one."""

    def __init__(self, embedder: Embedder, store: EmbeddingStore | None = None) -> None:
        self.embedder = embedder
        self.store = store

    @property
    def name(self) -> str:
        """Return the embedder's name, marked as an embedding."""
        return f"embedding:{self.embedder.name}"

    def scores(
        self, task: Task, pairs: Sequence[tuple[str, Sequence[str]]], reporter: Reporter
    ) -> list[list[float]]:
        """Return the inner product of each query with its candidates."""
        ids, texts = _corpus(task)
        wanted = sorted({key for _, candidates in pairs for key in candidates})
        if not wanted:
            return [[] for _ in pairs]
        text_of = dict(zip(ids, texts, strict=True))
        query = self._vectors("query", [text for text, _ in pairs], task, reporter)
        document = self._vectors("document", [text_of[key] for key in wanted], task, reporter)
        place = {key: row for row, key in enumerate(wanted)}
        return [
            (document[[place[key] for key in candidates]] @ vector).tolist() if candidates else []
            for vector, (_, candidates) in zip(query, pairs, strict=True)
        ]

    def _vectors(
        self, role: Role, texts: Sequence[str], task: Task, reporter: Reporter
    ) -> FloatMatrix:
        """Return float32 `[n, d]` for texts of one role."""
        text = self.embedder.instruction(role, task.prompt_fields)
        vectors = encode_texts(
            self.embedder, texts, EncodingInput.of(self.embedder, role, text), self.store, reporter
        ).vectors
        return vectors


class CrossEncoderScorer:
    """The scores of a model that reads query and document together."""

    def __init__(self, model: PairScorer) -> None:
        self._model = model

    @cached_property
    def name(self) -> str:
        """Return the name that rows carry: the model's, and the start of its weights' hash."""
        weights = str(self._model.identity["weights"]).rpartition(":")[2]
        return f"{CROSS_ENCODER}{self._model.name}@{weights[:12]}"

    def scores(
        self, task: Task, pairs: Sequence[tuple[str, Sequence[str]]], reporter: Reporter
    ) -> list[list[float]]:
        """Return the score of each candidate with its query; raises what the model raises."""
        corpus = task.corpus
        text_of = {} if corpus is None else corpus.text_of
        asked = [(query, text_of[key]) for query, candidates in pairs for key in candidates]
        flat: list[float] = []
        with reporter.bar("scoring", len(asked), "pairs") as advance:
            for first in range(0, len(asked), _PAIRS_AT_ONCE):
                some = asked[first : first + _PAIRS_AT_ONCE]
                flat += self._model.scores(some).tolist()
                advance(len(some))
        values = iter(flat)
        return [[next(values) for _ in candidates] for _, candidates in pairs]


def label_by_rank(scores: Sequence[float]) -> tuple[int, ...]:
    """Return a label per score: by its rank in the list and `SHARES`; ties by place in the list.

    A list of n gets `round(share * n)` labels from each share up, at least one of 3 or more.
    """
    n = len(scores)
    order = sorted(range(n), key=lambda at: (-scores[at], at))
    labels = [1] * n
    for label, share in reversed(SHARES):
        least = 1 if label == 3 and n > 1 else 0
        for at in order[: max(least, round(share * n))]:
            labels[at] = label
    return tuple(labels)


def score_candidates(
    scorer: CandidateScorer,
    task: Task,
    queries: Mapping[str, QueryRow],
    mined: Sequence[MinedRow],
    reporter: Reporter,
) -> tuple[LabelRow, ...]:
    """Return the labels of a cheap scorer, in the order of `mined`.

    Raises `ModelError` for a score that is not finite.
    """
    pairs = [(queries[row.doc_id].query, row.candidates) for row in mined]
    every = scorer.scores(task, pairs, reporter)
    rows = []
    for row, scores in zip(mined, every, strict=True):
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{scorer.name} scored a candidate of {row.doc_id!r} with a value not finite",
                fix="Use another scorer.",
            )
        rows.append(LabelRow(row.doc_id, row.candidates, label_by_rank(scores), scorer.name))
    return tuple(rows)


def _corpus(task: Task) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the task's ids and texts."""
    corpus = task.corpus
    return ((), ()) if corpus is None else (corpus.ids, corpus.texts)
