"""Training rows: formats, the hub's layout, and every row that cannot be trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import BadInput, DataUnavailable
from harness.core.training_row import TrainingRow, write_rows
from redapter.config import BatchConfig, DataConfig
from redapter.data import load_examples

GOOD = {
    "query": "why",
    "reasoning_query": "why because",
    "prompt": "Find it.",
    "pos": ["p"],
    "neg": [f"n{i}" for i in range(5)],
}
BATCH = BatchConfig(size=2, group_size=4)


def write(folder: Path, rows, name="rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(path, kind="redapter", batch=BATCH, **data):
    return load_examples(DataConfig(path=str(path), **data), batch, kind)


def test_a_row_is_formatted_as_released(tmp_path):
    (example,) = load(write(tmp_path, [GOOD])).examples
    assert example.query == "Instruct: Find it.\nQuery: why"
    assert example.reasoning == "Instruct: Find it.\nQuery: why because"
    assert example.task == "rows"
    assert (example.group_size, example.batch_size) == (4, 2)
    assert example.where == "rows.jsonl, line 1"


def test_the_recipes_prompt_stands_in_and_formats_are_free(tmp_path):
    row = {**GOOD, "prompt": "", "task": "own"}
    path = write(tmp_path, [row])
    (example,) = load(path, prompt="Default.", query_format="{query} [{prompt}]").examples
    assert example.query == "why [Default.]"
    assert example.task == "own"


def test_the_reasoning_may_follow_its_query(tmp_path):
    row = {**GOOD, "reasoning_query": "because {x}"}
    path = write(tmp_path, [row])
    (alone,) = load(path).examples
    assert alone.reasoning == "Instruct: Find it.\nQuery: because {x}"
    (both,) = load(path, reasoning_format="{query}\n{reasoning}").examples
    assert both.reasoning == "Instruct: Find it.\nQuery: why\nbecause {x}"
    assert both.query == alone.query


def test_braces_in_a_query_are_text(tmp_path):
    path = write(tmp_path, [{**GOOD, "query": "f'{x}' {prompt}", "prompt": "{query}"}])
    (example,) = load(path).examples
    assert example.query == "Instruct: {query}\nQuery: f'{x}' {prompt}"


def test_rows_of_remix_format_and_own_sizes(tmp_path):
    row = TrainingRow(
        query="q",
        pos=("p",),
        neg=("n",) * 5,
        reasoning_query="r",
        task="pony",
        train_group_size=3,
        batch_size=7,
    )
    write_rows(tmp_path / "rows.jsonl.gz", [row])
    (example,) = load(tmp_path / "rows.jsonl.gz").examples
    assert (example.task, example.group_size, example.batch_size) == ("pony", 3, 7)
    (plain,) = load(
        tmp_path / "rows.jsonl.gz", batch=BatchConfig(size=2, group_size=4, row_sizes=False)
    ).examples
    assert (plain.group_size, plain.batch_size) == (4, 2)


def test_a_folder_as_released_names_tasks_by_file(tmp_path):
    write(tmp_path, [GOOD], "biology-formatted.jsonl")
    write(tmp_path, [GOOD, GOOD], "aops-formatted.jsonl")
    found = load(tmp_path)
    assert [example.task for example in found.examples] == ["aops", "aops", "biology"]


def test_the_hub_set_by_name(tmp_path, monkeypatch):
    import huggingface_hub

    inner = tmp_path / "reason-embed-data-0928"
    inner.mkdir()
    write(inner, [GOOD], "pony-formatted.jsonl")
    asked = {}

    def fetch(name, *, repo_type, allow_patterns, revision, **_rest):
        assert revision == "main"
        asked.update(name=name, repo_type=repo_type, patterns=allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    found = load("hanhainebula/reason-embed-data")
    assert [example.task for example in found.examples] == ["pony"]
    assert asked["repo_type"] == "dataset"
    assert asked["patterns"][0] == "reason-embed-data-0928/*.jsonl"


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataUnavailable, match="hanhainebula/reason-embed-data"):
        load("hanhainebula/reason-embed-data")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**GOOD, "reasoning_query": ""}, "line 2: .*no reasoning_query.*\n.*rebench remix reason"),
        ({**GOOD, "reasoning_query": "  "}, "rebench remix reason"),
        ({**GOOD, "pos": []}, "line 2: pos is empty"),
        ({**GOOD, "neg": []}, "line 2: neg is empty .* group of 4 needs 3"),
        ({**GOOD, "query": " "}, "line 2: the query is empty"),
        ({**GOOD, "pos": "p"}, "line 2: pos is 'p'"),
        ({"query": "q", "pos": ["p"]}, "line 2: the field 'neg' is missing"),
    ],
)
def test_rows_that_cannot_be_trained_on(tmp_path, row, said):
    with pytest.raises(BadInput, match=f"rows.jsonl, {said}" if said.startswith("line") else said):
        load(write(tmp_path, [GOOD, row]))


def test_reasoning_is_needed_only_where_it_is_read(tmp_path):
    path = write(tmp_path, [{**GOOD, "reasoning_query": ""}])
    assert [example.reasoning for example in load(path, "infonce").examples] == [""]
    with pytest.raises(BadInput, match="reasoning_query"):
        load(path, "shuffled")


def test_short_lists_are_repeated_with_a_note_or_refused(tmp_path):
    path = write(tmp_path, [GOOD, {**GOOD, "neg": ["a"]}])
    assert load(path).notes[0].startswith("1 of 2 rows hold fewer negatives")
    with pytest.raises(BadInput, match=r"line 2: a group of 4 needs 3 negatives, the row holds 1"):
        load(path, short_negatives="refuse")


def test_a_group_of_one_needs_no_negatives(tmp_path):
    path = write(tmp_path, [{**GOOD, "neg": []}])
    assert load(path, batch=BatchConfig(group_size=1)).notes == ()


def test_static_difficulty(tmp_path):
    path = write(tmp_path, [{**GOOD, "conditions": {"difficulty": 2}}])
    assert load(path, "static").examples[0].difficulty == 2.0
    for bad in ({}, {"difficulty": "hard"}, {"difficulty": -1}, {"difficulty": True}):
        path = write(tmp_path, [{**GOOD, "conditions": bad}])
        with pytest.raises(BadInput, match=r"conditions\.difficulty"):
            load(path, "static")


def test_places_with_nothing_to_train_on(tmp_path):
    with pytest.raises(BadInput, match=r"data.path is empty\n.*--data"):
        load("")
    with pytest.raises(BadInput, match="no training data at"):
        load(tmp_path / "nowhere.jsonl")
    with pytest.raises(BadInput, match=r"no training data at folder/rows\.jsonl"):
        load("folder/rows.jsonl")
    with pytest.raises(BadInput, match=r"holds no \.jsonl file"):
        load(tmp_path)
    with pytest.raises(BadInput, match="holds no rows"):
        load(write(tmp_path, []))


def test_the_fingerprint_covers_what_can_be_drawn(tmp_path):
    base = load(write(tmp_path, [GOOD])).fingerprint
    assert load(write(tmp_path, [GOOD])).fingerprint == base
    for change in (
        {"query": "x"},
        {"reasoning_query": "x"},
        {"pos": ["x"]},
        {"neg": ["x"] * 5},
        {"train_group_size": 3},
        {"task": "x"},
    ):
        assert load(write(tmp_path, [{**GOOD, **change}])).fingerprint != base


def test_one_copy_of_a_passage_is_kept(tmp_path):
    found = load(write(tmp_path, [GOOD, GOOD])).examples
    assert found[0].neg[2] is found[1].neg[2]


def test_limit(tmp_path):
    assert len(load(write(tmp_path, [GOOD] * 5), limit=2).examples) == 2
