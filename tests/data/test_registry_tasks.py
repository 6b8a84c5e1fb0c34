"""Names to tasks: groups, folders, query sets, and what is said of a wrong name."""

import json

import pytest

from harness.core.errors import BadInput, UnknownName
from harness.core.hashing import queries_fingerprint, task_fingerprint
from harness.data.registry import (
    TaskOptions,
    boards_of,
    group_members,
    groups,
    load_task,
    resolve_tasks,
    task_rows,
)


@pytest.fixture
def folder(tmp_path):
    """Write a small BEIR folder."""
    place = tmp_path / "my docs"
    (place / "qrels").mkdir(parents=True)
    (place / "corpus.jsonl").write_text('{"_id": "d", "text": "x"}\n')
    queries = [{"_id": "1", "text": "why"}, {"_id": "2", "text": "how"}]
    (place / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    (place / "qrels" / "test.tsv").write_text("1\td\t1\n2\td\t1\n")
    return place


def query_file(tmp_path, rows, name="mine.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_list_of_names_groups_and_folders(folder):
    names = resolve_tasks(f"pony, bright-long,{folder},stdlib,pony")
    assert names[0] == "pony"
    assert names[1:9] == group_members("bright-long")
    assert names[9:] == (str(folder), *group_members("stdlib"))


def test_bright_is_twelve_stdlib_four_and_scientific_two():
    assert len(resolve_tasks("bright")) == 12
    levels = ("stdlib-lexical", "stdlib-paraphrase", "stdlib-plain", "stdlib-oblique")
    assert resolve_tasks("stdlib") == levels
    both = ("scientific-paraphrase", "scientific-oblique")
    assert resolve_tasks("scientific") == both
    assert resolve_tasks("embedded") == (*levels, *both)
    assert [boards_of(name) for name in ("embedded", "stdlib", "pony")] == [
        ("stdlib", "scientific"), ("stdlib",), ("pony",),
    ]  # fmt: skip
    assert set(groups()) == {
        "bright", "bright-long", "r2med", "bright-pro", "tempo", "nano-bright", "nano-r2med",
        "stdlib", "scientific", "embedded",
    }  # fmt: skip


def test_a_task_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "biology").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_tasks("biology") == ("biology",)


def test_a_wrong_name_is_met_with_a_near_one():
    with pytest.raises(UnknownName) as caught:
        resolve_tasks("bright,biologie")
    assert "Did you mean biology" in caught.value.fix
    assert "rebench tasks" in caught.value.fix


@pytest.mark.parametrize("spec", ["", " , "])
def test_an_empty_list_is_refused(spec):
    with pytest.raises(BadInput, match="no task is named"):
        resolve_tasks(spec)


def test_another_folder_is_refused_by_name(tmp_path):
    with pytest.raises(BadInput, match=r"holds no corpus\.jsonl"):
        resolve_tasks(str(tmp_path))


def test_an_unknown_group_or_task_or_query_set(tmp_path):
    with pytest.raises(UnknownName, match="task group"):
        group_members("beir")
    with pytest.raises(UnknownName, match="unknown task"):
        load_task("nothing", TaskOptions())
    with pytest.raises(UnknownName) as caught:
        load_task("biology", TaskOptions(data_dir=tmp_path, query_set="gpt-4"))
    assert "Did you mean gpt4" in caught.value.fix


def test_rows_cover_every_task_of_every_group():
    rows = task_rows()
    assert {row.name for row in rows} == {name for names in groups().values() for name in names}
    for row in rows:
        assert row.name in group_members(row.group)
        assert row.queries > 0
        assert row.source
        assert row.licence
    embedded = rows[-1]
    assert (embedded.name, embedded.documents) == ("scientific-oblique", None)


@pytest.mark.parametrize("name", ["stdlib-oblique", "scientific-oblique"])
def test_the_embedded_row_says_what_its_task_says(name: str):
    task = load_task(name, TaskOptions())
    (embedded,) = (row for row in task_rows() if row.name == name)
    assert embedded.queries >= len(task.queries)
    assert embedded.head_metric == task.head_metric
    assert embedded.group == task.group


def test_a_folder_is_loaded_with_or_without_its_documents(folder):
    assert load_task(str(folder), TaskOptions()).corpus.ids == ("d",)
    task = load_task(str(folder), TaskOptions(with_corpus=False))
    assert (task.name, task.corpus) == ("my docs", None)


def test_brights_query_sets_are_brights_only(folder):
    for name in (str(folder), "stdlib-plain"):
        with pytest.raises(BadInput, match="has no query set 'gpt4'"):
            load_task(name, TaskOptions(query_set="gpt4"))


@pytest.mark.parametrize(("key", "text"), [("id", "query"), ("_id", "text")])
def test_queries_from_a_file(folder, tmp_path, key, text):
    path = query_file(tmp_path, [{key: "2", text: "HOW"}, {key: "1", text: "WHY"}])
    task = load_task(str(folder), TaskOptions(query_set=str(path)))
    assert [(query.id, query.text) for query in task.queries] == [("1", "WHY"), ("2", "HOW")]
    assert task.query_set == f"file:{queries_fingerprint(task.queries)[:8]}"
    original = load_task(str(folder), TaskOptions())
    assert task_fingerprint(task) == task_fingerprint(original)


def test_another_file_is_another_query_set(folder, tmp_path):
    sets = {
        load_task(str(folder), TaskOptions(query_set=str(path))).query_set
        for path in (
            query_file(tmp_path, [{"id": "1", "query": "a"}, {"id": "2", "query": "b"}], "a.jsonl"),
            query_file(tmp_path, [{"id": "1", "query": "b"}, {"id": "2", "query": "a"}], "b.jsonl"),
        )
    }
    assert len(sets) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "1", "query": "a"}], "1 of 2 judged queries have no text, such as '2'"),
        (
            [{"id": n, "query": "a"} for n in ("1", "2", "3")],
            "1 ids are no queries of the task, such as '3'",
        ),
        ([{"id": n, "query": "a"} for n in ("1", "2", "1")], "query id '1' comes twice"),
        ([{"id": "1", "answer": "a"}], "line 1: 'query' must be a text"),
        ([{"name": "1", "query": "a"}], "line 1: no 'id' field"),
    ],
)
def test_a_query_file_that_does_not_fit(folder, tmp_path, rows, message):
    path = query_file(tmp_path, rows)
    with pytest.raises(BadInput) as caught:
        load_task(str(folder), TaskOptions(query_set=str(path)))
    assert message in caught.value.message
    assert str(path) in caught.value.message


def test_a_query_file_for_a_real_bright_task(shared_data, tmp_path):
    """Each query keeps its own text under its own id, odd ids included."""
    options = TaskOptions(data_dir=shared_data / "bright", with_corpus=False)
    task = load_task("theoremqa_questions", options)
    rows = [{"id": query.id, "query": f"{query.id}!"} for query in reversed(task.queries)]
    path = query_file(tmp_path, rows)
    changed = TaskOptions(options.data_dir, str(path), with_corpus=False)
    found = load_task("theoremqa_questions", changed)
    assert [query.id for query in found.queries] == [query.id for query in task.queries]
    assert all(query.text == f"{query.id}!" for query in found.queries)
