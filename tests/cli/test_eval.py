"""`rebench eval`: from a name to a stored, verified row, and everything that can go wrong."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.core.checksums import with_checksum
from results.store import ResultStore

MODELS = ("bm25", "bm25-bow", "wordllama")


@pytest.mark.parametrize("model", MODELS)
def test_eval_prints_one_json_object_per_task_and_nothing_else(rebench, beir: Path, model: str):
    done = rebench("eval", "--model", model, "--tasks", beir, "--json")
    assert done.code == 0, done.err
    (row,) = done.json
    assert (row["model"], row["task"], row["n_queries"]) == (model, "tides", 2)
    assert len(row["metrics"]) == 25
    assert 0 <= row["metrics"]["ndcg@10"] <= 1
    assert row["missing_queries"] == []


@pytest.mark.parametrize("model", MODELS)
def test_stored_run_ranks_everything_but_what_is_excluded(
    rebench, beir: Path, model: str, tmp_path: Path
):
    rebench("eval", "--model", model, "--tasks", beir)
    store = ResultStore(tmp_path / "rebench-results")
    (entry,) = store.entries().entries
    lines = [line.split("\t") for line in store.run_text(entry).splitlines()]
    ranked = {qid: [line[2] for line in lines if line[0] == qid] for qid in ("q1", "q2")}
    assert "q1-itself" not in ranked["q1"]
    assert len(ranked["q1"]) == 5
    assert len(ranked["q2"]) == 6
    # Equal texts have equal scores, so the greater id comes first.
    assert ranked["q2"].index("bread 2") < ranked["q2"].index("bread 1")


def test_second_run_repeats_nothing_unless_forced(rebench, beir: Path):
    arguments = ("eval", "-m", "bm25", "-t", beir, "--json")
    first, second = rebench(*arguments).json[0], rebench(*arguments).json[0]
    assert (first["reused"], second["reused"]) == (False, True)
    assert {**second, "reused": False} == first
    assert rebench(*arguments, "--force").json[0]["reused"] is False
    assert rebench(*arguments, "-k", 3).json[0]["reused"] is False


def test_a_changed_judgement_is_measured_anew(rebench, beir: Path):
    arguments = ("eval", "-m", "bm25", "-t", beir, "--json")
    first = rebench(*arguments).json[0]
    with (beir / "qrels" / "test.tsv").open("a", encoding="utf-8") as handle:
        handle.write("q1\tengine\t1\n")
    second = rebench(*arguments).json[0]
    assert second["reused"] is False
    assert second["task_fingerprint"] != first["task_fingerprint"]


def test_several_models_and_tasks_make_a_table(rebench, beir: Path):
    done = rebench("eval", "-m", "bm25,wordllama", "-t", beir)
    assert done.code == 0
    assert "bm25" in done.out
    assert "wordllama" in done.out
    assert "measured" in done.err


def test_verify_recomputes_and_sees_a_changed_run(rebench, beir: Path, tmp_path: Path):
    rebench("eval", "-m", "bm25", "-t", beir)
    assert [row["status"] for row in rebench("verify", "--json").json] == ["match"]
    (run,) = (tmp_path / "rebench-results").rglob("run-*.trec.gz")
    swapped = gzip.decompress(run.read_bytes()).replace(b"moon.txt", b"engin.txt")
    run.write_bytes(gzip.compress(swapped))
    done = rebench("verify", "--json")
    assert done.code == 2
    assert [row["status"] for row in done.json] == ["corrupt"]


@pytest.mark.parametrize(
    ("rewrite", "status"),
    [
        pytest.param(dict, "corrupt", id="damaged"),
        pytest.param(with_checksum, "differs", id="rewritten with a checksum of its own"),
    ],
)
def test_verify_sees_a_changed_number(rebench, beir: Path, tmp_path: Path, rewrite, status: str):
    rebench("eval", "-m", "bm25", "-t", beir)
    (path,) = (tmp_path / "rebench-results").rglob("entry.json")
    entry = json.loads(path.read_text(encoding="utf-8"))
    entry["metrics"]["ndcg@10"] = 0.999
    path.write_text(json.dumps(rewrite(entry)), encoding="utf-8")
    done = rebench("verify", "--json")
    assert done.code == 2
    assert done.json[0]["status"] == status


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-m", "bm52"), "unknown model 'bm52'\nDid you mean bm25"),
        (("-m", "bm25", "-t", "biologie"), "unknown task 'biologie'\nDid you mean biology"),
        (("-m", "bm25", "-t", "stdlib", "-k", "0"), "k is 0"),
        (("-m", "bm25", "-t", "biology", "--queries", "gtp4"), "unknown query set 'gtp4'"),
        (("-m", ",", "-t", "stdlib"), "no model is named"),
        (("-m", "bm25", "-t", "stdlib", "--queries", "gpt4"), "no query set 'gpt4'"),
    ],
)
def test_bad_names_end_in_two_lines_and_code_2(rebench, arguments: tuple[str, ...], complaint: str):
    done = rebench("eval", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert complaint in done.err
    assert len(done.err.strip().splitlines()) == 2


BREAKS = {
    "malformed line": ("corpus.jsonl", '{"_id": \n', "corpus.jsonl, line 7"),
    "duplicate document": ("corpus.jsonl", '{"_id": "engine", "text": "x"}\n', "'engine'"),
    "unknown document judged": ("qrels/test.tsv", "q1\tnobody\t1\n", "'nobody'"),
    "unknown query judged": ("qrels/test.tsv", "q9\tengine\t1\n", "'q9'"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_folders_are_named(rebench, beir: Path, name: str):
    file, line, complaint = BREAKS[name]
    with (beir / file).open("a", encoding="utf-8") as handle:
        handle.write(line)
    done = rebench("eval", "-m", "bm25", "-t", beir)
    assert done.code == 2
    assert complaint in done.err


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl"])
def test_empty_files_are_named(rebench, beir: Path, file: str):
    (beir / file).write_text("", encoding="utf-8")
    done = rebench("eval", "-m", "bm25", "-t", beir)
    assert done.code == 2
    assert "error:" in done.err


def test_unwritable_results_are_said_before_the_work(rebench, beir: Path, tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = rebench("eval", "-m", "bm25", "-t", beir, "--results", tmp_path / "file" / "below")
    assert done.code == 2
    assert "cannot write" in done.err


def test_a_bug_keeps_its_traceback_and_exits_1(rebench, beir: Path, monkeypatch):
    monkeypatch.setattr("harness.evaluate.score", lambda *_: 1 / 0)
    done = rebench("eval", "-m", "bm25", "-t", beir)
    assert done.code == 1
    assert "ZeroDivisionError" in done.err


def test_ctrl_c_keeps_what_is_finished(beir: Path, tmp_path: Path):
    """A real SIGINT in the second task: the first stays, the same command goes on from there."""
    environment = {**os.environ, "REBENCH_RESULTS": str(tmp_path / "measured")}
    probe = (
        "import signal, sys, time\n"
        # A shell's background jobs start with SIGINT ignored, and so would this one.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import harness.evaluate as evaluate\n"
        "from harness.cli.main import main\n"
        "real = evaluate.score\n"
        "calls = []\n"
        "def slow(*arguments):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 2:\n"
        "        print('second', flush=True)\n"
        "        time.sleep(60)\n"
        "    return real(*arguments)\n"
        "evaluate.score = slow\n"
        f"sys.argv = ['rebench', 'eval', '-m', 'bm25,bm25-bow', '-t', {str(beir)!r}]\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", probe],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "second\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    kept = ResultStore(tmp_path / "measured").entries().entries
    assert [entry.model for entry in kept] == ["bm25"]
