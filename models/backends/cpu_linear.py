"""Linear layers on a CPU through oneDNN, where PyTorch itself would call a slower library."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from models.devices import usable_cores

if TYPE_CHECKING:
    from torch import Tensor, nn

PROBE_TOLERANCE = 1e-4
"""Largest difference to the plain layer on the probe, relative to its largest output."""


def speed_up(model: nn.Module) -> int:
    """Let a model's linear layers compute with oneDNN; returns how many do.

    PyTorch sends float32 products to MKL, which on AMD processors leaves AVX-512 unused
    (measured: benchmarks/cpu_encode.py); oneDNN does not, and both sum in float32. Weights stay
    where they are. Nothing is changed off x86, without the operator, for types other than float32
    and bfloat16, or where a probe of the first layer comes out different.
    """
    from torch import bfloat16, float32, nn

    class OneDnnLinear(nn.Linear):
        """A linear layer whose product oneDNN computes."""

        def forward(self, input: Tensor) -> Tensor:
            """Return `input @ weight.T + bias` in the weight's type."""
            return _product(input.to(self.weight.dtype), self.weight, self.bias)

    layers = [layer for layer in model.modules() if type(layer) is nn.Linear]
    usable = [layer for layer in layers if layer.weight.dtype in (float32, bfloat16)]
    if not usable or platform.machine() not in ("x86_64", "AMD64") or not _agrees(usable[0]):
        return 0
    for layer in usable:
        layer.__class__ = OneDnnLinear
    return len(usable)


def lower_weights(model: nn.Module) -> None:
    """Keep the weights of a float32 model's linear layers in bfloat16.

    Meant for use under `torch.autocast`: products are bfloat16, while embeddings, norms and the
    sums between layers stay float32. That costs no time here and halves the error of a model
    that is bfloat16 throughout (MiniLM, 150 documents: 1 - cosine 1.4e-5 against 3.7e-5).
    """
    from torch import bfloat16, nn

    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.to(bfloat16)


def limit_threads() -> None:
    """Keep torch to the cores this process may use, unless OMP_NUM_THREADS says otherwise.

    In a container torch counts the machine's cores, and threads that wait for each other on too
    few of them cost more than they bring.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))


def _product(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return oneDNN's product; the operator is the one torch's own compiler emits on a CPU."""
    import torch

    product: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return product


def _agrees(layer: nn.Linear) -> bool:
    """Tell whether the operator exists and gives what the plain layer gives."""
    import torch

    probe = torch.linspace(-1, 1, 3 * layer.in_features, dtype=layer.weight.dtype)
    probe = probe.view(1, 3, layer.in_features)
    tolerance = PROBE_TOLERANCE if layer.weight.dtype == torch.float32 else 2e-2
    with torch.inference_mode():
        wanted = layer(probe)
        try:
            found = _product(probe, layer.weight, layer.bias)
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
        return bool((found - wanted).abs().max() <= tolerance * wanted.abs().max().clamp(min=1e-6))
