"""The embedded tasks' queries: four wordings of each situation, held to the rules they follow."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from harness.data.embedded import TASKS as EMBEDDED
from harness.data.situations import Situation, read_situations
from harness.data.stdlib.task import LEVELS, STDLIB

SITUATIONS = read_situations(STDLIB.collection)
REPLAY = Path(__file__).resolve().parents[2] / "remixer" / "examples" / "stdlib-replay.jsonl.gz"
LENGTHS = {"lexical": (5, 15), "paraphrase": (25, 50), "plain": (40, 150), "oblique": (40, 150)}
"""Words of a query by level."""

NEAR = 0.3
"""Jaccard similarity of word 3-shingles from which two texts count as near-duplicates."""

ORDINARY = frozenset({
    "decode", "fraction", "input", "integral", "interpolation", "load", "lock", "parser", "path",
    "profile", "real", "resolve", "seconds", "server", "size", "stats", "timestamp",
})  # fmt: skip
"""Identifiers of relevant documents that are ordinary words of the trade, and may be used."""

FORMATS = frozenset({"json", "uuid"})
"""Formats that the asker has in front of them; the modules happen to bear their names."""


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


def banned(each: Situation) -> set[str]:
    """Return the names that no wording of a situation may contain, in lower case."""
    names = {name.lower() for name in (*each.answers, *each.gold_1)}
    return (names | {name.rpartition(".")[2] for name in names}) - ORDINARY - FORMATS


def leaks(each: Situation, level: str) -> list[str]:
    """Return the banned names that a wording contains as whole words."""
    text = each.wordings[level].lower()
    return sorted(
        name for name in banned(each) if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    )


def repeats(values: list[str]) -> list[str]:
    """Return the values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


def training_queries() -> list[str]:
    """Return the queries of the demonstrations' training rows."""
    with gzip.open(REPLAY, "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        return [r["reply"]["text"] for r in records if r["request"]["about"]["stage"] == "generate"]


def test_ids_and_texts_are_unique():
    assert len(SITUATIONS) == 186
    assert repeats([each.id for each in SITUATIONS]) == []
    for level in LEVELS:
        assert repeats([" ".join(words(each.wordings[level])) for each in SITUATIONS]) == []


@pytest.mark.parametrize("level", LEVELS)
def test_each_is_as_long_as_its_level_asks(level: str):
    low, high = LENGTHS[level]
    lengths = {each.id: len(each.wordings[level].split()) for each in SITUATIONS}
    assert {key: n for key, n in lengths.items() if not low <= n <= high} == {}


def test_each_has_a_reasoning_note_of_its_own():
    assert [each.id for each in SITUATIONS if len(words(each.reasoning)) < 8] == []
    assert repeats([each.reasoning for each in SITUATIONS]) == []


@pytest.mark.parametrize("level", LEVELS)
def test_none_contains_the_name_of_an_answer(level: str):
    assert {each.id: found for each in SITUATIONS if (found := leaks(each, level))} == {}


def test_the_allowed_words_are_all_needed():
    used = {
        word
        for each in SITUATIONS
        for name in (*each.answers, *each.gold_1)
        for level in LEVELS
        if (word := name.rpartition(".")[2].lower()) in words(each.wordings[level])
    }
    assert used == ORDINARY | FORMATS


def test_a_name_as_a_whole_word_is_found_and_inside_a_word_is_not():
    texts = {"lexical": "Emerged lists, insort them", "plain": "an emerging bisect.insort call"}
    each = Situation("x", texts, ("heapq.merge", "bisect.insort"), (), (), "-")
    assert leaks(each, "lexical") == ["insort"]
    assert leaks(each, "plain") == ["bisect.insort", "insort"]


@pytest.mark.parametrize("level", LEVELS)
def test_no_two_situations_are_near_duplicates(level: str):
    cut = {each.id: shingles(each.wordings[level]) for each in SITUATIONS}
    assert [(a, b) for a, b in combinations(cut, 2) if jaccard(cut[a], cut[b]) >= NEAR] == []


def test_no_wording_is_near_a_training_query():
    """Compared are only texts that share a shingle: no other can be near."""
    held: dict[tuple[str, ...], list[int]] = {}
    rows = [shingles(text) for text in training_queries()]
    assert len(rows) > 400
    for at, row in enumerate(rows):
        for each in row:
            held.setdefault(each, []).append(at)
    near = []
    for each in SITUATIONS:
        for level in LEVELS:
            own = shingles(each.wordings[level])
            sharing = {at for piece in own for at in held.get(piece, ())}
            near += [(each.id, level) for at in sharing if jaccard(own, rows[at]) >= NEAR]
    assert near == []


def test_a_near_duplicate_is_found():
    one = shingles("the report is late again because the server sleeps at night")
    other = shingles("The report is late again, because the server sleeps by day")
    assert jaccard(one, other) >= NEAR


def test_reasoning_is_not_in_what_is_searched():
    for name in STDLIB.tasks:
        task = EMBEDDED[name].load()
        searched = {query.text for query in task.queries} | set(
            task.corpus.texts if task.corpus else ()
        )
        assert not [each.id for each in SITUATIONS if each.reasoning in searched]


def test_bm25_finds_less_with_each_wording():
    """What makes the levels levels; the values themselves stand in the README."""
    from harness.core.progress import SilentReporter
    from harness.metrics.names import parse_metric
    from harness.metrics.score import score
    from harness.search.bm25 import bm25

    found = []
    for name in STDLIB.tasks:
        task = EMBEDDED[name].load()
        run = bm25().search(task, 10, SilentReporter()).run
        found.append(score(run, task.qrels, [parse_metric("ndcg@10")]).means["ndcg@10"])
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.05
    assert found[0] > 0.25
