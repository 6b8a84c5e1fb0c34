"""A task's own candidate lists as parts of a fusion, and so as what a reranker orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import ground_layouts as layouts
from tests.helpers.command_run import runner


@pytest.fixture
def rebench(capsys, monkeypatch, tmp_path: Path):
    return runner(capsys, monkeypatch, tmp_path)


@pytest.fixture
def task(tmp_path: Path) -> str:
    folder = tmp_path / "Nano"
    part = layouts.hakari(folder)
    rows = [{"query-id": "1", "corpus-ids": ["d 1"]}, {"query-id": "2", "corpus-ids": ["d2", "d3"]}]
    layouts.write(folder / "bm25" / "NanoOne-00000-of-00001.parquet", rows)
    return f"{folder}{part}"


def test_lists_are_fused_with_lists_and_with_stored_systems(rebench, task):
    names = ("candidates:bm25", "candidates:reranking_hybrid")
    fused = rebench("fuse", *names, "--tasks", task, "--json").json
    assert fused["entries"][0]["task"] == "Nano#NanoOne"
    assert fused["gain"]["parts"]["candidates:bm25"] == 1.0
    rebench("eval", "-m", "bm25", "-t", task)
    fused = rebench("fuse", "bm25", "candidates:bm25", "--tasks", task, "--json").json
    assert fused["entries"][0]["metrics"]["recall@10"] == 1.0


def test_a_list_that_is_not_there_is_met_with_a_near_one(rebench, task):
    told = rebench("fuse", "candidates:bm52", "candidates:bm25", "--tasks", task)
    assert told.code == 2
    assert "Did you mean bm25" in told.err
    told = rebench("fuse", "candidates", "candidates:bm25", "--tasks", task)
    assert "has 2 candidate lists" in told.err
    told = rebench("fuse", "candidates:x", "candidates:y")
    assert "a run file or list does not say its task" in told.err
