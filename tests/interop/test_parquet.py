"""Entries as Parquet: every value once, unrounded, and joined by one column."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import rebench
from harness.core.errors import BadInput
from results.schema import Entry
from results.store import ResultStore
from tests.helpers.command_run import runner
from tests.helpers.stored_boards import Made, store_entry

VALUES = [1 / 3, 0.1, 1.0]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    found = ResultStore(tmp_path / "results")
    for task in ("biology", "pony"):
        store_entry(found, "org/m", task, VALUES)
    store_entry(found, "other", "biology", [0.0, 0.5, 0.25], Made(metric="recall@1"))
    return found


def tables(folder: Path) -> tuple[list[dict], list[dict]]:
    return tuple(  # type: ignore[return-value]
        pq.read_table(folder / name).to_pylist()
        for name in ("entries.parquet", "per_query.parquet")
    )


def test_every_value_of_every_entry_is_there_once(store: ResultStore, tmp_path: Path):
    done = rebench.export_parquet(tmp_path / "out", results=store.root)
    assert not done.problems
    entries, values = tables(tmp_path / "out")
    assert [table.rows for table in done.tables] == [len(entries), len(values)]
    keys = {row["entry"]: row for row in entries}
    assert len(keys) == 3
    found = {
        (keys[row["entry"]]["model"], row["task"], row["metric"], row["query"]): row["value"]
        for row in values
    }
    assert len(found) == len(values)
    assert found == {
        (entry.model, entry.task.name, metric, query): value
        for entry in store.entries().entries
        for metric, by_query in store.per_query(entry).items()
        for query, value in by_query.items()
    }


def test_a_row_of_entries_says_what_the_entry_says(store: ResultStore, tmp_path: Path):
    rebench.export_parquet(tmp_path / "out", results=store.root, models="other")
    ((row,), _) = tables(tmp_path / "out")
    (entry,) = (each for each in store.entries().entries if each.model == "other")
    entry: Entry
    assert (row["model"], row["task"], row["head_metric"]) == ("other", "biology", "recall@1")
    assert row["value"] == entry.metrics["recall@1"]
    assert {name: row[name] for name in entry.metrics} == dict(entry.metrics)
    assert json.loads(row["identity"]) == entry.identity
    assert row["n_queries"] == entry.task.n_queries


def test_two_results_of_one_identity_stay_apart(store: ResultStore, tmp_path: Path):
    first = next(each for each in store.entries().entries if each.model == "other")
    store_entry(store, "second", "biology", VALUES, Made(identity=first.identity))
    assert first.files is not None
    rebench.export_parquet(tmp_path / "out", results=store.root)
    entries, _ = tables(tmp_path / "out")
    assert len({row["entry"] for row in entries}) == len(entries) == 4


def test_a_damaged_entry_is_in_neither_table_and_named(
    store: ResultStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    bad = next(each for each in store.entries().entries if each.task.name == "pony")
    assert bad.files is not None
    (store.folder(bad) / bad.files.per_query).write_bytes(b"no gzip")
    export = runner(capsys, monkeypatch, tmp_path, "export", "--format", "parquet")
    done = export("-o", tmp_path / "out", "--results", store.root)
    assert done.code == 2
    assert "per_query" in done.err
    assert "all else is done" in done.err
    entries, values = tables(tmp_path / "out")
    assert {row["task"] for row in entries} == {row["task"] for row in values} == {"biology"}


def test_nothing_to_write_is_refused_and_writes_nothing(store: ResultStore, tmp_path: Path):
    with pytest.raises(BadInput, match="no entry"):
        rebench.export_parquet(tmp_path / "out", results=store.root, models="absent")
    assert not list((tmp_path / "out").glob("*"))


def test_equal_entries_give_equal_tables(store: ResultStore, tmp_path: Path):
    for name in ("one", "two"):
        rebench.export_parquet(tmp_path / name, results=store.root)
    for name in ("entries.parquet", "per_query.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
