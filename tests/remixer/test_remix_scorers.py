"""Cheap annotators: their scores are those of the search, their labels go by rank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cache.store import EmbeddingStore
from harness.core.errors import ModelError
from harness.core.progress import SilentReporter
from harness.search.bm25 import bm25
from remixer.rows import QueryRow, rows_by_id
from remixer.stages.mine import MineOptions, mine_candidates
from remixer.stages.scorers import (
    EmbeddingScorer,
    LexicalScorer,
    label_by_rank,
    score_candidates,
)
from tests.helpers.remix_corpus import make_task
from tests.helpers.remix_embedder import HashedWords

QUIET = SilentReporter()
TASK = make_task(40)
QUERIES = [
    QueryRow(f"d{n:04}", "", "", f"lock {word} d{n + 3:04}", "m", "v")
    for n, word in enumerate(["night", "cache", "signal", "table"], start=5)
]


def mined():
    return mine_candidates(TASK, QUERIES, bm25(), MineOptions(depth=12), QUIET).rows


def test_lexical_scores_are_bm25s():
    rows = mined()
    pairs = [(query.query, row.candidates) for query, row in zip(QUERIES, rows, strict=True)]
    scores = LexicalScorer().scores(TASK, pairs, QUIET)
    assert [tuple(own) for own in scores] == [row.scores for row in rows]


@pytest.mark.parametrize("cached", [False, True])
def test_embedding_scores_are_inner_products(tmp_path: Path, cached: bool):
    store = EmbeddingStore(tmp_path / "cache") if cached else None
    embedder = HashedWords()
    scorer = EmbeddingScorer(embedder, store)
    assert scorer.name == "embedding:hashed-words"
    text_of = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))
    pairs = [("lock queue", ("d0004", "d0002")), ("table", ()), ("night", ("d0002",))]
    scores = scorer.scores(TASK, pairs, QUIET)
    for (query, candidates), own in zip(pairs, scores, strict=True):
        expected = [
            float(
                embedder.encode([query], role="query", instruction="")[0]
                @ embedder.encode([text_of[key]], role="document", instruction="")[0]
            )
            for key in candidates
        ]
        assert own == pytest.approx(expected, abs=1e-6)
    assert scorer.scores(TASK, [("x", ())], QUIET) == [[]]


@given(st.lists(st.floats(-10, 10), max_size=120))
def test_labels_go_by_rank(scores: list[float]):
    labels = label_by_rank(scores)
    n = len(scores)
    order = np.argsort(-np.asarray(scores), kind="stable")
    ranked = [labels[at] for at in order]
    assert ranked == sorted(ranked, reverse=True)
    for label, share in ((5, 0.04), (4, 0.08), (2, 0.56)):
        assert (
            sum(value >= label for value in labels) == pytest.approx(share * n, abs=0.51) or n < 9
        )
    if n > 1:
        assert sum(value >= 3 for value in labels) == max(1, round(0.12 * n))


def test_a_hundred_candidates_have_twelve_positives():
    labels = label_by_rank([float(-n) for n in range(100)])
    assert [labels.count(label) for label in (5, 4, 3, 2, 1)] == [4, 4, 4, 44, 44]


def test_rows_carry_the_scorer_and_scores_must_be_finite():
    rows = mined()
    labelled = score_candidates(LexicalScorer(), TASK, rows_by_id(QUERIES), rows, QUIET)
    assert {row.annotator for row in labelled} == {"lexical"}
    assert [row.candidates for row in labelled] == [row.candidates for row in rows]
    assert all(max(row.labels) >= 3 > min(row.labels) for row in labelled)

    class Broken(LexicalScorer):
        name = "broken"

        def scores(self, task, pairs, reporter):
            return [[float("nan")] * len(candidates) for _, candidates in pairs]

    with pytest.raises(ModelError, match="broken scored a candidate of 'd0005'"):
        score_candidates(Broken(), TASK, rows_by_id(QUERIES), rows, QUIET)
