"""The comparability guard: what differs is said, and no number comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.compare.comparability import check_comparable, data_differences
from harness.core.errors import NotComparable
from harness.core.types import Corpus, Task
from results.judgements import judgements_path
from results.store import ResultStore
from results.systems import System
from tests.helpers.measured_store import make_task, measure, store_at

GOLD = {f"q{at}": [f"gold-{at}"] for at in range(8)}


def told(store: ResultStore, one: Task, other: Task) -> str:
    """Return what is said to differ between entries on two tasks."""
    a = measure(store, "a", one, [1] * len(one.qrels))
    b = measure(store, "b", other, [1] * len(other.qrels))
    return "; ".join(data_differences(a, b, store.root))


def test_same_ground_compares(tmp_path: Path) -> None:
    assert told(store_at(tmp_path), make_task(), make_task(revision="another name")) == ""


def test_query_sets(tmp_path: Path) -> None:
    said = told(store_at(tmp_path), make_task(), make_task(query_set="gpt4"))
    assert "query set: original against gpt4" in said


def test_added_and_dropped_queries_and_gold(tmp_path: Path) -> None:
    later = {**GOLD, "q1": ["gold-1", "extra"], "q2": ["else"], "q9": ["gold-9"]}
    del later["q7"]
    said = told(store_at(tmp_path), make_task(), make_task(gold=later, revision="r2"))
    assert "1 query is judged for the first only, such as 'q7'" in said
    assert "1 query is judged for the second only, such as 'q9'" in said
    assert "gold: 2 documents the second has and the first lacks, such as 'extra'" in said
    assert "gold: 1 documents the first has and the second lacks, such as 'gold-2'" in said
    assert "revision: r1 against r2" in said


def test_disjoint_queries(tmp_path: Path) -> None:
    other = make_task(gold={"z1": ["gold-1"], "z2": ["gold-2"]})
    said = told(store_at(tmp_path), make_task(), other)
    assert "8 queries are judged for the first only" in said
    assert "2 queries are judged for the second only" in said


def test_documents_count_where_both_are_known(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    one = make_task(corpus=Corpus(("d",), ("text",)))
    other = make_task(corpus=Corpus(("d", "e"), ("text", "more")))
    assert "the documents differ (1 against 2)" in told(store, one, other)
    assert told(store, one, make_task()) == ""


def test_texts_count_where_both_are_known(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    assert told(store, make_task(), make_task(texts=False)) == ""
    reworded = make_task(gold=dict(reversed(GOLD.items())))
    assert told(store, make_task(), reworded) == "the texts of the queries differ"


def test_instructions_are_told_beside_another_difference(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    spaces = [{"spaces": {"query": {"instruction": text}}} for text in ("find:", "search:")]
    a = measure(store, "a", make_task(), [1] * 8, identity=spaces[0])
    same = measure(store, "b", make_task(), [1] * 8, identity=spaces[1])
    other = measure(store, "b", make_task(query_set="gpt4"), [1] * 8, identity=spaces[1])
    assert data_differences(a, same, store.root) == ()
    assert "instruction: 'find:' against 'search:'" in data_differences(a, other, store.root)


def test_judgements_that_are_not_stored_are_said_to_differ(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    a = measure(store, "a", make_task(), [1] * 8)
    b = measure(store, "b", make_task(queries=7), [1] * 7)
    judgements_path(store.root, b.task.fingerprint).unlink()
    assert any("the judgements differ" in what for what in data_differences(a, b, store.root))


def test_refusal_folds_equal_differences_over_tasks(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    names = ("biology", "pony", "aops", "economics", "leetcode")
    systems = [
        System(
            label,
            label,
            "",
            {n: measure(store, label, make_task(n, query_set=label), [1] * 8) for n in names},
        )
        for label in ("original", "gpt4")
    ]
    with pytest.raises(NotComparable, match="biology, pony and 3 more: query set") as caught:
        check_comparable(systems, names, store.root)
    assert "no number" in caught.value.message
