"""`rebench score`: somebody else's run by the same protocol, without the documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from results.store import ResultStore

RUN = "q1 Q0 moon.txt 1 0.9 x\nq2 Q0 bread 1 1 0.5 x\nq2 Q0 engine 2 0.7 x\n"


def test_trec_run_with_spaces_in_ids(rebench, beir: Path, tmp_path: Path):
    run = tmp_path / "theirs.trec"
    run.write_text(RUN, encoding="utf-8")
    (row,) = rebench("score", run, "--task", beir, "--name", "theirs", "--json").json
    assert (row["model"], row["n_queries"]) == ("theirs", 2)
    # q1: the only gold first. q2: one of two gold documents, at rank 2: DCG 0.6309 of 1.6309.
    assert row["metrics"]["ndcg@10"] == pytest.approx((1 + 0.63093 / 1.63093) / 2, abs=1e-5)
    assert row["metrics"]["mrr"] == pytest.approx(0.75)


def test_score_json_gives_the_same_numbers(rebench, beir: Path, tmp_path: Path):
    trec = tmp_path / "theirs.trec.gz"
    trec.write_bytes(gzip.compress(RUN.encode()))
    scores = {"q1": {"moon.txt": 0.9}, "q2": {"bread 1": 0.5, "engine": 0.7}}
    dictionary = tmp_path / "score.json"
    dictionary.write_text(json.dumps(scores), encoding="utf-8")
    left = rebench("score", trec, "-t", beir, "-n", "a", "--json").json[0]
    right = rebench("score", dictionary, "-t", beir, "-n", "b", "--json").json[0]
    assert left["metrics"] == right["metrics"]


def test_missing_query_counts_zero_and_is_said(rebench, beir: Path, tmp_path: Path):
    run = tmp_path / "half.trec"
    run.write_text("q1 Q0 moon.txt 1 0.9 x\n", encoding="utf-8")
    done = rebench("score", run, "-t", beir, "-n", "half", "--json")
    assert done.json[0]["metrics"]["ndcg@10"] == 0.5
    assert done.json[0]["missing_queries"] == ["q2"]
    assert "'q2'" in done.err


def test_nothing_is_kept_unless_asked(rebench, beir: Path, tmp_path: Path):
    run = tmp_path / "theirs.trec"
    run.write_text(RUN, encoding="utf-8")
    store = ResultStore(tmp_path / "rebench-results")
    rebench("score", run, "-t", beir, "-n", "theirs")
    assert store.entries().entries == ()
    rebench("score", run, "-t", beir, "-n", "theirs", "--record")
    (entry,) = store.entries().entries
    assert entry.model == "theirs"
    assert [row["status"] for row in rebench("verify", "--json").json] == ["match"]


BAD_RUNS = {
    "excluded": ("q1 Q0 q1-itself 1 0.9 x\n", "excludes"),
    "unknown query": ("q9 Q0 engine 1 0.9 x\n", "'q9'"),
    "unknown document": ("q1 Q0 nobody 1 0.9 x\n", "'nobody'"),
    "not finite": ("q1 Q0 engine 1 nan x\n", "line 1"),
    "short line": ("q1 Q0 engine 1 0.9 x\nq1 Q0\n", "line 2"),
    "twice": ("q1 Q0 engine 1 0.9 x\nq1 Q0 engine 2 0.8 x\n", "'engine'"),
    "empty": ("", "holds no ranking"),
    "json that is none": ('{"q1": {"engine": ', "bad.run"),
}


@pytest.mark.parametrize("name", BAD_RUNS)
def test_bad_runs_are_refused_with_the_place(rebench, beir: Path, tmp_path: Path, name: str):
    text, complaint = BAD_RUNS[name]
    run = tmp_path / "bad.run"
    run.write_text(text, encoding="utf-8")
    done = rebench("score", run, "-t", beir, "-n", "bad")
    assert done.code == 2
    assert complaint in done.err
    assert done.out == ""


def test_truncated_gzip_is_named(rebench, beir: Path, tmp_path: Path):
    run = tmp_path / "cut.trec.gz"
    run.write_bytes(gzip.compress((RUN * 999).encode())[:50])
    done = rebench("score", run, "-t", beir, "-n", "cut")
    assert done.code == 2
    assert "cut.trec.gz" in done.err


REASONIR = {
    "biology": 0.43493, "earth_science": 0.42998, "economics": 0.32654, "psychology": 0.39568,
    "robotics": 0.20820, "sustainable_living": 0.27344, "leetcode": 0.31685, "pony": 0.19552,
    "aops": 0.07368, "theoremqa_theorems": 0.36684, "theoremqa_questions": 0.33932,
}  # fmt: skip
"""nDCG@10 of a real system's runs on the short tasks, to five decimals."""


@pytest.mark.parametrize("task", REASONIR)
def test_real_runs_give_their_known_values(rebench, shared_data: Path, task: str):
    run = shared_data / "runs" / "reasonir-8b-gpt4-queries" / f"{task}.trec.gz"
    done = rebench(
        "score", run, "-t", task, "-n", "reasonir", "--data", shared_data / "bright", "--json"
    )
    assert done.code == 0, done.err
    assert round(done.json[0]["metrics"]["ndcg@10"], 5) == REASONIR[task]


def test_a_run_can_be_labelled_with_the_query_set_it_was_made_with(rebench, beir: Path, tmp_path):
    run = tmp_path / "theirs.trec"
    run.write_text(RUN, encoding="utf-8")
    arguments = ("score", run, "-t", beir, "-n", "theirs", "--json")
    (plain,), (labelled,) = (
        rebench(*arguments).json,
        rebench(*arguments, "--made-with", "gpt4").json,
    )
    assert labelled["query_set"] == "gpt4"
    assert labelled["metrics"] == plain["metrics"]
    assert "unknown query set 'gtp4'" in rebench(*arguments, "--made-with", "gtp4").err


def test_headroom_is_told_of_runs_scored_now_and_of_stored_ones(rebench, beir: Path, tmp_path):
    run = tmp_path / "theirs.trec"
    run.write_text(RUN, encoding="utf-8")
    (row,) = rebench("score", run, "--task", beir, "--name", "theirs", "--json").json
    told = row["headroom"]
    assert set(told) == {f"{m}@{d}" for m in ("ceiling", "recall") for d in (10, 20, 50, 100)}
    # One of q2's two documents is there: a perfect order has DCG 1 of 1.6309.
    assert told["ceiling@10"] == pytest.approx((1 + 1 / 1.63093) / 2, abs=1e-5)
    assert told["recall@100"] == 0.75
    (fresh,) = rebench("eval", "--model", "bm25", "--tasks", beir, "--json").json
    (again,) = rebench("eval", "--model", "bm25", "--tasks", beir, "--json").json
    assert again["reused"]
    assert again["headroom"] == pytest.approx(fresh["headroom"])
    assert fresh["headroom"]["ceiling@10"] >= fresh["metrics"]["ndcg@10"] > 0
