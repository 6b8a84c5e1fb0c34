"""An ablation killed within a run goes on there and ends as one that was never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOVING = ("train_seconds", "measure_seconds", "reused")


def lasting(values: dict) -> dict:
    """Return a report's JSON without times and the command."""
    runs = [{k: v for k, v in run.items() if k not in MOVING} for run in values["runs"]]
    return {**values, "runs": runs, "command": []}


def weights(root: Path) -> dict[str, bytes]:
    """Return the weights of every finished run."""
    found = root.glob("runs/*/model/model.safetensors")
    return {path.parent.parent.name: path.read_bytes() for path in found}


def test_killed_in_the_third_of_four_runs(finished, ablate, tmp_path):
    root, store = tmp_path / "out", tmp_path / "results"
    arguments = [str(finished.file), "-o", str(root), "--results", str(store)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "DIE_IN_RUN": "3",
        "DIE_AT_STEP": "5",
    }
    command = [sys.executable, "-m", "tests.helpers.ablation_driver", *arguments]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = {path.parent.name: path.stat().st_mtime_ns for path in root.glob("runs/*/model")}
    assert len(before) == 2
    (begun,) = [path for path in root.glob("runs/*") if not (path / "model").exists()]
    assert sorted(path.name for path in begun.glob("checkpoint-*")) == [
        "checkpoint-2", "checkpoint-4",
    ]  # fmt: skip

    done = ablate(*arguments)
    assert done.code == 0, done.err
    assert "going on from" in done.err
    after = {path.parent.name: path.stat().st_mtime_ns for path in root.glob("runs/*/model")}
    assert len(after) == 4
    assert before.items() <= after.items()
    assert weights(root) == weights(finished.root)
    values = json.loads((root / "report.json").read_text())
    assert lasting(values) == lasting(finished.values)
    assert sorted(run["reused"] for run in values["runs"]) == [False, False, True, True]
