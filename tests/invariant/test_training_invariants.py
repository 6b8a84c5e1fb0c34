"""Settings that must not change a run give its loss curve and weights, through the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tiny_backbones import make_backbone
from tests.helpers.train_cases import write_training_rows
from tests.helpers.train_driver import Commands

RECIPE = """
name = "tiny"
[model]
base = "bert"
pooling = "mean"
[lora]
rank = 4
dropout = 0.0
targets = ["query", "value", "dense"]
[loss]
kind = "redapter"
warmup_steps = 2
[data]
path = "rows.jsonl"
max_query_length = 16
max_passage_length = 16
max_reasoning_length = 24
[batch]
size = 4
devices = 2
group_size = 4
[train]
device = "cpu"
epochs = 4
learning_rate = 2e-3
save_steps = 0
threads = 1
"""
VARIANTS: dict[str, tuple[int, list[str]]] = {
    "two processes": (2, []),
    "two processes, gradient caching": (2, ["--set", "batch.mini_batch=3"]),
    "gradient caching": (1, ["--set", "batch.mini_batch=3"]),
    "checkpointed activations": (1, ["--set", "model.gradient_checkpointing=true"]),
    "one device with twice the batch": (1, ["--set", "batch.size=8", "--set", "batch.devices=1"]),
    "tokenising ahead": (1, ["--set", "train.workers=1"]),
    "no padding to eights": (1, ["--set", "batch.pad_to_multiple_of=0"]),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("invariant")
    make_backbone(folder / "bert", "bert")
    write_training_rows(folder / "rows.jsonl", rows=32)
    (folder / "tiny.toml").write_text(RECIPE)
    with Commands(folder) as started:
        yield started


def curve(folder: Path, key: str) -> np.ndarray:
    steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return np.array([step[key] for step in steps if key in step])


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model" / "model.safetensors")


@pytest.fixture(scope="module")
def reference(commands) -> Path:
    done = commands("tiny.toml", "-o", "reference")
    assert done.returncode == 0, done.stderr
    return commands.folder / "reference"


@pytest.mark.parametrize("name", VARIANTS)
def test_the_curve_stays(commands, reference, name):
    processes, settings = VARIANTS[name]
    output = name.replace(" ", "-").replace(",", "")
    done = commands("tiny.toml", "-o", output, *settings, processes=processes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{output}/model"
    folder = commands.folder / output
    for key in ("loss", "ri_mean", "ess", "grad_norm", "tokens"):
        expected, found = curve(reference, key), curve(folder, key)
        # No reasoning is embedded in the warm-up, so its two steps have no intensity.
        assert len(found) == (14 if key == "ri_mean" else 16)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4, err_msg=key)
        drift = float(np.mean(found - expected)) / float(np.mean(np.abs(expected)))
        assert abs(drift) < 5e-4, key
    before, after = weights(reference), weights(folder)
    assert before.keys() == after.keys()
    for key, expected in before.items():
        np.testing.assert_allclose(after[key], expected, atol=2e-4, err_msg=key)


def test_a_setting_that_counts_moves_the_curve(commands, reference):
    """The comparison above can tell: a low kappa changes what is minimised, from the warm-up on."""
    done = commands("tiny.toml", "-o", "kappa", "--set", "loss.kappa=0.2")
    assert done.returncode == 0, done.stderr
    expected, found = curve(reference, "loss"), curve(commands.folder / "kappa", "loss")
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-5)
    assert np.abs(found[2:] - expected[2:]).max() > 0.02


def test_a_step_must_divide_over_the_processes(commands):
    done = commands("tiny.toml", "-o", "odd", processes=3)
    assert done.returncode == 2
    assert "does not divide over 3 processes" in done.stderr
