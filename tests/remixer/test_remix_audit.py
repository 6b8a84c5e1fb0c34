"""The audit's counts against a plain comparison of everything with everything."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import BadInput, UnknownName
from harness.core.progress import SilentReporter
from harness.core.training_row import TrainingRow, row_json
from harness.core.types import Corpus, Query, Task
from harness.search.lucene.analyzer import analyze
from remixer.audit import scan as audit_scan
from remixer.audit.contamination import BenchmarkIndex, BenchmarkText
from remixer.audit.measures import MEASURES, SECTIONS, parse_limits, with_limits
from remixer.audit.report import audit_json, measure_rows, render_audit, violation_lines
from remixer.audit.run import Audit, AuditTools, audit
from remixer.audit.scan import AuditSampling, BottomKSample
from remixer.near_duplicates.minhash import make_hasher
from remixer.near_duplicates.shingles import shingle
from tests.helpers.remix_corpus import make_task

WORDS = [f"term{number}" for number in range(400)]


def some_text(rng: np.random.Generator, size: int = 40) -> str:
    return " ".join(rng.choice(WORDS, size))


def nearly(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    words[int(rng.integers(len(words)))] = "changed"
    return " ".join(words)


def shouted(text: str) -> str:
    return text.replace(" ", "  ").upper() + "!"


def make_pool(rng: np.random.Generator, n: int) -> list[str]:
    """Return texts of which some are equal but for their case, and some near-equal."""
    pool = [some_text(rng) for _ in range(n)]
    for at in range(n // 3):
        other = int(rng.integers(n))
        pool.append(shouted(pool[other]) if at % 2 else nearly(pool[other], rng))
    return pool


def make_rows(rng: np.random.Generator, n: int, pool: list[str]) -> list[TrainingRow]:
    queries = make_pool(rng, n)
    rows = []
    for at in range(n):
        drawn = [pool[i] for i in rng.integers(0, len(pool), 7)]
        rows.append(
            TrainingRow(
                query=queries[int(rng.integers(len(queries)))],
                pos=tuple(drawn[: int(rng.integers(0, 4))]),
                neg=tuple(drawn[3 : 3 + int(rng.integers(0, 5))]),
                task=f"t{at % 2}",
                source_id=f"d{int(rng.integers(0, 40)):04}" if at % 5 else "",
            )
        )
    return rows


def make_benchmark(rng: np.random.Generator, pool: list[str], queries: list[str]) -> Task:
    ids = tuple(f"d{row:04}" for row in range(40))
    texts = tuple(pool[int(rng.integers(len(pool)))] for _ in ids)
    return replace(
        make_task(),
        name="t0",
        queries=tuple(Query(f"q{at}", text) for at, text in enumerate(queries)),
        qrels={f"q{at}": {ids[at]: 1, ids[at + 1]: 0} for at in range(len(queries))},
        excluded={"q0": frozenset(ids[20:24])},
        corpus=Corpus(ids, texts),
    )


def write(path: Path, rows: list[TrainingRow]) -> Path:
    path.write_text("".join(json.dumps(row_json(row)) + "\n" for row in rows))
    return path


def run(path: Path, *tasks: Task, sample: int = 0, **more: object) -> Audit:
    tools = AuditTools(SilentReporter(), [lambda task=task: task for task in tasks], **more)
    return audit(path, tools, AuditSampling(rows=sample))


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))


def similarity(first: str, second: str) -> float:
    """Return 1 for equal texts, else the Jaccard similarity of three-word runs (below 1)."""
    if words(first) == words(second):
        return 1.0
    one, two = ({tuple(w[i : i + 3]) for i in range(len(w) - 2)}
                for w in (words(first), words(second)))  # fmt: skip
    return min(0.99, len(one & two) / len(one | two)) if one | two else 0.0


def holds(texts: list[str] | tuple[str, ...], others: list[str]) -> tuple[bool, bool]:
    """Return whether any text is equal to any of the others, and else whether any is near."""
    best = max((similarity(a, b) for a in texts for b in others), default=0.0)
    return best == 1.0, 0.7 <= best < 1.0


def brute_force(rows: list[TrainingRow], task: Task) -> dict[str, list[bool]]:
    """Return, for each measure of repetition and contamination, which rows it concerns."""
    text_of = dict(zip(task.corpus.ids, task.corpus.texts, strict=True))
    gold = [text_of[k] for grades in task.qrels.values() for k, grade in grades.items() if grade]
    excluded = [text_of[key] for ids in task.excluded.values() for key in ids]
    queries = [query.text for query in task.queries]
    found: dict[str, list[bool]] = {}

    def add(name: str, value: bool) -> None:
        found.setdefault(name, []).append(value)

    reserved = {key for grades in task.qrels.values() for key, grade in grades.items() if grade}
    reserved |= set().union(*task.excluded.values())
    for number, row in enumerate(rows):
        earlier = rows[:number]
        equal, _ = holds([row.query], [each.query for each in earlier])
        add("query_equals_earlier", equal)
        first = row.query not in [each.query for each in earlier] and not equal
        near = any(0.7 <= similarity(row.query, each.query) < 1 for each in earlier)
        add("query_near_duplicate_of_earlier", first and near)
        own = {words(text) for text in row.pos}
        if own:
            add("positives_equal_earlier", own in [{words(t) for t in e.pos} for e in earlier])
        add("passage_on_both_sides", holds(row.pos, list(row.neg))[0])
        add("negative_near_duplicate_of_positive",
            any(0.7 <= similarity(a, b) < 1 for a in row.pos for b in row.neg))  # fmt: skip
        add("passage_repeated", any(
            max(Counter(map(words, side)).values(), default=0) > 1 for side in (row.pos, row.neg)
        ))  # fmt: skip
        for part, texts, pairs in (
            ("query", (row.query,), (("query", queries), ("document", gold + excluded))),
            ("positive", row.pos, (("query", queries), ("gold", gold), ("excluded", excluded))),
            ("negative", row.neg, (("gold", gold),)),
        ):
            for ending, others in pairs:
                equal, near = holds(texts, others)
                add(f"{part}_equals_{ending}", equal)
                add(f"{part}_near_duplicate_of_{ending}", near)
        if row.source_id and row.task == task.name:
            add("source_is_reserved", row.source_id in reserved)
            source = words(text_of[row.source_id])
            add("source_is_positive", source in map(words, row.pos))
            add("source_is_negative", source in map(words, row.neg))
    found["negative_positive_elsewhere"] = elsewhere(rows)
    return found


def elsewhere(rows: list[TrainingRow]) -> list[bool]:
    """Return which rows hold a negative that a row of their query group holds as a positive."""
    group = list(range(len(rows)))
    for _ in rows:
        for a, one in enumerate(rows):
            for b, other in enumerate(rows):
                if similarity(one.query, other.query) >= 0.7:
                    group[a] = group[b] = min(group[a], group[b])
    return [
        any(
            any(similarity(negative, positive) >= 0.7 for positive in other.pos)
            for b, other in enumerate(rows) if b != a and group[b] == group[a]
            for negative in row.neg
        )
        for a, row in enumerate(rows)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_comparing_everything(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(audit_scan, "_ROWS_AT_ONCE", (128, 1, 7, 45)[seed])
    rng = np.random.default_rng(seed)
    pool = make_pool(rng, 30)
    rows = make_rows(rng, 45, pool)
    task = make_benchmark(rng, pool, [rows[3].query, nearly(rows[8].query, rng), pool[2], pool[5]])
    found = run(write(tmp_path / "rows.jsonl", rows), task)
    expected = brute_force(rows, task)
    for name, concerned in expected.items():
        count = found.tally.get(name, "all")
        assert (count.hits, count.of) == (sum(concerned), len(concerned)), name
    hit = {name for name, concerned in expected.items() if any(concerned)}
    assert len(hit) >= 12, hit  # the data is no easy case
    first = [number + 1 for number, yes in enumerate(expected["query_equals_earlier"]) if yes]
    places = found.tally.get("query_equals_earlier", "all").locations
    assert [place.line for place in places] == first[:5]


def plain_bm25(query: str, texts: list[str]) -> list[float]:
    """Return BRIGHT's BM25 of a query against all texts, term by term."""
    documents = [Counter(analyze(text)) for text in texts]
    average = sum(map(Counter.total, documents)) / len(documents)
    asked = Counter(term for term in analyze(query) if any(term in each for each in documents))

    def part(count: int, size: int) -> float:
        return count / (count + 0.9 * (0.6 + 0.4 * size / average))

    scores = []
    for document in documents:
        score = 0.0
        for term, count in asked.items():
            if term in document:
                holding = sum(term in each for each in documents)
                idf = math.log((len(documents) + 1) / (holding + 0.5))
                own = idf * part(document[term], document.total())
                score += idf * part(count, asked.total()) * own
        scores.append(score)
    return scores


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("with_corpus", [True, False])
def test_ranks_are_those_of_a_plain_bm25(tmp_path: Path, seed: int, with_corpus: bool):
    rng = np.random.default_rng(seed)
    pool = [some_text(rng, 30) for _ in range(40)]
    rows = []
    for at in range(30):
        source = int(rng.integers(40))
        pos, neg = int(rng.integers(40)), [int(each) for each in rng.integers(0, 40, 4)]
        chosen = pos if at % 2 else source
        query = " ".join([*pool[chosen].split()[5:15], *rng.choice(WORDS, 12)])
        if at % 4 == 0:
            pos = source
        rows.append(TrainingRow(query, (pool[pos],), tuple(pool[each] for each in neg),
                                source_id=f"d{source:04}", task="t"))  # fmt: skip
    corpus = Corpus(tuple(f"d{row:04}" for row in range(40)), tuple(pool))
    task = replace(make_task(), name="t", queries=(), qrels={}, excluded={}, corpus=corpus)
    found = run(write(tmp_path / "rows.jsonl", rows), *([task] if with_corpus else []))
    texts = pool if with_corpus else list(dict.fromkeys(t for r in rows for t in (*r.pos, *r.neg)))
    expected = Counter()
    for row in rows:
        scores = dict(zip(texts, plain_bm25(row.query, texts), strict=True))
        best = scores[row.pos[0]]
        source = pool[int(row.source_id[1:])]
        others = [score for text, score in scores.items() if not with_corpus or text != source]
        above = sum(score > best + 1e-6 for score in others)
        expected["positive_is_first"] += above == 0 and best > 0
        expected["positive_in_ten"] += above < 10 and best > 0
        expected["negative_above_positives"] += sum(scores[t] > best + 1e-6 for t in row.neg)
        if with_corpus:
            top = max(scores.values())
            expected["source_is_first"] += scores[source] > top - 1e-6
            expected["source_shares_shingle"] += " ".join(row.query.split()[:8]) in source
        expected["query_shares_shingle"] += " ".join(row.query.split()[:8]) in row.pos[0]
    for name, hits in expected.items():
        assert found.tally.get(name, "all").hits == hits, name
    assert 0 < expected["positive_is_first"] < 30
    assert found.tally.get("source_is_first", "all").of == (30 if with_corpus else 0)
    assert found.ranked["t"].is_corpus is with_corpus
    assert found.ranked["t"].documents == len(texts)


