"""Mining: the source is gone by id and by text, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Ranking, RetrievalResult, Run, Task
from harness.search.bm25 import bm25
from remixer.rows import QueryRow
from remixer.stages.mine import MineOptions, mine_candidates
from tests.helpers.remix_corpus import make_task

QUIET = SilentReporter()


def query(doc_id: str, text: str) -> QueryRow:
    return QueryRow(doc_id, "100 to 200 words", "PhD", text, "m", "v")


def with_documents(**texts: str) -> Task:
    return replace(make_task(), corpus=Corpus(tuple(texts), tuple(texts.values())))


class Fixed:
    """A retriever that ranks what it is told, exclusions left to itself."""

    name = "fixed"

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def identity(self, task: Task) -> Mapping:
        return {}

    def search(self, task: Task, k: int, reporter: object) -> RetrievalResult:
        ranking = Ranking(self.ids, np.linspace(1, 0, len(self.ids), dtype=np.float32))
        return RetrievalResult(Run({query.id: ranking for query in task.queries}), {}, {})


def test_nothing_of_the_benchmarks_answers_is_mined_where_that_is_asked_for():
    gold = "a lock is held by one thread at a time and the others wait for it in a queue"
    task = replace(
        with_documents(
            s="the source", gold=gold, twin=f"{gold} too", out="a lock shut", fine="a lock is free"
        ),
        qrels={"q": {"gold": 1, "elsewhere": 1}},
        excluded={"q": frozenset({"out"})},
    )
    asked = [query("s", "why does a lock wait in a queue")]
    all_of_them = mine_candidates(task, asked, bm25(), MineOptions(depth=5), QUIET)
    assert set(all_of_them.rows[0].candidates) == {"gold", "twin", "out", "fine"}
    clean = mine_candidates(task, asked, bm25(), MineOptions(5, without_gold=True), QUIET)
    assert clean.rows[0].candidates == ("fine",)
    trivial = mine_candidates(
        task, asked, bm25(), MineOptions(5, include_source=True, without_gold=True), QUIET
    )
    assert set(trivial.rows[0].candidates) == {"fine", "s"}


def test_the_source_and_its_copies_are_no_candidates():
    task = with_documents(
        a="the lock waits", b="the lock waits", c=" the lock waits\n", d="the lock", e="a queue"
    )
    mined = mine_candidates(task, [query("a", "lock waits")], bm25(), MineOptions(depth=5), QUIET)
    assert mined.rows[0].candidates == ("d", "e")
    assert mined.counts == {
        "queries": 1, "candidates": 2, "short_lists": 1, "source_among_candidates": 0,
    }  # fmt: skip
    inside = mine_candidates(
        task, [query("a", "lock waits")], bm25(), MineOptions(5, include_source=True), QUIET
    )
    assert len(inside.rows[0].candidates) == 3  # of the three copies one stands
    assert inside.rows[0].candidates[0] in ("a", "b", "c")
    assert inside.counts["source_among_candidates"] == 1


def test_candidates_agree_with_the_search_itself():
    task = make_task(40)
    queries = [query(f"d{n:04}", f"lock queue {word} d{n:04}") for n, word in
               enumerate(["night", "cache", "signal"], start=5)]  # fmt: skip
    mined = mine_candidates(task, queries, bm25(), MineOptions(depth=7), QUIET)
    plain = replace(task, excluded={}, qrels={})
    for row, own in zip(mined.rows, queries, strict=True):
        searched = bm25().search(
            replace(plain, queries=(replace(task.queries[0], id="x", text=own.query),)), 40, QUIET
        )
        ranking = searched.run.rankings["x"]
        expected = [key for key in ranking.doc_ids if key != own.doc_id][:7]
        assert list(row.candidates) == expected
        scores = dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        assert list(row.scores) == [scores[key] for key in expected]


def test_a_text_stands_once_and_the_query_never():
    task = with_documents(a="source", b="lock", c="lock ", d="why a lock?", e="queue")
    options = MineOptions(depth=3)
    mined = mine_candidates(
        task, [query("a", "why a lock?")], Fixed("d", "b", "c", "e"), options, QUIET
    )
    assert mined.rows[0].candidates == ("b", "e")


def test_repeats_take_no_places():
    task = with_documents(a="source", b="lock", c="lock", d="lock ", e="lock queue", f="queue")
    mined = mine_candidates(task, [query("a", "lock")], bm25(), MineOptions(depth=2), QUIET)
    assert len(mined.rows[0].candidates) == 2
    assert mined.counts["short_lists"] == 0


def test_the_benchmarks_own_exclusions_do_not_reach_into_mining():
    task = make_task()
    mined = mine_candidates(
        task, [query("d0005", "lock d0000 d0001")], bm25(), MineOptions(depth=2), QUIET
    )
    assert set(mined.rows[0].candidates) == {"d0000", "d0001"}  # gold and excluded


def test_another_corpus_is_refused():
    task = make_task()
    with pytest.raises(BadInput, match=r"1 of 2 source documents are not in the corpus.*'gone'"):
        mine_candidates(
            task, [query("d0005", "x"), query("gone", "y")], bm25(), MineOptions(), QUIET
        )
    with pytest.raises(ModelError, match="'fixed' ranked 'stranger'"):
        mine_candidates(task, [query("d0005", "x")], Fixed("stranger"), MineOptions(), QUIET)
    with pytest.raises(BadInput, match="no documents to mine"):
        mine_candidates(replace(task, corpus=None), [], bm25(), MineOptions(), QUIET)
