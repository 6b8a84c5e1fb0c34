"""Kernels are chosen by measuring: a clock of our own says which is faster."""

from __future__ import annotations

import platform
from itertools import cycle

import pytest

torch = pytest.importorskip("torch")

from harness.core.errors import BadInput  # noqa: E402
from models.backends import cpu_kernels, cpu_linear, local  # noqa: E402
from models.backends.cpu_kernels import (  # noqa: E402
    INNER,
    TOKENS,
    WIDTH,
    CpuSpeeds,
    auto_dtype,
    measured_speeds,
)
from models.registry import make_embedder, resolve_model  # noqa: E402
from models.spec import LoadOptions  # noqa: E402

WORK = 2 * TOKENS * WIDTH * INNER / 1e9
X86 = platform.machine() in ("x86_64", "AMD64")

TORCH_FASTER = CpuSpeeds(torch=60.0, onednn=50.0, bfloat16=40.0)
LOWER_FASTER = CpuSpeeds(torch=30.0, onednn=60.0, bfloat16=90.0)
ALIKE = CpuSpeeds(torch=52.0, onednn=50.0, bfloat16=55.0)


class Clock:
    """Tells times by which the calls take the given seconds, in turn."""

    def __init__(self, *seconds: float) -> None:
        self._steps = cycle(step for each in seconds for step in (0.0, each))
        self._now = 0.0

    def __call__(self) -> float:
        self._now += next(self._steps)
        return self._now


def assume(monkeypatch: pytest.MonkeyPatch, speeds: CpuSpeeds) -> None:
    for module in (cpu_kernels, cpu_linear, local):
        monkeypatch.setattr(module, "cpu_speeds", lambda: speeds)


@pytest.mark.skipif(not X86, reason="oneDNN is used on x86 only")
def test_speeds_are_work_over_time():
    found = measured_speeds(Clock(0.004, 0.002, 0.001))
    assert found.torch == pytest.approx(WORK / 0.004)
    assert found.onednn == pytest.approx(WORK / 0.002)
    assert found.bfloat16 == pytest.approx(WORK / 0.001)


def test_a_processor_without_onednn_is_measured_in_what_it_has(monkeypatch):
    monkeypatch.setattr(cpu_kernels.platform, "machine", lambda: "aarch64")
    found = measured_speeds(Clock(0.004, 0.008))
    assert (found.onednn, found.float32) == (0.0, found.torch)
    assert found.bfloat16 == pytest.approx(WORK / 0.008)
    assert found.prefers_torch


@pytest.mark.parametrize(
    ("speeds", "dtype", "plain"),
    [(TORCH_FASTER, "float32", True), (LOWER_FASTER, "bfloat16", False), (ALIKE, "float32", False)],
)
def test_each_way_is_chosen_where_it_is_clearly_faster(monkeypatch, speeds, dtype, plain):
    assume(monkeypatch, speeds)
    assert auto_dtype("cpu", "float16") == dtype
    assert speeds.prefers_torch is plain
    layers = torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.Linear(96, 32))
    assert cpu_linear.speed_up(layers) == (2 if X86 and not plain else 0)


def test_auto_on_a_gpu_is_the_cards(monkeypatch):
    assert auto_dtype("cuda", "float16") == "float16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for has, dtype in ((True, "bfloat16"), (False, "float16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert auto_dtype("cuda", "") == dtype


@pytest.mark.parametrize(
    ("speeds", "dtype"), [(TORCH_FASTER, "float32"), (LOWER_FASTER, "bfloat16")]
)
def test_auto_is_settled_before_identity_and_space(monkeypatch, speeds, dtype):
    assume(monkeypatch, speeds)
    options = LoadOptions(device="cpu", dtype="auto")
    embedder = make_embedder(resolve_model("minilm", options, {}))
    assert embedder.identity["dtype"] == dtype
    assert embedder.space("query", "").dtype == dtype


def test_the_default_stays_as_it_is(monkeypatch):
    assume(monkeypatch, LOWER_FASTER)
    embedder = make_embedder(resolve_model("minilm", LoadOptions(device="cpu"), {}))
    assert embedder.identity["dtype"] == "float32"
    with pytest.raises(BadInput, match="auto"):
        make_embedder(resolve_model("minilm", LoadOptions(device="cpu", dtype="int4"), {}))