class ByLength:
    """A scorer to whom longer is better."""

    name = "length"

    def scores(self, task, pairs, reporter):
        text_of = dict(zip(task.corpus.ids, task.corpus.texts, strict=True))
        return [[float(len(text_of[key])) for key in keys] for _, keys in pairs]


def test_an_embedder_is_asked_for_false_negatives(tmp_path: Path):
    rows = [
        TrainingRow("q one", ("aaa", "aa"), ("a", "aaaa", "aaaaa")),
        TrainingRow("q two", ("aaaaaa",), ("a",)),
        TrainingRow("q three", (), ("a",)),
    ]
    found = run(write(tmp_path / "mine.jsonl", rows), scorer=ByLength())
    count = found.tally.get("negative_above_embedded", "mine")
    assert (count.hits, count.of, [str(place) for place in count.locations]) == (
        2,
        4,
        ["mine.jsonl:1"],
    )
    assert found.embedder == "length"


def test_a_file_of_flagembedding_and_a_folder(tmp_path: Path):
    lines = [
        {"query": "q one", "pos": ["p one"], "neg": ["n one"], "prompt": "x", "type": "normal"},
        {"query": "q two", "pos": ["p two"], "neg": [], "pos_scores": [2], "id": 7},
        {"query": "q three", "pos": ["p", "p"], "neg": None, "neg_scores": None},
        {"query": " ", "pos": [], "neg": ["n"], "neg_scores": [4.0], "train_group_size": 16},
    ]
    for name in ("aops-formatted.jsonl", "other.jsonl"):
        (tmp_path / name).write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    found = run(tmp_path, replace(make_task(), name="aops", corpus=None))
    assert found.tally.tasks == {"aops": 4, "other": 4}
    alone = run(tmp_path / "other.jsonl", replace(make_task(), name="aops", corpus=None))
    assert alone.tally.tasks == {"aops": 4}
    expected = {
        "without_positive": 1, "without_negative": 2, "empty_text": 1, "passage_repeated": 1,
        "negative_scored_positive": 1, "positive_scored_negative": 1, "group_too_large": 1,
        "without_source": 4, "without_reasoning": 4, "without_scores": 2,
    }  # fmt: skip
    for name, hits in expected.items():
        assert found.tally.get(name, "all").hits == 2 * hits, name
    assert found.tally.get("group_too_large", "all").of == 2
    assert found.tally.get("source_is_positive", "all").of == 0
    sizes = found.tally.spreads["query_words"]["all"]
    assert (sizes.quantile(0), sizes.quantile(0.5), sizes.quantile(1), sizes.mean) == (0, 2, 2, 1.5)


