"""Reasoning intensity and the weights it gives: pure functions on tensors, none with gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redapter.options import LossOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor

EPSILON = 1e-6
"""Added to the reasoning loss before dividing (released code)."""


def reasoning_intensity(loss: Tensor, reasoning_loss: Tensor, kappa: float) -> Tensor:
    """Return how much harder each query is without its reasoning: `[B]`, 0 to `kappa`.

    `min(L_q / (L_q' + 1e-6), kappa)`, floor 0, as the released code computes it; both losses are
    `[B]` in nats and lose their gradient here. `kappa` 0 means no cap. Finite where L_q' is 0.
    """
    ratio = loss.detach() / (reasoning_loss.detach() + EPSILON)
    return ratio.clamp(min=0.0, max=kappa or None)


def normalized(raw: Tensor) -> Tensor:
    """Return `[B]` divided by its sum; uniform where every value is 0 (no gradient is lost)."""
    total = raw.sum()
    uniform = raw.new_full(raw.shape, 1.0 / max(raw.numel(), 1))
    safe = total.where(total > 0, total.new_tensor(1.0))
    return uniform.where(total <= 0, raw / safe)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the weights of one step are made from; every tensor is `[B]` over the global batch.

    `loss` is that of the plain query, `reasoning_loss` that of the reasoning-augmented one,
    `difficulty` (0 or more) what the rows bring along. `step` counts the forward passes with
    gradient before this one; `generator` deals the `shuffled` control its order and must be in
    the same state on every process.
    """

    loss: Tensor
    reasoning_loss: Tensor | None
    difficulty: Tensor | None
    step: int
    generator: torch.Generator


def sample_weights(evidence: Evidence, options: LossOptions) -> Tensor:
    """Return what each query's loss is multiplied with before the sum: `[B]`, no gradient.

    The weights add up to 1 unless `options.normalize` is off. Before `options.warmup_steps`
    forward passes, and for plain InfoNCE, each is 1/B. Raises `ValueError` when the kind of loss
    needs evidence that is not there.
    """
    import torch

    size = evidence.loss.numel()
    if options.kind == "infonce" or evidence.step < options.warmup_steps:
        return evidence.loss.new_full((size,), 1.0 / max(size, 1))
    if options.kind == "static":
        if evidence.difficulty is None:
            raise ValueError("static weights need each row's difficulty")
        raw = evidence.difficulty.detach().to(evidence.loss.dtype).clamp(min=0.0)
    else:
        if evidence.reasoning_loss is None:
            raise ValueError(f"{options.kind} weights need the loss of the reasoning query")
        raw = reasoning_intensity(evidence.loss, evidence.reasoning_loss, options.kappa)
    if options.kind == "shuffled":
        order = torch.randperm(size, generator=evidence.generator)
        raw = raw[order.to(raw.device)]
    return normalized(raw) if options.normalize else raw / max(size, 1)


def effective_sample_size(weights: Tensor) -> Tensor:
    """Return Kish's (sum w)^2 / sum w^2, a scalar from 1 (one query counts) to B (all alike)."""
    square = (weights * weights).sum()
    return weights.sum() ** 2 / square.clamp(min=1e-30)
