"""The replies that were written for the demonstrations: whole, clean, and enough to train with."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Task
from harness.data.registry import TaskOptions, load_task
from harness.data.situations import read_situations
from harness.data.stdlib.task import STDLIB, build_corpus
from harness.data.trec import read_run
from remixer.corpus import named_documents, only_documents
from remixer.near_duplicates.index import NearDuplicates
from remixer.prompt_builder import PromptBuilder
from remixer.stages.select import draw_conditions, source_row
from remixer.task_profiles import load_profile

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "remixer" / "examples"
SEED = 42
WORDS = {
    "fewer than 100 words": (20, 99), "100 to 200 words": (100, 200),
    "200 to 300 words": (200, 300), "300 to 400 words": (300, 400),
    "400 to 500 words": (400, 500), "at least 500 words": (500, 1200),
}  # fmt: skip
SLACK = 0.1
"""Words of a text with code in it can be counted in several ways."""
for_this_python = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the texts were written beside Python 3.11's entries"
)


@pytest.fixture(scope="module")
def records() -> list[dict]:
    """Return every record of the committed replay."""
    with gzip.open(EXAMPLES / "stdlib-replay.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def written(records: list[dict]) -> dict[str, dict[str, str]]:
    """Return stage -> source (with the candidate, when judged) -> what was written."""
    found: dict[str, dict] = defaultdict(dict)
    for record in records:
        about = record["request"]["about"]
        place = (about["doc_id"], about.get("candidate"))
        found[about["stage"]][place if about["stage"] == "annotate" else place[0]] = record[
            "reply"
        ]["text"]
    return found


@pytest.fixture(scope="module")
def task() -> Task:
    """Return the embedded task with only the documents of the demonstrations."""
    whole = load_task("stdlib-oblique", TaskOptions(None), SilentReporter())
    return only_documents(whole, EXAMPLES / "stdlib-documents.txt.gz")


def sources(name: str) -> frozenset[str]:
    return named_documents(EXAMPLES / name)


def test_no_text_of_a_document_is_in_the_file(records: list[dict]):
    assert len(records) > 5000
    for record in records:
        assert set(record["request"]) == {"about", "model", "sampling", "seed"}
        assert record["request"]["model"] == "written"


def test_every_source_has_a_query_and_a_reasoning(written):
    training = sources("stdlib-training-sources.txt")
    assert set(written["generate"]) == set(written["reason"]) >= training
    assert len(training) > 350
    assert sources("stdlib-sources.txt") <= training
    assert max(len(text.split()) for text in written["reason"].values()) <= 250
    assert len(set(written["generate"].values())) == len(written["generate"])


def test_queries_are_as_long_as_was_drawn(written):
    for source, query in written["generate"].items():
        low, high = WORDS[draw_conditions(source, SEED).length]
        assert low * (1 - SLACK) <= len(query.split()) <= high * (1 + SLACK), source


def test_queries_do_not_name_their_source(written):
    telling = {
        source: name
        for source, query in written["generate"].items()
        if len(name := source.rsplit(".", 1)[-1]) > 6
        and re.search(rf"\b{re.escape(name)}\b", query, re.IGNORECASE)
    }
    assert len(telling) <= 0.01 * len(written["generate"]), telling


@pytest.fixture(scope="module")
def entries() -> Corpus:
    """Return every documented object, the sources and the answers of the task included."""
    return build_corpus()


def words_of(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9_]+", text)


def runs_of(text: str, size: int = 8) -> set[tuple[str, ...]]:
    words = [word.lower() for word in words_of(text)]
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def ordinary_words() -> set[str]:
    lines = (Path(__file__).parent / "ordinary_words.txt").read_text("utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def test_every_reasoning_is_a_text_of_its_own(written):
    assert len(set(written["reason"].values())) == len(written["reason"]) == 437


@for_this_python
def test_reasonings_hold_no_name_of_a_documented_object(written, entries: Corpus):
    """They were written from the query alone; a name in one would be the answer, recited."""
    parts = {part for name in entries.ids for part in name.split(".")}
    ordinary = ordinary_words()
    for source, text in written["reason"].items():
        dotted = set(re.findall(r"\w+(?:\.[A-Za-z_]\w*)+", text))
        assert not dotted & set(entries.ids), (source, dotted)
        names = {word for word in words_of(text) if word in parts and word.lower() not in ordinary}
        assert not names, (source, names)
        assert not re.search(r"`|\w_\w", text), source


@for_this_python
def test_reasonings_quote_no_entry(written, entries: Corpus):
    quoted = set().union(*(runs_of(text) for text in entries.texts))
    for source, text in written["reason"].items():
        assert not runs_of(text) & quoted, source


@for_this_python
def test_every_ordinary_word_is_needed(written, entries: Corpus):
    parts = {part for name in entries.ids for part in name.split(".")}
    used = {word.lower() for text in written["reason"].values() for word in words_of(text)
            if word in parts}  # fmt: skip
    assert used == ordinary_words()


@pytest.mark.parametrize(
    ("name", "depth"),
    [("stdlib-fused.trec.gz", 10), ("stdlib-minilm.trec.gz", 10), ("stdlib-pooled.trec.gz", 20)],
)
def test_every_listed_candidate_is_judged(written, name: str, depth: int):
    run = read_run(EXAMPLES / name)
    assert set(run.rankings) == sources("stdlib-training-sources.txt")
    mined = named_documents(EXAMPLES / "stdlib-documents.txt.gz")
    for source, ranking in run.rankings.items():
        assert source not in ranking.doc_ids
        assert 0 < len(ranking) <= depth
        assert mined.issuperset(ranking.doc_ids)
        assert all((source, candidate) in written["annotate"] for candidate in ranking.doc_ids)


def test_the_pooled_run_fuses_the_two_lists_by_reciprocal_rank():
    lists = [read_run(EXAMPLES / f"stdlib-{name}.trec.gz") for name in ("minilm", "fused")]
    for source, ranking in read_run(EXAMPLES / "stdlib-pooled.trec.gz").rankings.items():
        scores: dict[str, float] = defaultdict(float)
        for run in lists:
            for rank, doc in enumerate(run.rankings[source].doc_ids, start=1):
                scores[doc] += 1 / (60 + rank)
        assert dict(zip(ranking.doc_ids, ranking.scores, strict=True)) == pytest.approx(scores)


def test_enough_sources_have_both_sides(written):
    judged = defaultdict(list)
    for (source, _), text in written["annotate"].items():
        judged[source].append(int(re.search(r"<score>([1-5])</score>$", text)[1]))
    both = [s for s, labels in judged.items() if max(labels) >= 3 and min(labels) < 3]
    assert len(both) >= 240


def test_the_keys_are_those_of_the_requests(records, written, task: Task):
    """On the interpreter that they were written for; another documents some objects otherwise."""
    prompts = PromptBuilder(load_profile("stdlib", task.prompt_fields), "written", "written", SEED)
    keys = {record["key"] for record in records}
    text_of = dict(zip(task.corpus.ids, task.corpus.texts, strict=True))
    here = [source for source in written["generate"] if source in text_of]
    met = sum(prompts.generate(source_row(s, SEED), text_of[s]).key in keys for s in here)
    assert met > 0.8 * len(written["generate"])
    assert all(prompts.reason(query.strip()).key in keys for query in written["generate"].values())


def test_no_document_is_gold_or_nearly_gold(task: Task):
    whole = load_task("stdlib-oblique", TaskOptions(None), SilentReporter())
    text_of = dict(zip(whole.corpus.ids, whole.corpus.texts, strict=True))
    gold = sorted(
        {
            name
            for each in read_situations(STDLIB.collection)
            for name in (*each.grades, *each.gold_1)
        }
    )
    assert not set(task.corpus.ids) & set(gold)
    near = NearDuplicates(text_of, text_of)
    assert near.among(task.corpus.ids, gold) == set()
    assert near.among(["json.dump", "json.load"], ["json.dumps"]) == {"json.dump"}


WORD = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"])


@given(st.lists(st.lists(WORD, min_size=3, max_size=30), min_size=2, max_size=6))
def test_near_duplicates_are_what_sets_of_shingles_say(texts):
    """Nothing else is found; what is well above the limit always is (just above: all but 1e-4)."""

    def runs(words):
        return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}

    def alike(words, other):
        return len(runs(words) & runs(other)) / len(runs(words) | runs(other))

    text_of = {str(at): " ".join(words) for at, words in enumerate(texts)}
    share = {str(at): alike(words, texts[0]) for at, words in enumerate(texts[1:], 1)}
    found = NearDuplicates(text_of, text_of).among(list(share), ["0"])
    assert found <= {key for key, value in share.items() if value >= 0.7}
    assert found >= {key for key, value in share.items() if value >= 0.9}
