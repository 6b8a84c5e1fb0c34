"""A task with aspects from its files to the leaderboard: stored, verified, shown, compared."""

from pathlib import Path

import pytest

from tests.helpers import ground_layouts as layouts

STORED = {"alpha-ndcg@10", "alpha-ndcg@25", "aspect-recall@10", "aspect-recall@25"}


@pytest.fixture
def task(tmp_path: Path) -> str:
    folder = tmp_path / "Bright-Pro"
    layouts.bright_pro(folder)
    return f"{folder}#biology"


def test_metrics_of_aspects_are_stored_verified_and_shown(rebench, task, beir):
    (measured,) = rebench("eval", "-m", "bm25", "-t", task, "--json").json
    assert set(measured["metrics"]) >= STORED
    rebench("eval", "-m", "bm25", "-t", beir)
    assert rebench("verify").code == 0
    (board,) = rebench(
        "leaderboard", "--measured", "--metric", "aspect-recall@5", "--format", "json"
    ).json
    assert board["group"] == "Bright-Pro#biology"
    assert board["rows"][0]["values"] == {"Bright-Pro#biology": pytest.approx(0.875)}
    board = rebench("leaderboard", "--measured", "--columns", "+alpha-ndcg@25").out
    assert "alpha-nDCG@25" in board


def test_a_task_without_aspects_is_told(rebench, beir):
    rebench("eval", "-m", "bm25,wordllama", "-t", beir)
    told = rebench("compare", "bm25", "wordllama", "--metric", "alpha-ndcg@25")
    assert told.code == 2
    assert "alpha-ndcg@25 is for tasks whose documents have aspects, and tides has none" in told.err


def test_exports_leave_out_what_they_cannot_hold(rebench, task, tmp_path):
    rebench("eval", "-m", "bm25", "-t", task)
    for layout in ("mteb", "bright", "qrels"):
        assert rebench("export", "--format", layout, "-o", tmp_path / layout).code == 0
