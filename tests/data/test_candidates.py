"""A task's candidate lists as runs."""

from dataclasses import replace

import pytest

from harness.core.errors import BadInput, UnknownName
from harness.core.types import PromptFields, Query, Task
from harness.data.candidates import candidate_run

TASK = Task(
    name="nano",
    group="nano",
    revision="1",
    query_set="original",
    queries=(Query("q", "why?"), Query("r", "how?")),
    qrels={"q": {"a": 1}, "r": {"b": 1}},
    excluded={"q": frozenset({"x"})},
    head_metric="ndcg@10",
    prompt_fields=PromptFields("nano", "nano", "query", "query", "documents"),
    candidates={"bm25": {"q": ("b", "x", "a"), "unjudged": ("a",)}},
)
TWO = replace(TASK, candidates={**TASK.candidates, "dense": {"r": ("a",)}})


def test_a_list_is_its_order_without_what_is_excluded():
    run = candidate_run(TASK)
    assert list(run.rankings) == ["q"]
    assert run.rankings["q"].doc_ids == ("b", "a")
    assert run.rankings["q"].scores.tolist() == [2.0, 1.0]
    assert run.rankings["q"].scores.dtype == "float32"


def test_one_of_several_is_named():
    assert list(candidate_run(TWO, "dense").rankings) == ["r"]
    with pytest.raises(BadInput, match="has 2 candidate lists") as caught:
        candidate_run(TWO)
    assert "bm25, dense" in caught.value.fix
    with pytest.raises(UnknownName, match="Did you mean bm25"):
        candidate_run(TWO, "bm52")
    with pytest.raises(BadInput, match="no candidate lists"):
        candidate_run(replace(TASK, candidates={}))
