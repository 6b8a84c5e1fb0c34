"""`rebench compare`, `report` and `reproduce` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.registry import group_members
from tests.helpers.measured_store import make_task, measure, some_ranks, store_at
from tests.helpers.small_task import write_beir


@pytest.fixture
def tides(rebench, beir: Path, tmp_path: Path) -> Path:
    """Measure BM25 and score two runs on the small task, each right on one query."""
    runs = {
        "theirs": "q1 Q0 moon.txt 1 0.9 x\nq2 Q0 engine 1 0.5 x\n",
        "ours": "q1 Q0 engine 1 0.9 x\nq2 Q0 bread 1 1 0.5 x\nq2 Q0 bread 2 1 0.4 x\n",
    }
    assert rebench("eval", "--model", "bm25", "--tasks", beir).code == 0
    for name, text in runs.items():
        run = tmp_path / f"{name}.trec"
        run.write_text(text, encoding="utf-8")
        assert rebench("score", run, "-t", beir, "-n", name, "--record").code == 0
    return beir


def test_compare_names_everything_about_the_queries(rebench, tides: Path) -> None:
    done = rebench("compare", "theirs", "ours", "--tasks", tides)
    assert done.code == 0, done.err
    assert "Largest gains of theirs" in done.out
    assert "tides q1: +100.00 (100.00 against 0.00)" in done.out
    assert "Why does the sea come and go?" in done.out
    assert "moon.txt ✓: The tides follow the moon" in done.out
    assert "By reasoning intensity" in done.out
    assert "not distinguishable from zero" in done.out


def test_compare_json_is_whole_and_unrounded(rebench, tides: Path) -> None:
    value = rebench("compare", "theirs", "ours", "--json").json
    assert value["tasks"] == ["tides"]
    (each,) = value["by_task"]["tides"]
    assert (each["mean_a"], each["mean_b"], each["delta"], each["p"]) == (0.5, 0.5, 0.0, 1.0)
    assert each["counts"] == {"wins": 1, "ties": 0, "losses": 1}
    assert [system["label"] for system in value["systems"]] == ["theirs", "ours"]


def test_without_the_folder_ids_and_gold_come_from_the_store(rebench, tides: Path) -> None:
    done = rebench("compare", "theirs", "ours")
    assert done.code == 0, done.err
    assert "gold: moon.txt" in done.out
    assert "theirs: moon.txt ✓" in done.out
    assert "Why does the sea" not in done.out
    assert "no texts" in done.out


@pytest.mark.parametrize("test", ["permutation", "student", "fisher", "tukey"])
def test_every_test_by_name(rebench, tides: Path, test: str) -> None:
    value = rebench("compare", "theirs", "ours", "--test", test, "--json").json
    assert value["plan"]["test"] == test
    assert value["by_task"]["tides"][0]["p"] == pytest.approx(1.0)


def test_guard_gives_no_number(rebench, tides: Path, tmp_path: Path) -> None:
    other = write_beir(tmp_path / "else" / "tides")
    qrels = other / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("q2\tbread 2\t1\n", ""), encoding="utf-8")
    assert rebench("eval", "--model", "bm25-bow", "--tasks", other).code == 0
    done = rebench("compare", "bm25", "bm25-bow")
    assert (done.code, done.out) == (2, "")
    assert "evaluated on different data" in done.err
    assert "gold: 1 documents the first has and the second lacks, such as 'bread 2'" in done.err
    assert "revision:" in done.err


BAD = {
    "one system": (["bm25"], "only 'bm25' is named"),
    "unknown": (["bm25", "thiers"], "Did you mean theirs?"),
    "twice": (["bm25", "bm25"], "named twice"),
    "published only": (["bm25", "reasonembed-qwen3-8b"], "published but not measured"),
    "unknown test": (["bm25", "theirs", "--test", "welch"], "permutation, student"),
    "unknown metric": (["bm25", "theirs", "--metric", "ndgc@10"], "Did you mean"),
    "fold": (["bm25", "theirs", "--fold", "5"], "fold 5 does not exist"),
    "unknown task": (["bm25", "theirs", "--tasks", "biologie"], "Did you mean biology"),
    "no such entries": (["bm25", "theirs", "--tasks", "pony"], "has no entry on pony"),
    "permutations": (["bm25", "theirs", "--permutations", "-1"], "permutations is -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_line_and_a_way_on(rebench, tides: Path, name: str) -> None:
    arguments, complaint = BAD[name]
    done = rebench("compare", *arguments)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_an_empty_store(rebench) -> None:
    done = rebench("compare", "a", "b")
    assert done.code == 2
    assert "None is measured" in done.err
    assert rebench("report", "-o", "out").code == 2


def test_report_into_a_folder_that_is_missing(rebench, tides: Path, tmp_path: Path) -> None:
    target = tmp_path / "not" / "yet"
    done = rebench("report", "theirs", "ours", "--tasks", tides, "--texts", "-o", target)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == str(target / "report.md")
    for line in done.out.splitlines():
        assert Path(line).is_file()
    text = (target / "report.md").read_text(encoding="utf-8")
    assert "# theirs against ours" in text
    assert "Why does the sea come and go?" in text
    assert "rebench score" in text


def test_report_keeps_texts_out_unless_asked(rebench, tides: Path, tmp_path: Path) -> None:
    done = rebench("report", "theirs", "ours", "--tasks", tides, "-o", tmp_path / "bare")
    assert done.code == 0, done.err
    for name in ("report.md", "report.json"):
        told = (tmp_path / "bare" / name).read_text(encoding="utf-8")
        assert "Why does the sea" not in told
        assert "The tides follow" not in told


def test_report_on_everything_as_one_file(rebench, tides: Path, tmp_path: Path) -> None:
    done = rebench("report", "-o", tmp_path / "all.md")
    assert done.code == 0, done.err
    assert (tmp_path / "all.json").is_file()
    assert (tmp_path / "all-figures" / "differences.svg").is_file()
    value = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert {system["label"] for system in value["comparison"]["systems"]} == {
        "theirs",
        "ours",
        "bm25",
    }


def measured_bright(tmp_path: Path) -> None:
    """Measure a published model on all of BRIGHT's short tasks, with made-up ranks."""
    store = store_at(tmp_path)
    for at, name in enumerate(group_members("bright")):
        measure(store, "bm25", make_task(name, 5 + at), some_ranks(5 + at, at))


def test_reproduce_holds_each_task_against_its_source(rebench, tmp_path: Path) -> None:
    measured_bright(tmp_path)
    done = rebench("reproduce", "bm25")
    assert done.code == 0, done.err
    assert "gold: current" in done.out
    assert "not compared with it" in done.out
    value = rebench("reproduce", "bm25", "--json").json
    source = next(each for each in value["sources"] if "ReasonEmbed" in each["source"])
    lines = {line["task"]: line for line in source["lines"]}
    assert len(lines) == 13
    assert lines["biology"]["published"] == 0.189
    for line in lines.values():
        inside = line["interval"]["low"] <= line["published"] <= line["interval"]["high"]
        assert line["inside"] == inside
        assert line["difference"] == pytest.approx(line["measured"] - line["published"])


def test_reproduce_what_was_never_published(rebench, tides: Path) -> None:
    done = rebench("reproduce", "theirs")
    assert done.code == 2
    assert "unknown published model 'theirs'" in done.err
    done = rebench("reproduce", "bm25")
    assert done.code == 2
    assert "no published number is on the same data" in done.err
