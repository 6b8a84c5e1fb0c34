"""The two workflows of docs/host-a-board.md: their rights, and their shell steps run for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundles import bundle_of, file_name
from harness.core.files import write_atomic
from results.bundle import pack
from results.store import ResultStore
from tests.helpers.bundle_cases import sample_bundle
from tests.helpers.documents import ROOT, code_blocks


@pytest.fixture(scope="module")
def workflows() -> dict[str, dict[str, Any]]:
    blocks = code_blocks(ROOT / "docs" / "host-a-board.md")
    read = [yaml.safe_load(block.text) for block in blocks if block.language == "yaml"]
    return {each["name"]: each for each in read}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Return a repository with judgements, one bundle and one commit."""
    mine = ResultStore(tmp_path / "mine")
    bundle = sample_bundle(mine.root)
    (tmp_path / "repository").mkdir()
    repository = tmp_path / "repository"
    (mine.root / "judgements").rename(repository / "made")
    (repository / "board").mkdir()
    (repository / "made").rename(repository / "board" / "judgements")
    write_atomic(repository / "bundles" / file_name(bundle), pack(bundle))
    git(repository, "init", "-q")
    commit(repository)
    return repository


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    command = ["git", *who, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def run_steps(workflow: dict[str, Any], folder: Path, base: str = "") -> str:
    """Run a workflow's shell steps but the installation; return the name of the first to fail."""
    (job,) = workflow["jobs"].values()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for step in job["steps"]:
        if "run" not in step or step["name"] == "Install":
            continue
        env = {**os.environ, "PATH": path, "BASE": base}
        shell = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
        done = subprocess.run(shell, cwd=folder, env=env, capture_output=True, check=False)
        if done.returncode:
            return str(step["name"])
    return ""


def test_a_strangers_proposal_runs_without_rights(workflows: dict[str, dict[str, Any]]):
    triggers = {name: each[True] for name, each in workflows.items()}  # YAML 1.1 reads `on` so
    assert triggers == {"check": "pull_request", "publish": {"push": {"branches": ["main"]}}}
    assert workflows["check"]["permissions"] == {"contents": "read"}
    for workflow in workflows.values():
        (job,) = workflow["jobs"].values()
        assert "permissions" not in job
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert "secrets." not in str(step)


def test_the_steps_pass_a_new_bundle_and_refuse_all_else(
    workflows: dict[str, dict[str, Any]], board: Path, tmp_path: Path
):
    base = git(board, "rev-parse", "HEAD")
    (there,) = (board / "bundles").iterdir()
    store = ResultStore(tmp_path / "mine")
    (entry,) = store.entries().entries
    again = bundle_of(store, entry)
    new = board / "bundles" / f"again.{file_name(again)}"
    write_atomic(new, pack(again))
    commit(board)
    assert run_steps(workflows["check"], board, base) == ""
    assert run_steps(workflows["publish"], board) == ""
    assert "org/m" in (board / "site" / "index.html").read_text(encoding="utf-8")
    git(board, "clean", "-qfd")
    new.write_bytes(new.read_bytes()[:-9])
    commit(board)
    assert run_steps(workflows["check"], board, base) == "Every run is scored again"
    there.unlink()
    commit(board)
    assert run_steps(workflows["check"], board, base) == "Only bundles are added"
    git(board, "reset", "-q", "--hard", base)
    (board / "board" / "note.txt").write_text("x", encoding="utf-8")
    commit(board)
    assert run_steps(workflows["check"], board, base) == "Only bundles are added"
