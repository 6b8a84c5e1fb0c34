"""Which library multiplies fastest on this processor: measured when a model is loaded, not assumed.

On an AMD EPYC oneDNN was 2.5 times as fast as what PyTorch calls by itself, and bfloat16 1.5 times
as fast again; on an Intel Xeon without AMX both libraries were alike and bfloat16 slower. So a
linear layer of usual size is timed in each way for about a tenth of a second.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.devices import CPU, limit_threads

if TYPE_CHECKING:
    from torch import Tensor

AUTO = "auto"
"""The number format that is chosen by measuring."""

MARGIN = 1.1
"""PyTorch's own library is taken only if it is so much faster: near ties the choice never moves."""

WORTH_ROUNDING = 1.2
"""`auto` computes in bfloat16 only if that is so much faster: it costs digits."""

TOKENS, WIDTH, INNER = 256, 384, 1536
"""The layer that is timed: a small batch through the wider half of a MiniLM block."""
ROUNDS = 5

PLAIN, ONEDNN, LOWER = "torch, float32", "oneDNN, float32", "bfloat16"


@dataclass(frozen=True, slots=True)
class CpuSpeeds:
    """Linear layers on this processor, in 10^9 floating-point operations a second.

    `torch` and `onednn` are float32, 0 for a library that is not there; `bfloat16` is oneDNN's, or
    PyTorch's own where oneDNN has none (on processors without AVX-512).
    """

    torch: float
    onednn: float
    bfloat16: float

    @property
    def float32(self) -> float:
        """Return the faster of the two libraries in float32."""
        return max(self.torch, self.onednn)

    @property
    def prefers_torch(self) -> bool:
        """Tell whether PyTorch's own library is clearly the faster one in float32."""
        return self.torch > MARGIN * self.onednn

    @property
    def dtype(self) -> str:
        """Return the number format that `auto` stands for on this processor."""
        faster = self.bfloat16 > WORTH_ROUNDING * self.float32
        return "bfloat16" if faster else "float32"


@lru_cache(maxsize=1)
def cpu_speeds() -> CpuSpeeds:
    """Return the speeds of this processor, measured once a process."""
    limit_threads()
    return measured_speeds(time.perf_counter)


def measured_speeds(clock: Callable[[], float]) -> CpuSpeeds:
    """Time a linear layer in each way, in turn, and return the best of `ROUNDS` of each."""
    import torch
    from torch.nn.functional import linear

    values, weight = torch.ones(TOKENS, WIDTH), torch.full((INNER, WIDTH), 0.5)
    bias = torch.zeros(INNER)
    ways: dict[str, Callable[[], object]] = {PLAIN: lambda: linear(values, weight, bias)}
    lower = (values.bfloat16(), weight.bfloat16(), bias.bfloat16())
    best: dict[str, float] = {}
    with torch.inference_mode():
        if _works(lambda: onednn_product(values, weight, bias)):
            ways[ONEDNN] = lambda: onednn_product(values, weight, bias)
        if _works(lambda: onednn_product(*lower)):
            ways[LOWER] = lambda: onednn_product(*lower)
        else:
            ways[LOWER] = lambda: linear(*lower)
        ways[PLAIN]()  # what a first call lays out is not timed
        for _ in range(ROUNDS):
            for name, call in ways.items():
                start = clock()
                call()
                seconds = clock() - start
                best[name] = min(best.get(name, seconds), seconds)
    work = 2.0 * TOKENS * WIDTH * INNER / 1e9
    speed = {name: work / max(seconds, 1e-9) for name, seconds in best.items()}
    return CpuSpeeds(*(speed.get(name, 0.0) for name in (PLAIN, ONEDNN, LOWER)))


def _works(call: Callable[[], object]) -> bool:
    """Tell whether a product can be computed here; does so once."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        call()
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return True


def onednn_product(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return oneDNN's product; the operator is the one torch's own compiler emits on a CPU."""
    import torch

    product: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return product


def auto_dtype(device: str, card_dtype: str) -> str:
    """Return the number format that `--dtype auto` stands for on a device.

    On a CPU bfloat16 if it is measured to be clearly faster than float32, else float32. Elsewhere
    the card's, or bfloat16 where the GPU has it, or float16.
    """
    if device == CPU:
        return cpu_speeds().dtype
    if card_dtype:
        return card_dtype
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float16"


def slower_note(name: str, speeds: CpuSpeeds) -> str:
    """Return what to say of a model that computes in bfloat16 on this processor; empty: nothing."""
    if speeds.bfloat16 >= speeds.float32:
        return ""
    return (
        f"{name} computes in bfloat16, which is slower on this processor than float32 (linear "
        f"layers: {speeds.bfloat16:.0f} against {speeds.float32:.0f} GFLOP/s) and rounds more: "
        "leave --dtype out, or say --dtype auto"
    )
