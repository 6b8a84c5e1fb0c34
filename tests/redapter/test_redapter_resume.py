"""Killed and resumed runs end bit for bit where an uninterrupted one does (CPU, float32)."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from redapter.checkpoints import MARKER
from tests.helpers.tiny_backbones import make_backbone
from tests.helpers.train_cases import write_training_rows
from tests.helpers.train_driver import Commands

RECIPE = """
name = "tiny"
[model]
base = {base}
pooling = "mean"
[lora]
rank = 4
dropout = 0.2
targets = ["query", "value", "dense"]
[loss]
kind = "{kind}"
warmup_steps = 3
[data]
path = {data}
max_query_length = 16
max_passage_length = 16
max_reasoning_length = 24
[batch]
size = 4
group_size = 4
mini_batch = {mini_batch}
[train]
device = "cpu"
epochs = 3
learning_rate = 3e-3
save_steps = 4
threads = 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    make_backbone(folder / "bert", "bert", dropout=0.1)
    write_training_rows(folder / "rows.jsonl", rows=17)
    for kind, mini_batch in (("redapter", 0), ("shuffled", 5)):
        (folder / f"{kind}.toml").write_text(
            RECIPE.format(
                base=json.dumps(str(folder / "bert")),
                data=json.dumps(str(folder / "rows.jsonl")),
                kind=kind,
                mini_batch=mini_batch,
            )
        )
    return folder


@pytest.fixture(scope="module")
def rebench_train(place) -> Iterator[Commands]:
    """Return a function that runs `rebench train ARGS…` in a process of its own."""
    with Commands(place) as commands:
        yield commands


def without_times(log: Path) -> list[dict]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    moving = ("seconds", "tokens_per_s", "memory_gib", "checksum")
    return [{key: value for key, value in line.items() if key not in moving} for line in lines]


@pytest.mark.parametrize("kind", ["redapter", "shuffled"])
def test_killed_twice_and_resumed_equals_never_killed(rebench_train, place, kind):
    straight, broken = place / f"{kind}-straight", place / f"{kind}-broken"
    done = rebench_train(f"{kind}.toml", "-o", str(straight))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(straight / "model")

    killed = rebench_train(f"{kind}.toml", "-o", str(broken), DIE_AT_STEP="6")
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in broken.glob("checkpoint-*")] == ["checkpoint-4"]

    killed = rebench_train(f"{kind}.toml", "-o", str(broken), "--resume", DIE_IN_SAVE="8")
    assert killed.returncode == -signal.SIGKILL
    assert not (broken / "checkpoint-8" / MARKER).exists()

    resumed = rebench_train(f"{kind}.toml", "-o", str(broken), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "going on from" in resumed.stderr
    assert "checkpoint-4" in resumed.stderr
    for name in ("model.safetensors", "tokenizer.json", "rebench-card.toml"):
        assert (broken / "model" / name).read_bytes() == (straight / "model" / name).read_bytes()
    assert without_times(broken / "log.jsonl") == without_times(straight / "log.jsonl")
    assert len(without_times(straight / "log.jsonl")) == 12


def test_what_the_command_line_refuses(rebench_train, place):
    used = place / "refused"
    used.mkdir()
    (used / "run.json").write_text("{}")
    for arguments, said in (
        (("nowhere.toml",), "no recipe at nowhere.toml"),
        (("redapter.toml", "--set", "loss.kapa=1"), "Did you mean loss.kappa"),
        (("redapter.toml", "--data", "absent.jsonl"), "no training data at absent.jsonl"),
        (("redapter.toml", "-o", str(used)), "holds a run already"),
    ):
        done = rebench_train(*arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_show_prints_the_recipe_and_stops(rebench_train, place):
    done = rebench_train("demo", "--show", "--data", "a b.jsonl", "--set", "loss.kappa=0")
    shown = json.loads(done.stdout)
    assert shown["data"]["path"] == "a b.jsonl"
    assert shown["loss"]["kappa"] == 0
    assert not (place / "trained").exists()
