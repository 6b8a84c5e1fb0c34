"""Loading the embedded task: what it says of itself, and what it does when gold is missing."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BadInput
from harness.core.hashing import task_fingerprint
from harness.core.types import Corpus, Task
from harness.data.stdlib import task as task_module
from harness.data.stdlib.task import load_stdlib, read_rows

ROW = {"id": "x-01", "query": "How?", "gold": ["heapq.merge", "bisect.insort"], "reasoning": "So."}


@pytest.fixture(scope="module")
def task() -> Task:
    """Return the task as it ships."""
    return load_stdlib()


def ship(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: object) -> None:
    """Pretend that the package ships these rows, in two files written in reverse order."""
    queries = folder / "queries"
    queries.mkdir()
    lines = [json.dumps(row) + "\n" for row in rows]
    (queries / "b.jsonl").write_text("".join(lines[1:]), encoding="utf-8")
    (queries / "a.jsonl").write_text("".join(lines[:1]), encoding="utf-8")
    (queries / "README.md").write_text("not queries", encoding="utf-8")
    monkeypatch.setattr(task_module, "files", lambda package: folder)


def know(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Pretend that the interpreter documents just these objects."""
    monkeypatch.setattr(task_module, "build_corpus", lambda: Corpus(names, names))


def test_describes_itself(task: Task):
    assert (task.name, task.group, task.query_set) == ("stdlib", "stdlib", "original")
    assert task.head_metric == "ndcg@10"
    assert task.excluded == {}
    assert task.notes == ()
    assert task.prompt_fields.query_kind == "Python programming question"
    assert task.prompt_fields.query_noun == "question"
    assert task.prompt_fields.document_noun == "documentation entries"
    assert (
        task.prompt_fields.query_kind
        == f"{task.prompt_fields.name} {task.prompt_fields.query_noun}"
    )


def test_revision_and_fingerprint_name_the_python_version(task: Task):
    assert task.revision == task.corpus_key == f"python-{platform.python_version()}"
    assert task_fingerprint(task).startswith(f"python-{platform.python_version()}:")


def test_another_version_is_another_fingerprint(task: Task, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    other = load_stdlib()
    assert other.revision == "python-3.99.0"
    assert task_fingerprint(other) != task_fingerprint(task)
    assert task_fingerprint(replace(other, corpus_key=task.corpus_key)) == task_fingerprint(task)


def test_holds_every_row_and_all_of_its_gold(task: Task):
    rows = read_rows()
    assert [(query.id, query.text) for query in task.queries] == [(r.id, r.query) for r in rows]
    assert task.qrels == {row.id: dict.fromkeys(row.gold, 1) for row in rows}


def test_gold_is_in_the_corpus(task: Task):
    assert task.corpus is not None
    known = set(task.corpus.ids)
    assert {name for grades in task.qrels.values() for name in grades} <= known


def test_rows_come_by_file_name_then_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ship(tmp_path, monkeypatch, *({**ROW, "id": name} for name in ("a-1", "b-1", "b-2")))
    assert [row.id for row in read_rows()] == ["a-1", "b-1", "b-2"]


def test_missing_gold_is_not_judged_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ship(tmp_path, monkeypatch, ROW, {**ROW, "id": "x-02", "gold": ["heapq.merge"]})
    know(monkeypatch, "bisect.insort")
    task = load_stdlib()
    assert task.qrels == {"x-01": {"bisect.insort": 1}}
    assert [query.id for query in task.queries] == ["x-01"]
    assert task.notes == (
        "1 gold documents do not exist in this interpreter (heapq.merge); "
        "1 queries without any other were dropped",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""}, {"id": 7}, {"query": ""}, {"reasoning": None}, {"gold": []}, {"gold": "x"},
        {"gold": ["heapq.merge", 3]},
    ],
)  # fmt: skip
def test_a_broken_row_is_named(
    wrong: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ship(tmp_path, monkeypatch, ROW, ROW, {**ROW, **wrong})
    with pytest.raises(BadInput, match=r"b\.jsonl, line 2"):
        read_rows()


@pytest.mark.parametrize("field", sorted(ROW))
def test_a_row_without_a_field_is_named(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    row = {key: value for key, value in ROW.items() if key != field}
    ship(tmp_path, monkeypatch, ROW, row)
    with pytest.raises(BadInput, match=r"b\.jsonl, line 1"):
        read_rows()
