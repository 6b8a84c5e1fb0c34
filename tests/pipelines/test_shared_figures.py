"""Known figures of the real runs on BRIGHT, on a machine that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.types import Run, Task
from harness.data.bright_tasks import TASKS
from harness.data.registry import TaskOptions, group_members, load_task
from harness.data.trec import read_run
from harness.metrics.floor import floor
from harness.metrics.names import parse_metric
from harness.metrics.score import score
from harness.pipelines.fusion import Fusion, FusionSettings, fuse_runs

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RUNS = SHARED / "runs"

pytestmark = pytest.mark.skipif(
    not RUNS.is_dir(), reason="needs the real runs, which are on another machine"
)


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    options = TaskOptions(data_dir=SHARED / "bright", with_corpus=False)
    return {name: load_task(name, options) for name in group_members("bright")}


@pytest.fixture(scope="module")
def runs() -> tuple[dict[str, Run], dict[str, Run]]:
    names = group_members("bright")
    one, other = RUNS / "reasonir-8b-gpt4-queries", RUNS / "rader-gte-qwen2-7b-gpt4-queries"
    return (
        {name: read_run(one / f"{name}.trec.gz") for name in names},
        {name: read_run(other / f"{name}.score.json.gz") for name in names},
    )


def macro(runs: dict[str, Run], tasks: dict[str, Task], metric: str) -> float:
    values = [
        score(runs[name], task.qrels, (parse_metric(metric),)).means[metric]
        for name, task in tasks.items()
    ]
    return 100 * sum(values) / len(values)


def test_the_parts_and_the_ceilings(runs, tasks: dict[str, Task]):
    reasonir, rader = runs
    assert macro(reasonir, tasks, "ndcg@10") == pytest.approx(30.59, abs=0.005)
    assert macro(rader, tasks, "ndcg@10") == pytest.approx(31.78, abs=0.005)
    for depth, ceiling in ((10, 40.41), (20, 49.17), (100, 71.54)):
        assert macro(reasonir, tasks, f"ceiling@{depth}") == pytest.approx(ceiling, abs=0.005)


def test_fusing_them_by_scores_gains_over_five_points_and_by_ranks_less(runs, tasks):
    means = {}
    for method in ("rrf", "wsum"):
        fusion = Fusion.of(FusionSettings(method=method), 2)
        fused = {name: fuse_runs([run[name] for run in runs], fusion, 1000).run for name in tasks}
        means[method] = macro(fused, tasks, "ndcg@10")
    assert means["rrf"] == pytest.approx(34.87, abs=0.005)
    assert means["wsum"] == pytest.approx(37.29, abs=0.005)


def test_the_floors_are_those_written_down(tasks: dict[str, Task]):
    long = {
        name: load_task(name, TaskOptions(data_dir=SHARED / "bright", with_corpus=False))
        for name in group_members("bright-long")
    }
    found = {
        name: floor(task.qrels, task.excluded).means["ndcg@10"]
        for name, task in {**tasks, **long}.items()
    }
    assert {name: round(value, 4) for name, value in found.items()} == {
        name: TASKS[name].floor for name in found
    }
    assert found["pony"] > 0.9
    assert 100 * sum(found[name] for name in tasks) / len(tasks) == pytest.approx(9, abs=0.5)
