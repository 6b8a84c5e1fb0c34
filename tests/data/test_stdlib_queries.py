"""The embedded task's queries: enough of them, real questions, and not answerable by words."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest

from harness.data.stdlib.task import StdlibRow, load_stdlib, read_rows

ROWS = read_rows()
BM25_LIMIT = 0.35
"""nDCG@10 above which the task would be one of matching words."""
NEAR = 0.3
"""Jaccard similarity of word 3-shingles from which two queries count as one told twice."""


def words(text: str) -> list[str]:
    """Return a text's words in lower case."""
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())


def shingles(text: str) -> set[tuple[str, ...]]:
    """Return a text's runs of three words."""
    run = words(text)
    return set(zip(run, run[1:], run[2:], strict=False))


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    """Return how much of two sets is common to both, 0 to 1."""
    return len(one & other) / len(one | other) if one or other else 0.0


def gives_away(row: StdlibRow) -> list[str]:
    """Return the last parts of gold names that the query contains, inside words too."""
    text = row.query.lower()
    return [last for name in row.gold if (last := name.rpartition(".")[2].lower()) in text]


def repeats(values: list[str]) -> list[str]:
    """Return the values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


def test_there_are_at_least_150():
    assert len(ROWS) >= 150


def test_ids_and_texts_are_unique():
    assert repeats([row.id for row in ROWS]) == []
    assert repeats([" ".join(words(row.query)) for row in ROWS]) == []


def test_each_is_40_to_150_words_long():
    lengths = {row.id: len(row.query.split()) for row in ROWS}
    assert {qid: n for qid, n in lengths.items() if not 40 <= n <= 150} == {}


def test_each_has_a_reasoning_note_of_its_own():
    assert [row.id for row in ROWS if len(words(row.reasoning)) < 8] == []
    assert repeats([row.reasoning for row in ROWS]) == []


def test_none_contains_the_last_part_of_a_gold_name():
    assert {row.id: found for row in ROWS if (found := gives_away(row))} == {}


def test_a_giveaway_inside_a_word_is_found():
    row = StdlibRow("x", "Two lists have Emerged already.", ("heapq.merge", "bisect.insort"), "-")
    assert gives_away(row) == ["merge"]


def test_no_two_are_near_duplicates():
    cut = {row.id: shingles(row.query) for row in ROWS}
    near = [(a, b) for a, b in combinations(cut, 2) if jaccard(cut[a], cut[b]) >= NEAR]
    assert near == []


def test_a_near_duplicate_is_found():
    one = shingles("the report is late again because the server sleeps at night")
    other = shingles("The report is late again, because the server sleeps by day")
    assert jaccard(one, other) >= NEAR


def test_reasoning_is_not_in_what_is_searched():
    task = load_stdlib()
    searched = {query.text for query in task.queries} | set(
        task.corpus.texts if task.corpus else ()
    )
    assert not [row.id for row in ROWS if row.reasoning in searched]


@pytest.mark.parametrize("variant", ["bm25", "bm25_bow"])
def test_bm25_does_not_solve_it(variant: str):
    from harness.core.progress import SilentReporter
    from harness.metrics.score import score
    from harness.search import bm25

    task = load_stdlib()
    run = getattr(bm25, variant)().search(task, 10, SilentReporter()).run
    assert score(run, task.qrels).means["ndcg@10"] < BM25_LIMIT
