"""Training rows: read back equal, and refused by file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.training_row import TrainingRow, read_rows, row_from_json, row_json, write_rows

texts = st.text(max_size=20)
lists = st.lists(texts, max_size=3).map(tuple)
rows = st.builds(
    TrainingRow,
    query=texts,
    pos=lists,
    neg=lists,
    prompt=texts,
    reasoning_query=texts,
    source_id=texts,
    task=texts,
    conditions=st.dictionaries(texts, texts, max_size=2),
    train_group_size=st.integers(0, 64),
    batch_size=st.integers(0, 64),
)


@given(rows)
def test_a_row_survives_json(row: TrainingRow):
    assert row_from_json(row_json(row), "here") == row


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_files_read_back(tmp_path: Path, name: str):
    written = [
        TrainingRow("q\u2028", ("p",), ("n", ""), pos_scores=(5,), neg_scores=(1, 2.5)),
        TrainingRow("r", ("p",), ("n",), task="stdlib"),
    ]
    write_rows(tmp_path / name, written)
    assert list(read_rows(tmp_path / name)) == written


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"query": None}, None),
        ({"query": 3}, "query is 3"),
        ({"pos": "text"}, "pos is 'text'"),
        ({"neg": [1]}, r"neg\[0\] is 1"),
        ({"pos_scores": [1, 2]}, "1 pos but 2 pos_scores"),
        ({"pos_scores": [True]}, r"pos_scores\[0\] is True"),
        ({"batch_size": -1}, "train_group_size 0, batch_size -1"),
        ({"conditions": []}, None),
        ({"conditions": ["x"]}, "conditions is"),
    ],
)
def test_bad_rows_are_named(change: dict, complaint: str | None):
    values = {"query": "q", "pos": ["p"], "neg": ["n"], **change}
    if complaint is None:
        assert row_from_json(values, "file, line 7").pos == ("p",)
        return
    with pytest.raises(BadInput, match=f"file, line 7: {complaint}"):
        row_from_json(values, "file, line 7")


@pytest.mark.parametrize("key", ["query", "pos", "neg"])
def test_needed_fields_are_named(key: str):
    values = {"query": "q", "pos": ["p"], "neg": ["n"]}
    del values[key]
    with pytest.raises(BadInput, match=f"the field '{key}' is missing"):
        row_from_json(values, "here")