def test_positive_ids_name_the_source(tmp_path: Path):
    rows = [
        {"query": "a", "pos": ["x"], "neg": ["y"], "source_id": "d1", "pos_ids": ["d1"]},
        {"query": "b", "pos": ["x"], "neg": ["y"], "source_id": "d2", "pos_ids": ["d1"]},
        {"query": "c", "pos": ["x"], "neg": ["y"], "source_id": "d3"},
    ]
    path = tmp_path / "ids.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    count = run(path).tally.get("source_is_positive", "all")
    assert (count.hits, count.of, count.locations[0].line) == (1, 2, 1)


def test_the_sample_does_not_depend_on_order(tmp_path: Path):
    rng = np.random.default_rng(1)
    rows = make_rows(rng, 60, make_pool(rng, 30))
    rows = [replace(row, task="t", query=f"{row.query} {at}") for at, row in enumerate(rows)]
    found = run(write(tmp_path / "a.jsonl", rows), sample=20)
    again = run(write(tmp_path / "b.jsonl", rows[::-1]), sample=20)
    assert found.ranked["t"].rows == 20
    for name in ("positive_is_first", "positive_in_ten", "negative_above_positives"):
        one, other = found.tally.get(name, "all"), again.tally.get(name, "all")
        assert (one.hits, one.of) == (other.hits, other.of)


