"""The schedule `warmup-decay`: by a formula written apart, by DeepSpeed's class, and in a run."""

from __future__ import annotations

import math
import shutil

import pytest
import torch

from harness.core.progress import SilentReporter
from redapter.schedule import WarmupDecay
from redapter.steplog import read_log
from redapter.train import train
from tests.helpers.tiny_backbones import make_backbone
from tests.helpers.train_cases import small_recipe, write_training_rows

PEAK = 1e-4
STEPS = 1300
SIZES = [(130, 1300), (2, 40), (1, 40), (40, 40), (60, 40), (3, 4)]


def by_hand(k: int, warmup: int, total: int) -> float:
    """Return the learning rate of step k, from 1."""
    if k == 1:
        return 0.0
    i = k - 2
    if i < max(2, warmup):
        return PEAK * math.log(i + 1) / math.log(max(2, warmup))
    return PEAK * max(0.0, (total - i) / max(1, total - max(2, warmup)))


def rates(schedule, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    """Return the learning rate of each step of a toy optimizer."""
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def toy() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))], lr=PEAK)


def ours(warmup: int, total: int) -> list[float]:
    optimizer = toy()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, WarmupDecay(warmup, total).share)
    return rates(schedule, optimizer, total)


@pytest.mark.parametrize(("warmup", "total"), SIZES)
def test_it_is_the_formula(warmup, total):
    expected = [by_hand(k, warmup, total) for k in range(1, total + 1)]
    assert ours(warmup, total) == pytest.approx(expected, rel=1e-14, abs=1e-20)


@pytest.mark.parametrize(("warmup", "total"), SIZES)
def test_it_is_deepspeeds_class(warmup, total):
    schedules = pytest.importorskip(
        "deepspeed.runtime.lr_schedules", reason="deepspeed is not installed"
    )
    optimizer = toy()
    reference = schedules.WarmupDecayLR(
        optimizer, total, warmup_max_lr=PEAK, warmup_num_steps=warmup
    )
    expected = rates(reference, optimizer, total)
    assert ours(warmup, total) == pytest.approx(expected, rel=1e-14, abs=1e-20)


def test_its_marks():
    seen = ours(130, STEPS)
    assert seen[:2] == [0.0, 0.0]
    assert max(seen) == pytest.approx(PEAK)
    assert seen.index(max(seen)) + 1 == 131  # i = 129: ln 130 / ln 130
    assert seen[9] / PEAK == pytest.approx(math.log(9) / math.log(130))
    assert seen[-1] == pytest.approx(PEAK * 2 / 1170)


def test_a_run_follows_it_and_so_does_a_resumed_one(tmp_path):
    base = make_backbone(tmp_path / "base", "bert")
    rows = write_training_rows(tmp_path / "rows.jsonl", rows=16, tasks=1)
    recipe = small_recipe(
        base, rows, train={"scheduler": "warmup-decay", "warmup_ratio": 0.5, "save_steps": 3}
    )
    output = tmp_path / "run"
    done = train(recipe, output, SilentReporter())
    log = read_log(output / "log.jsonl")
    assert len(log) == done.steps == 8
    expected = [WarmupDecay(4, 8).share(made) * 1e-3 for made in range(8)]
    assert [line["learning_rate"] for line in log] == pytest.approx(expected, rel=1e-6)
    before = (done.model / "model.safetensors").read_bytes()
    for folder in (done.model, output / "checkpoint-8"):
        shutil.rmtree(folder)
    train(recipe, output, SilentReporter(), resume=True)
    assert (done.model / "model.safetensors").read_bytes() == before
