"""Fingerprints change with each thing they cover and with nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.hashing import (
    canonical_json,
    corpus_fingerprint,
    queries_fingerprint,
    sha256_parts,
    space_fingerprint,
    task_fingerprint,
)
from harness.core.types import Corpus, PromptFields, Query, Task, VectorSpace

TASK = Task(
    name="t",
    group="g",
    revision="r",
    query_set="original",
    queries=(Query("q1", "one"), Query("q2", "two")),
    qrels={"q1": {"a": 1}, "q2": {"b": 2}},
    excluded={"q1": frozenset({"x", "y"})},
    head_metric="ndcg@10",
    prompt_fields=PromptFields("t", "T", "T post", "post", "passages"),
    corpus=Corpus(("a", "b"), ("text a", "text b")),
)
CHANGES = {
    "name": {"name": "other"},
    "gold": {"qrels": {"q1": {"a": 1}, "q2": {"c": 2}}},
    "grade": {"qrels": {"q1": {"a": 1}, "q2": {"b": 1}}},
    "query judged": {"qrels": {"q1": {"a": 1}}},
    "excluded": {"excluded": {"q1": frozenset({"x"})}},
    "excluded for another": {"excluded": {"q2": frozenset({"x", "y"})}},
    "metric": {"head_metric": "recall@1"},
    "corpus key": {"corpus_key": "python-3.11.7"},
}
SPACE = VectorSpace("m", "w", "b", "mean", True, "query", "i", 512, "float32", "right", "t")
OTHER_VALUES = {"normalize": False, "max_length": 8192, "dimension": 64, "options": {"a": 1}}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_task_fingerprint_covers_what_scoring_depends_on(change: dict):
    assert task_fingerprint(replace(TASK, **change)) != task_fingerprint(TASK)


def test_task_fingerprint_leaves_out_order_texts_and_corpus():
    same = replace(
        TASK,
        qrels={"q2": {"b": 2}, "q1": {"a": 1}},
        queries=(Query("q1", "rewritten"),),
        query_set="gpt4",
        corpus=None,
        notes=("a note",),
    )
    assert task_fingerprint(same) == task_fingerprint(TASK)


def test_corpus_key_stands_readable_in_front():
    assert task_fingerprint(replace(TASK, corpus_key="python-3.11.7")).startswith("python-3.11.7:")


def test_corpus_fingerprint_ignores_order_and_sees_texts():
    corpus = Corpus(("a", "b"), ("1", "2"))
    assert corpus_fingerprint(Corpus(("b", "a"), ("2", "1"))) == corpus_fingerprint(corpus)
    assert corpus_fingerprint(Corpus(("a", "b"), ("1", "3"))) != corpus_fingerprint(corpus)
    assert corpus_fingerprint(Corpus(("a", "b"), ("2", "1"))) != corpus_fingerprint(corpus)


def test_queries_fingerprint_sees_texts():
    assert queries_fingerprint(TASK.queries) != queries_fingerprint((TASK.queries[0],))
    assert queries_fingerprint(reversed(TASK.queries)) == queries_fingerprint(TASK.queries)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_parts_never_run_together(left: list[str], right: list[str]):
    assert (sha256_parts(left) == sha256_parts(right)) == (left == right)


@pytest.mark.parametrize("field", [each.name for each in fields(VectorSpace)])
def test_every_field_of_a_space_makes_another_space(field: str):
    value = OTHER_VALUES.get(field, "document" if field == "role" else "something else")
    assert space_fingerprint(replace(SPACE, **{field: value})) != space_fingerprint(SPACE)


def test_canonical_json_refuses_what_json_has_not():
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))
