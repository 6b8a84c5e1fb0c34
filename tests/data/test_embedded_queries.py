"""The embedded tasks' queries: the wordings of each situation, held to the rules they follow."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from harness.data.embedded import GROUPS, TASKS
from harness.data.embedded_task import EmbeddedGroup
from harness.data.situations import Situation, read_situations

REPLAY = Path(__file__).resolve().parents[2] / "remixer" / "examples" / "stdlib-replay.jsonl.gz"

NEAR = 0.3
"""Jaccard similarity of word 3-shingles from which two texts count as near-duplicates."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a group's wordings.

    `words` is the range of a query's length by level. `ordinary` are identifiers of relevant
    documents that are ordinary words of the trade, and may be used.
    """

    situations: int
    words: dict[str, tuple[int, int]]
    ordinary: frozenset[str]


RULES = {
    "stdlib": Rules(
        situations=186,
        words={
            "lexical": (5, 15), "paraphrase": (25, 50), "plain": (40, 150), "oblique": (40, 150),
        },
        # json and uuid are formats that the asker has in front of them
        ordinary=frozenset({
            "decode", "fraction", "input", "integral", "interpolation", "json", "load", "lock",
            "parser", "path", "profile", "real", "resolve", "seconds", "server", "size", "stats",
            "timestamp", "uuid",
        }),
    ),
    "scientific": Rules(
        situations=160,
        words={"paraphrase": (25, 50), "oblique": (60, 130)},
        ordinary=frozenset({"query"}),
    ),
}  # fmt: skip
SITUATIONS = {name: read_situations(group.collection) for name, group in GROUPS.items()}
WORDINGS = [(each.group.name, each.level) for each in TASKS.values()]


@pytest.fixture(params=GROUPS)
def group(request: pytest.FixtureRequest) -> EmbeddedGroup:
    """Return each group of embedded tasks."""
    return GROUPS[request.param]


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


def banned(each: Situation, ordinary: frozenset[str]) -> set[str]:
    """Return the names that no wording of a situation may contain, in lower case."""
    names = {name.lower() for name in (*each.answers, *each.gold_1)}
    return (names | {name.rpartition(".")[2] for name in names}) - ordinary


def leaks(each: Situation, level: str, ordinary: frozenset[str]) -> list[str]:
    """Return the banned names that a wording contains as whole words."""
    text = each.wordings[level].lower()
    return sorted(
        name
        for name in banned(each, ordinary)
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    )


def repeats(values: list[str]) -> list[str]:
    """Return the values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


def training_queries() -> list[str]:
    """Return the queries of the demonstrations' training rows."""
    with gzip.open(REPLAY, "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        return [r["reply"]["text"] for r in records if r["request"]["about"]["stage"] == "generate"]


def test_every_group_has_its_rules():
    assert RULES.keys() == GROUPS.keys()
    for name, rules in RULES.items():
        assert tuple(rules.words) == GROUPS[name].collection.levels


def test_ids_and_texts_are_unique(group: EmbeddedGroup):
    own = SITUATIONS[group.name]
    assert len(own) == RULES[group.name].situations
    assert repeats([each.id for each in own]) == []
    for level in group.collection.levels:
        assert repeats([" ".join(words(each.wordings[level])) for each in own]) == []


@pytest.mark.parametrize(("name", "level"), WORDINGS)
def test_each_is_as_long_as_its_level_asks(name: str, level: str):
    low, high = RULES[name].words[level]
    lengths = {each.id: len(each.wordings[level].split()) for each in SITUATIONS[name]}
    assert {key: n for key, n in lengths.items() if not low <= n <= high} == {}


def test_each_has_a_reasoning_note_of_its_own(group: EmbeddedGroup):
    own = SITUATIONS[group.name]
    assert [each.id for each in own if len(words(each.reasoning)) < 8] == []
    assert repeats([each.reasoning for each in own]) == []


@pytest.mark.parametrize(("name", "level"), WORDINGS)
def test_none_contains_the_name_of_an_answer(name: str, level: str):
    ordinary = RULES[name].ordinary
    leaking = {each.id: leaks(each, level, ordinary) for each in SITUATIONS[name]}
    assert {key: names for key, names in leaking.items() if names} == {}


def test_the_allowed_words_are_all_needed(group: EmbeddedGroup):
    used = {
        word
        for each in SITUATIONS[group.name]
        for name in (*each.answers, *each.gold_1)
        for text in each.wordings.values()
        if (word := name.rpartition(".")[2].lower()) in words(text)
    }
    assert used == RULES[group.name].ordinary


def test_a_name_as_a_whole_word_is_found_and_inside_a_word_is_not():
    texts = {"lexical": "Emerged lists, insort them", "plain": "an emerging bisect.insort call"}
    each = Situation("x", texts, ("heapq.merge", "bisect.insort"), (), (), "-")
    assert leaks(each, "lexical", frozenset()) == ["insort"]
    assert leaks(each, "plain", frozenset()) == ["bisect.insort", "insort"]


@pytest.mark.parametrize(("name", "level"), WORDINGS)
def test_no_two_situations_are_near_duplicates(name: str, level: str):
    cut = {each.id: shingles(each.wordings[level]) for each in SITUATIONS[name]}
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
    for each in (each for own in SITUATIONS.values() for each in own):
        for level, text in each.wordings.items():
            own = shingles(text)
            sharing = {at for piece in own for at in held.get(piece, ())}
            near += [(each.id, level) for at in sharing if jaccard(own, rows[at]) >= NEAR]
    assert near == []


def test_a_near_duplicate_is_found():
    one = shingles("the report is late again because the server sleeps at night")
    other = shingles("The report is late again, because the server sleeps by day")
    assert jaccard(one, other) >= NEAR


def test_reasoning_is_not_in_what_is_searched(group: EmbeddedGroup):
    for name in group.tasks:
        task = TASKS[name].load()
        searched = {query.text for query in task.queries} | set(
            task.corpus.texts if task.corpus else ()
        )
        assert not [each.id for each in SITUATIONS[group.name] if each.reasoning in searched]


def test_bm25_finds_less_with_each_wording(group: EmbeddedGroup):
    """What makes the levels levels; the values themselves stand in the README."""
    from harness.core.progress import SilentReporter
    from harness.metrics.names import parse_metric
    from harness.metrics.score import score
    from harness.search.bm25 import bm25

    values = []
    for name in group.tasks:
        task = TASKS[name].load()
        run = bm25().search(task, 10, SilentReporter()).run
        values.append(score(run, task.qrels, [parse_metric("ndcg@10")]).means["ndcg@10"])
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.1
    assert values[0] > 0.25
