"""`rebench import`, `rebench export`, and the flags of `rebench leaderboard`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import board_table, console
from results.store import ResultStore
from tests.helpers.stored_boards import Made, store_entry, stored

SCORES = {"ndcg_at_10": 0.125, "hf_subset": "default"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "rebench-results"


def write_mteb(folder: Path, task: str = "BrightPonyRetrieval") -> Path:
    path = folder / "org__m" / "r1" / f"{task}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "task_name": task, "dataset_revision": "c26703e6600d97c579ee2985f16cf307db13ed85",
        "scores": {"standard": [SCORES]},
    }  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_imported_rows_stand_on_the_board_untested(rebench, results: Path, tmp_path: Path):
    stored(results, {"mine": {"pony": [0.1, 0.3, 0.2]}})
    done = rebench("import", write_mteb(tmp_path), "--json")
    assert [(row["model"], row["gold"], row["mean"]) for row in done.json] == [
        ("org/m", "current", 0.125)
    ]
    (board,) = rebench(
        "leaderboard", "--tasks", "pony", "--query-set", "original", "--format", "json"
    ).json[:1]
    by_kind = {row["kind"]: row for row in board["rows"]}
    assert by_kind["imported"]["standing"] is None
    assert by_kind["measured"]["standing"]["group"] == 1
    shown = rebench("leaderboard", "--published", "--tasks", "pony", "--format", "json").json
    kinds = {row["kind"] for board in shown for row in board["rows"]}
    assert kinds == {"published", "imported"}


def test_a_faulty_file_is_named_the_rest_is_imported_and_the_code_is_2(rebench, tmp_path: Path):
    write_mteb(tmp_path / "in")
    broken = write_mteb(tmp_path / "in", "BrightAopsRetrieval")
    broken.write_text("{", encoding="utf-8")
    done = rebench("import", tmp_path / "in", "--json")
    assert done.code == 2
    assert str(broken) in done.err
    assert [row["tasks"] for row in done.json] == ["1/12"]


def test_export_writes_what_import_reads(rebench, results: Path, tmp_path: Path):
    stored(results, {"mine": {"pony": [0.1, 0.3], "biology": [0.5, 0.5]}})
    rows = rebench(
        "export", "--format", "mteb", "-o", tmp_path / "new" / "out", "--tasks", "pony", "--json"
    )
    assert [(row["model"], row["task"]) for row in rows.json] == [("mine", "pony")]
    (row,) = rebench("import", tmp_path / "new" / "out", "--json").json
    assert (row["model"], row["tasks"], row["mean"]) == ("mine", "1/12", pytest.approx(0.2))
    assert (
        rebench("export", "--format", "trec", "-o", tmp_path / "x", "-m", "nobody", "--json").json
        == []
    )


def test_filters_cut_and_refuse(rebench, results: Path):
    stored(
        results, {"bm25": {"pony": [0.1, 0.3], "biology": [0.5, 0.5]}, "x": {"pony": [0.2, 0.2]}}
    )
    (board,) = rebench(
        "leaderboard", "--measured", "--tasks", "pony", "--family", "lexical", "--format", "json"
    ).json
    assert [(row["label"], row["mean"]) for row in board["rows"]] == [("bm25", 0.2)]
    for flag, value in (("--tasks", "ponny"), ("--family", "lexicall"), ("--query-set", "gpt44")):
        done = rebench("leaderboard", flag, value)
        assert done.code == 2
        assert "Did you mean" in done.err


def test_one_entry_alone_is_shown(rebench, results: Path):
    stored(results, {"only": {"tides": [0.5, 0.75]}}, Made(group="beir"))
    done = rebench("leaderboard", "--measured")
    assert done.code == 0
    assert "62.5" in done.out
    assert "BCa" in done.out
    assert "Holm" not in done.out


def test_nothing_measured_says_so(rebench):
    assert rebench("leaderboard", "--measured").out == "nothing to show: no entry matches\n"


def test_a_damaged_per_query_file_is_named_after_the_table(rebench, results: Path):
    store = stored(results, {"a": {"tides": [0.5, 0.1]}, "b": {"tides": [0.9, 0.2]}})
    entry = next(each for each in store.entries().entries if each.model == "a")
    (store.folder(entry) / entry.files.per_query).write_bytes(b"no")
    done = rebench("leaderboard", "--measured")
    assert done.code == 2
    assert entry.files.per_query in done.err
    assert "55.0" in done.out
    assert "30.0" in done.out


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_table_never_wraps_its_lines(
    rebench, results: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys
):
    from rich.console import Console

    names = ["a-model", "another/model-with-a-name-of-fifty-letters-no-less-8b"]
    tasks = ("biology", "earth_science", "economics", "psychology", "robotics", "stackoverflow",
             "sustainable_living", "leetcode", "pony", "aops", "theoremqa_questions",
             "theoremqa_theorems")  # fmt: skip
    stored(
        results, {name: {task: [0.5, 0.25 * at] for task in tasks} for at, name in enumerate(names)}
    )
    monkeypatch.setattr(board_table, "stdout_console", lambda: Console(width=width))
    lines = rebench("leaderboard", "--measured").out.splitlines()
    assert max(map(len, lines)) <= width
    head = next(line for line in lines if "model" in line)
    assert ("Bio" in head) == (width == 200)
    assert any("Left out at" in line for line in lines) == (width < 200)
    assert {"#", "model", "mean", "95", "%"} <= set(head.split())
    assert len([line for line in lines if "measured" in line]) == 2  # one line a row starts
    assert console.stdout_console().width == 200


def test_a_name_full_of_markup_is_printed_as_it_is(rebench, results: Path):
    store_entry(ResultStore(results), "[bold]x[/nonsense]\x1b[31m", "stdlib", [0.5, 0.5])
    done = rebench("leaderboard", "--measured")
    assert done.code == 0
    assert "[bold]x[/nonsense]" in done.out
    assert "\x1b" not in done.out


def test_html_is_written_into_a_folder_that_is_made(rebench, results: Path, tmp_path: Path):
    stored(results, {"mine": {"tides": [0.1, 0.3]}})
    target = tmp_path / "made" / "now" / "board.html"
    done = rebench("leaderboard", "--measured", "--format", "html", "-o", target)
    assert (done.code, done.out) == (0, ""), done.err
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