def test_what_a_sample_is_ranked_among(tmp_path: Path):
    rng = np.random.default_rng(5)
    rows = [
        TrainingRow(f"{some_text(rng)} {at}", (f"right {at}",), (f"wrong {at}", "both"), task="t")
        for at in range(30)
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    corpus = Corpus(("a", "b"), ("text a", "both"))
    task = replace(make_task(), name="t", queries=(), qrels={}, excluded={})
    every = AuditTools(SilentReporter(), [lambda: replace(task, corpus=corpus)])
    queries_only = AuditTools(SilentReporter(), [lambda: replace(task, corpus=None)])
    few = AuditSampling(rows=3, passages=10)
    # A corpus is its two texts and what the three rows hold besides.
    assert audit(path, every, few).ranked["t"].documents == 2 + 6
    without = audit(path, queries_only, few).ranked["t"]
    assert (without.rows, without.is_corpus) == (3, False)
    assert without.documents == 10
    assert audit(path, queries_only, AuditSampling(rows=3, passages=99)).ranked["t"].documents == 61
    assert audit(path, queries_only, AuditSampling(rows=3, passages=0)).ranked["t"].documents == 7


def test_an_equal_text_is_not_near_as_well():
    hasher = make_hasher(1)
    texts = ["one two three four", "ONE, two three four"]
    references = [
        (BenchmarkText("t", kind, kind), text) for kind, text in zip("ab", texts, strict=True)
    ]
    index = BenchmarkIndex(references, hasher)
    assert len(index) == 1
    shingled = shingle(["other words are here", "one two three: four"])
    found = index.matches(shingled, hasher.bands(shingled))
    assert list(found) == [1]
    assert [(match.text.kind, match.equal) for match in found[1]] == [("a", True), ("b", True)]


@pytest.mark.parametrize(("size", "too_large"), [(2, 0), (3, 0), (4, 1)])
def test_a_group_holds_the_positive_and_the_negatives(tmp_path: Path, size: int, too_large: int):
    row = TrainingRow("q", ("p", "another"), ("n", "m"), train_group_size=size)
    count = run(write(tmp_path / "rows.jsonl", [row])).tally.get("group_too_large", "all")
    assert (count.hits, count.of) == (too_large, 1)


def test_the_smallest_are_kept():
    kept: BottomKSample[str] = BottomKSample(2)
    for number, (draw, item) in enumerate([(5, "a"), (3, "b"), (9, "c"), (3, "d"), (3, "e")]):
        kept.add(draw, number, item)
    assert kept.items() == ["b", "d"]


def test_a_report_is_the_same_twice_and_names_no_text(tmp_path: Path):
    rng = np.random.default_rng(7)
    rows = make_rows(rng, 40, make_pool(rng, 30))
    task = make_benchmark(rng, make_pool(rng, 30), [rows[0].query])
    path = write(tmp_path / "rows.jsonl", rows)
    found = run(path, task)
    report = render_audit(found, ["Made for a test."])
    assert report == render_audit(run(path, task), ["Made for a test."])
    assert "Made for a test." in report
    assert "rows.jsonl:" in report
    assert not set(re.findall(r"term\d+", report))
    assert all(f"| {measure.name} |" in report for measure in MEASURES)
    values = json.loads(json.dumps(audit_json(found)))
    assert values["measures"]["query_equals_query"]["found"]["all"]["hits"] >= 1
    assert values["broken"]
    assert {row["measure"] for row in values["broken"]} <= {measure.name for measure in MEASURES}
    rows_shown = measure_rows(found, ["all", "t0", "t1"])
    assert set(rows_shown[0]) == {"measure", "limit", "all", "t0", "t1"}


def test_limits_are_a_table_and_can_be_changed(tmp_path: Path):
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    assert {measure.section for measure in MEASURES} == set(SECTIONS)
    assert all(measure.description and measure.why for measure in MEASURES)
    rows = [TrainingRow(f"query {at // 2}", ("p",), ("n",)) for at in range(10)]
    path = write(tmp_path / "rows.jsonl", rows)
    tools = AuditTools(SilentReporter())
    lines = violation_lines(audit(path, tools, AuditSampling()))
    assert lines[0].startswith("query_equals_earlier: 50 % > 1 % (rows.jsonl:2, rows.jsonl:4")
    softer = with_limits(parse_limits(["query_equals_earlier=0.5", "positives_equal_earlier=1"]))
    assert violation_lines(audit(path, tools, AuditSampling(), softer)) == []
    with pytest.raises(UnknownName, match="query_equals_earlier"):
        with_limits({"query_equals_earlie": 0.1})
    with pytest.raises(BadInput, match="names no share"):
        parse_limits(["query_equals_earlier"])
    with pytest.raises(BadInput, match="limit of empty_text is 2"):
        with_limits({"empty_text": 2.0})
