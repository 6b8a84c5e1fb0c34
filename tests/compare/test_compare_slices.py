"""Where a difference lives: domains, thirds by length, bins of reasoning intensity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.compare.differences import ComparisonSettings, QueryColumns
from harness.compare.slices import DOMAINS, slices
from harness.compare.task_context import TaskContext, TaskContextLoader
from harness.core.progress import SilentReporter
from harness.core.types import Corpus
from harness.data.beir import load_beir
from harness.data.local_tasks import DataLocations
from harness.data.registry import group_members
from harness.evaluate import EvalConfig, describe_task, evaluate
from harness.search.bm25 import bm25
from results.judgements import save_judgements
from tests.helpers.measured_store import gains, make_task, measure, store_at
from tests.helpers.small_task import write_beir

PLAN = ComparisonSettings(resamples=200)


def columns(**sizes: int) -> QueryColumns:
    """Return columns of tasks with so many queries."""
    tasks = tuple(task for task, size in sizes.items() for _ in range(size))
    queries = tuple(f"q{at}" for size in sizes.values() for at in range(size))
    return QueryColumns(tasks, queries)


def known(**parts: object) -> TaskContext:
    """Return what is known of a task."""
    return TaskContext(gold={}, **parts)  # type: ignore[arg-type]


def test_domains_cover_brights_tasks_once() -> None:
    members = [task for tasks in DOMAINS.values() for task in tasks]
    assert sorted(members) == sorted(group_members("bright"))


def test_domains_are_macro_means_over_their_tasks() -> None:
    rows = np.array([[1.0, 0, 0, 1, 1], [0.0, 0, 0, 0, 0]])
    found = slices(rows, columns(biology=3, economics=1, pony=1), ("a", "b"), {}, PLAN)
    assert [(each.kind, each.name, each.queries, each.tasks) for each in found] == [
        ("domain", "StackExchange", 4, 2),
        ("domain", "coding", 1, 1),
    ]
    assert found[0].means[0].mean == pytest.approx((1 / 3 + 1) / 2)
    assert found[0].differences[0].delta == pytest.approx(2 / 3)
    assert found[0].differences[0].p is None


def test_a_single_domain_is_no_slice() -> None:
    assert slices(np.zeros((2, 2)), columns(biology=2), ("a", "b"), {}, PLAN) == ()


def test_thirds_hold_every_task_alike() -> None:
    texts = {f"q{at}": "word " * words for at, words in enumerate((9, 1, 5, 7, 2, 30))}
    few = {f"q{at}": "word " * words for at, words in enumerate((50, 60, 40))}
    rows = np.arange(18.0).reshape(2, 9) / 18
    found = slices(
        rows,
        columns(pony=6, leetcode=3),
        ("a", "b"),
        {"pony": known(texts=texts), "leetcode": known(texts=few)},
        PLAN,
    )
    assert [each.queries for each in found] == [3, 3, 3]
    assert [each.words for each in found] == [2, 7, 30]
    # shortest: pony q1, q4 and leetcode q2 (columns 1, 4 and 8)
    assert found[0].means[0].mean == pytest.approx((1 + 4 + 8) / 3 / 18)


def test_bins_of_intensity() -> None:
    ranks = dict(
        zip((f"q{at}" for at in range(8)), (1, 2, 10, 11, 100, 101, 1000, None), strict=True)
    )
    found = slices(
        np.zeros((2, 8)), columns(pony=8), ("a", "b"), {"pony": known(ranks=ranks)}, PLAN
    )
    assert [(each.name, each.queries) for each in found] == [
        ("1", 1), ("2–10", 2), ("11–100", 2), ("101–1,000", 2), ("not retrieved", 1),
    ]  # fmt: skip


@pytest.fixture
def tides(tmp_path: Path) -> Path:
    """Return a small BEIR folder whose BM25 ranks can be told by eye."""
    return write_beir(tmp_path / "tides")


def library(
    tmp_path: Path, places: DataLocations, *, measured: bool, folder: Path
) -> TaskContextLoader:
    """Return a library, with a stored BM25 entry if `measured`."""
    store = store_at(tmp_path)
    task = load_beir(folder, with_corpus=True, reporter=SilentReporter())
    save_judgements(store.root, task)
    if measured:
        evaluate(bm25(), task, store, EvalConfig(), SilentReporter())
    return TaskContextLoader(store, store.entries().entries, places, SilentReporter())


@pytest.mark.parametrize("measured", [True, False])
def test_intensity_from_a_stored_run_or_the_documents(
    tmp_path: Path, tides: Path, measured: bool
) -> None:
    places = DataLocations() if measured else DataLocations(folders={"tides": tides})
    found = library(tmp_path, places, measured=measured, folder=tides)
    task = load_beir(tides, with_corpus=True, reporter=SilentReporter())
    told = found.load(describe_task(task), ["engine"], ["q1"])
    # q1 shares no term with its gold ("moon.txt"); q2 shares "make" with both of its own.
    assert told.ranks == {"q1": None, "q2": 1}
    assert told.gold == {"q1": ("moon.txt",), "q2": ("bread 1", "bread 2")}
    assert (told.texts is None) == measured
    assert set(told.snippets) == (set() if measured else {"engine", "moon.txt"})


def test_without_documents_and_run_it_says_so(tmp_path: Path, tides: Path) -> None:
    found = library(tmp_path, DataLocations(), measured=False, folder=tides)
    task = load_beir(tides, with_corpus=True, reporter=SilentReporter())
    told = found.load(describe_task(task), [], [])
    assert (told.ranks, told.texts) == (None, None)
    assert any("no reasoning intensity" in note for note in told.notes)


def test_local_data_of_another_version_are_not_used(tmp_path: Path, tides: Path) -> None:
    found = library(tmp_path, DataLocations(folders={"tides": tides}), measured=False, folder=tides)
    task = load_beir(tides, with_corpus=True, reporter=SilentReporter())
    facts = describe_task(task)
    with (tides / "corpus.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"_id": "new", "text": "a new one"}) + "\n")
    told = found.load(facts, [], [])
    assert told.ranks is None
    assert told.texts is not None
    assert any("local documents are others" in note for note in told.notes)
    (tides / "qrels" / "test.tsv").write_text("q1\tmoon.txt\t1\n", encoding="utf-8")
    told = found.load(facts, [], [])
    assert told.texts is None
    assert any("another version of the judgements" in note for note in told.notes)


def test_a_shallow_or_other_bm25_run_is_not_taken(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    task = make_task(corpus=Corpus(("d",), ("t",)))
    identity = bm25().identity(task)
    measure(store, "shallow", task, [1] * 8, identity=identity, k=100)
    measure(store, "bow", task, [1] * 8, identity={**identity, "query_weighting": "bag-of-words"})
    places = DataLocations()
    reporter = SilentReporter()
    first = TaskContextLoader(store, store.entries().entries, places, reporter)
    assert first.load(describe_task(task), [], []).ranks is None
    ranks = [1, 2, 3, None, 5, 6, 7, 12]
    measure(store, "bm25", task, ranks, identity=identity)
    second = TaskContextLoader(store, store.entries().entries, places, reporter)
    assert list((second.load(describe_task(task), [], []).ranks or {}).values()) == ranks
    assert gains(ranks)[3] == 0
