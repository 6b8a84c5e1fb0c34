"""Linear layers on a CPU through oneDNN, where PyTorch itself would call a slower library."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from models.backends.cpu_kernels import cpu_speeds, onednn_product

if TYPE_CHECKING:
    from torch import Tensor, nn

PROBE_TOLERANCE = 1e-4
"""Largest difference to the plain layer on the probe, relative to its largest output."""


def speed_up(model: nn.Module) -> int:
    """Let a model's linear layers compute with oneDNN; returns how many do.

    PyTorch sends float32 products to MKL, which on AMD processors leaves AVX-512 unused
    (measured: benchmarks/cpu_encode.py); oneDNN does not, and both sum in float32. Weights stay
    where they are. Nothing is changed off x86, without the operator, for types other than float32
    and bfloat16, where a probe of the first layer comes out different, or for float32 layers where
    PyTorch's own library is measured to be faster (`cpu_kernels`).
    """
    from torch import bfloat16, float32, nn

    class OneDnnLinear(nn.Linear):
        """A linear layer whose product oneDNN computes."""

        def forward(self, input: Tensor) -> Tensor:
            """Return `input @ weight.T + bias` in the weight's type."""
            return onednn_product(input.to(self.weight.dtype), self.weight, self.bias)

    layers = [layer for layer in model.modules() if type(layer) is nn.Linear]
    usable = [layer for layer in layers if layer.weight.dtype in (float32, bfloat16)]
    if not usable or platform.machine() not in ("x86_64", "AMD64") or not _agrees(usable[0]):
        return 0
    if cpu_speeds().prefers_torch:
        usable = [layer for layer in usable if layer.weight.dtype == bfloat16]
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


def _agrees(layer: nn.Linear) -> bool:
    """Tell whether the operator exists and gives what the plain layer gives."""
    import torch

    probe = torch.linspace(-1, 1, 3 * layer.in_features, dtype=layer.weight.dtype)
    probe = probe.view(1, 3, layer.in_features)
    tolerance = PROBE_TOLERANCE if layer.weight.dtype == torch.float32 else 2e-2
    with torch.inference_mode():
        wanted = layer(probe)
        try:
            found = onednn_product(probe, layer.weight, layer.bias)
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
        return bool((found - wanted).abs().max() <= tolerance * wanted.abs().max().clamp(min=1e-6))
