"""Loading the embedded tasks: what they say of themselves, and what missing gold does to them."""

from __future__ import annotations

import gzip
import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BadInput
from harness.core.hashing import task_fingerprint
from harness.core.types import Corpus, Task
from harness.data import embedded_task
from harness.data import situations as reader
from harness.data.embedded import TASKS as EMBEDDED
from harness.data.situations import read_judged, read_situations
from harness.data.stdlib.task import LEVELS, STDLIB

PYTHON = f"python-{platform.python_version()}"
ROW = {
    "id": "x-01", **dict.fromkeys(LEVELS, "How?"), "answers": ["heapq.merge", "bisect.insort"],
    "helps": ["heapq"], "gold_1": ["heapq.merge"], "reasoning": "So.",
}  # fmt: skip


@pytest.fixture(scope="module", params=STDLIB.tasks)
def task(request: pytest.FixtureRequest) -> Task:
    """Return each task as it ships."""
    return EMBEDDED[request.param].load()


def ship(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: object) -> None:
    """Pretend that the package ships these rows, in two files written in reverse order."""
    situations = folder / "situations"
    situations.mkdir()
    lines = [json.dumps(row) + "\n" for row in rows]
    (situations / "b.jsonl").write_text("".join(lines[1:]), encoding="utf-8")
    (situations / "a.jsonl").write_text("".join(lines[:1]), encoding="utf-8")
    (situations / "README.md").write_text("not situations", encoding="utf-8")
    with gzip.open(folder / "judged.tsv.gz", "wt", encoding="utf-8") as judged:
        judged.write("x-01\tbisect.insort heapq.heappush heapq.merge\n")
    monkeypatch.setattr(reader, "files", lambda package: folder)


def know(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Pretend that the interpreter documents just these objects."""
    monkeypatch.setattr(embedded_task, "_built", lambda build: Corpus(names, names))


def test_each_describes_itself(task: Task):
    assert (task.group, task.query_set) == ("stdlib", "original")
    assert task.name == f"stdlib-{STDLIB.tasks[task.name]}"
    assert task.head_metric == "ndcg@10"
    assert task.excluded == {}
    assert task.notes == ()
    assert task.prompt_fields.query_kind == "Python programming question"


def test_the_levels_go_from_the_least_reasoning_to_the_most():
    assert tuple(STDLIB.tasks.values()) == LEVELS == ("lexical", "paraphrase", "plain", "oblique")


def test_revision_and_fingerprint_name_the_python_version(task: Task):
    assert task.revision == f"gold-2, {PYTHON}"
    assert task.corpus_key == PYTHON
    assert task_fingerprint(task).startswith(f"{PYTHON}:")


def test_another_version_is_another_fingerprint(task: Task, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    other = EMBEDDED[task.name].load()
    assert other.revision == "gold-2, python-3.99.0"
    assert task_fingerprint(other) != task_fingerprint(task)
    assert task_fingerprint(replace(other, corpus_key=task.corpus_key)) == task_fingerprint(task)


def test_each_holds_every_situation_in_its_wording(task: Task):
    level = STDLIB.tasks[task.name]
    expected = [(each.id, each.wordings[level]) for each in read_situations(STDLIB.collection)]
    assert [(query.id, query.text) for query in task.queries] == expected


def test_judgements_have_two_grades_and_keep_what_does_not_help(task: Task):
    judged = read_judged(STDLIB.collection)
    for each in read_situations(STDLIB.collection):
        grades = task.qrels[each.id]
        assert {name for name, grade in grades.items() if grade == 2} == set(each.answers)
        assert {name for name, grade in grades.items() if grade == 1} == set(each.helps)
        assert grades.keys() == set(judged[each.id])
        assert len(grades) > 40


def test_every_judged_document_is_in_the_corpus(task: Task):
    assert task.corpus is not None
    known = set(task.corpus.ids)
    assert {name for grades in task.qrels.values() for name in grades} <= known


def test_the_four_share_corpus_and_judgements():
    tasks = [EMBEDDED[name].load() for name in STDLIB.tasks]
    assert all(each.qrels == tasks[0].qrels for each in tasks)
    assert all(each.corpus is tasks[0].corpus for each in tasks)
    assert len({task_fingerprint(each) for each in tasks}) == len(tasks)


def test_rows_come_by_file_name_then_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ship(tmp_path, monkeypatch, *({**ROW, "id": name} for name in ("a-1", "b-1", "b-2")))
    assert [each.id for each in read_situations(STDLIB.collection)] == ["a-1", "b-1", "b-2"]


def test_missing_documents_are_not_judged_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ship(tmp_path, monkeypatch, ROW, {**ROW, "id": "x-02", "answers": ["heapq.merge"]})
    know(monkeypatch, "bisect.insort", "heapq.heappush")
    task = EMBEDDED["stdlib-plain"].load()
    assert task.qrels == {"x-01": {"bisect.insort": 2, "heapq.heappush": 0}}
    assert [query.id for query in task.queries] == ["x-01"]
    assert task.notes == (
        "2 relevant documents do not exist in this interpreter (heapq, heapq.merge); "
        "1 queries without any answer were dropped",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""}, {"id": 7}, {"plain": ""}, {"reasoning": None}, {"answers": []}, {"helps": "x"},
        {"answers": ["heapq.merge", 3]}, {"gold_1": None},
    ],
)  # fmt: skip
def test_a_broken_row_is_named(
    wrong: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ship(tmp_path, monkeypatch, ROW, ROW, {**ROW, **wrong})
    with pytest.raises(BadInput, match=r"b\.jsonl, line 2"):
        read_situations(STDLIB.collection)


@pytest.mark.parametrize("field", sorted(ROW))
def test_a_row_without_a_field_is_named(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    row = {key: value for key, value in ROW.items() if key != field}
    ship(tmp_path, monkeypatch, ROW, row)
    with pytest.raises(BadInput, match=r"b\.jsonl, line 1"):
        read_situations(STDLIB.collection)


def test_a_broken_line_of_judged_documents_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ship(tmp_path, monkeypatch, ROW)
    with gzip.open(tmp_path / "judged.tsv.gz", "at", encoding="utf-8") as judged:
        judged.write("x-02 heapq\n")
    with pytest.raises(BadInput, match=r"judged\.tsv\.gz, line 2"):
        read_judged(STDLIB.collection)
