"""`rebench models`, `rebench tasks`, `rebench leaderboard`: what is known and what is measured."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from harness.data.embedded import GROUP
from harness.data.registry import groups
from models.registry import shipped_cards
from models.rerankers.shipped import shipped_rerankers


def test_tasks_lists_every_task_of_every_group(rebench):
    listed = {row["task"]: row["group"] for row in rebench("tasks", "--json").json}
    every = {name: tasks for name, tasks in groups().items() if name != GROUP}
    assert listed == {task: group for group, tasks in every.items() for task in tasks}


def test_tasks_lists_one_group(rebench):
    rows = rebench("tasks", "bright-pro", "--json").json
    assert [row["task"] for row in rows] == list(groups()["bright-pro"])
    assert "groups: bright 12, " in rebench("tasks").out
    assert "unknown task group 'bright-por'" in rebench("tasks", "bright-por").err


def test_models_lists_every_card(rebench):
    rows = rebench("models", "--json").json
    assert {row["model"] for row in rows if "model" in row} == set(shipped_cards())
    assert {row["reranker"] for row in rows if "reranker" in row} == set(shipped_rerankers())


def test_one_model_shows_its_card_and_a_query_per_task(rebench):
    card = rebench("models", "bm25", "--json").json
    assert card["options"]["k1"] == 0.9
    assert "stdlib-oblique" in card["queries"]
    assert "weighted" in rebench("models", "bm25").out


def test_published_rows_are_there_and_marked(rebench):
    boards = rebench("leaderboard", "--format", "json", "--tasks", "bright").json
    (board,) = [each for each in boards if (each["query_set"], each["gold"]) == ("original", "")]
    (row,) = [
        row
        for row in board["rows"]
        if row["model"] == "reasonembed-qwen3-8b" and row["values"].get("biology") == 0.555
    ]
    assert row["kind"] == "published"
    assert row["mean"] == pytest.approx(0.381, abs=0.001)
    assert row["source"]


def test_measured_and_published_are_told_apart(rebench, beir: Path):
    rebench("eval", "-m", "bm25,wordllama", "-t", beir)
    boards = rebench("leaderboard", "--measured", "--format", "json").json
    assert [board["group"] for board in boards] == ["tides"]
    assert {row["kind"] for row in boards[0]["rows"]} == {"measured"}
    means = [row["mean"] for row in boards[0]["rows"]]
    assert means == sorted(means, reverse=True)


def test_rows_on_other_judgements_stand_on_another_board(rebench, beir: Path):
    rebench("eval", "-m", "bm25", "-t", beir)
    with (beir / "qrels" / "test.tsv").open("a", encoding="utf-8") as handle:
        handle.write("q1\tengine\t1\n")
    rebench("eval", "-m", "wordllama", "-t", beir)
    boards = rebench("leaderboard", "--measured", "--format", "json").json
    assert [len(board["rows"]) for board in boards] == [1, 1]


@pytest.mark.parametrize("output_format", ["markdown", "csv", "json", "table", "latex", "html"])
def test_every_format_names_the_model(rebench, beir: Path, output_format: str, tmp_path: Path):
    rebench("eval", "-m", "bm25", "-t", beir)
    arguments = ("leaderboard", "--measured", "--format", output_format)
    shown = rebench(*arguments)
    assert shown.code == 0
    assert "bm25" in shown.out
    target = tmp_path / "new" / "board"
    assert rebench(*arguments, "-o", target).out == ""
    assert "bm25" in target.read_text(encoding="utf-8")


def test_csv_values_are_unrounded(rebench, beir: Path):
    measured = rebench("eval", "-m", "bm25", "-t", beir, "--json").json[0]["metrics"]["ndcg@10"]
    text = rebench("leaderboard", "--measured", "--format", "csv").out
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["task"] == "tides"]
    assert float(rows[0]["value"]) == measured


def test_damaged_entry_is_named_and_the_rest_is_shown(rebench, beir: Path, tmp_path: Path):
    rebench("eval", "-m", "bm25,wordllama", "-t", beir)
    path = next((tmp_path / "rebench-results" / "bm25").rglob("entry.json"))
    path.write_text(json.dumps({"schema": 1}), encoding="utf-8")
    done = rebench("leaderboard", "--measured", "--format", "json")
    assert str(path) in done.err
    assert done.code == 2
    assert "1 file was left out" in done.err
    assert [row["model"] for row in done.json[0]["rows"]] == ["wordllama"]


def test_a_reranker_shows_how_it_is_run_and_served(rebench):
    card = rebench("models", "qwen3-reranker-0.6b", "--json").json
    assert card["method"] == "yes-no"
    assert "logit of yes" in card["scores"]
    assert any("--hf-overrides" in line for line in card["run"])
    assert (
        "rebench rerank RUN --with qwen3-reranker-0.6b"
        in rebench("models", "Qwen/Qwen3-Reranker-0.6B").out
    )
    template = rebench("models", "qwen3-reranker-8b", "--template").out
    assert "selectattr" in template
    assert rebench("models", "minilm", "--template").code == 2
    plain = rebench("models").out
    assert "llm-listwise" in plain
    assert "--llm" in plain


def test_a_reranker_is_no_model_to_evaluate(rebench):
    for name in ("qwen3-reranker-0.6b", "BAAI/bge-reranker-v2-m3", "llm-listwise"):
        refused = rebench("eval", "--model", name, "--tasks", "stdlib")
        assert refused.code == 2
        assert "is a reranker" in refused.err
        assert f"--with {name}" in refused.err.replace("\n", " ")
