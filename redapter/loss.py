"""InfoNCE per query over the passages of the global batch, and its weighted sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redapter.distributed import gather_rows, scaled_for_averaging, world
from redapter.options import LossOptions
from redapter.weights import Evidence, sample_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class StepEmbeddings:
    """One process's share of a step; rows need not be normalised.

    `queries` is `[b, d]` and `passages` `[p, d]`, whose first b rows are the queries' positives in
    order; what follows are negatives in any order. `reasoning` is `[b, d]` or absent, and gets no
    gradient; `difficulty` is `[b]` or absent. b and p are the same on every process.
    """

    queries: Tensor
    passages: Tensor
    reasoning: Tensor | None = None
    difficulty: Tensor | None = None


@dataclass(frozen=True, slots=True)
class StepLoss:
    """The loss of the global batch of B queries and its parts (all but `value` detached).

    `value` is the scalar to call `backward` on; `losses`, `reasoning_losses` (absent when the loss
    reads no reasoning) and `weights` are `[B]` in rank order.
    """

    value: Tensor
    losses: Tensor
    reasoning_losses: Tensor | None
    weights: Tensor


def info_nce(
    queries: Tensor,
    passages: Tensor,
    positives: Tensor,
    temperature: float,
    masked: Tensor | None = None,
) -> Tensor:
    """Return each query's InfoNCE loss in nats: `[B]`, at least 0, float32 or wider.

    `queries` `[B, d]`, `passages` `[P, d]`, `positives` int64 `[B]` (rows of `passages`). Scores
    are cosines over `temperature`; every other passage is a negative unless `masked` `[B, P]` is
    true for it. Computed outside autocast: a bfloat16 cosine over 0.02 is off by up to 0.2.
    """
    import torch
    from torch.nn.functional import cross_entropy, normalize

    with torch.autocast(device_type=queries.device.type, enabled=False):
        wide = torch.promote_types(queries.dtype, torch.float32)
        units = normalize(queries.to(wide), dim=-1)
        scores = units @ normalize(passages.to(wide), dim=-1).T / temperature
        if masked is not None:
            scores = scores.masked_fill(masked, float("-inf"))
        return cross_entropy(scores, positives, reduction="none")


def false_negatives(passages: Tensor, positives: Tensor, options: LossOptions) -> Tensor | None:
    """Return which passages are no fair negatives, bool `[B, P]`, or `None` when nothing is masked.

    `positives` are the B queries' own rows of `passages`. A query's own positive is never masked.
    """
    import torch
    from torch.nn.functional import normalize

    if not options.mask_other_positives and not options.mask_near_duplicates:
        return None
    masked = torch.zeros((len(positives), len(passages)), dtype=torch.bool, device=passages.device)
    if options.mask_other_positives:
        masked[:, positives] = True
    if options.mask_near_duplicates:
        units = normalize(passages.detach().float(), dim=-1)
        # Rounding may leave the cosine of equal texts a little below 1.
        masked |= units[positives] @ units.T >= options.mask_near_duplicates - 1e-6
    masked[torch.arange(len(positives), device=passages.device), positives] = False
    return masked


def step_loss(local: StepEmbeddings, options: LossOptions, *, step: int, seed: int) -> StepLoss:
    """Return the loss of the global batch that this process's embeddings are a share of.

    `step` counts the forward passes with gradient before this one; `seed` is the run's, and with
    `step` seeds the order of the `shuffled` control, alike on every process. The value is the
    same on every process; see `redapter.distributed` for its gradient. Raises `ValueError` when
    there are fewer passages than queries or evidence is missing.
    """
    import torch

    size = len(local.queries)
    if len(local.passages) < size:
        raise ValueError(f"{size} queries but {len(local.passages)} passages")
    passages = gather_rows(local.passages)
    positives = _positives(local)
    masked = false_negatives(passages, positives, options)
    losses = info_nce(gather_rows(local.queries), passages, positives, options.temperature, masked)
    reasoning = None
    if local.reasoning is not None:
        with torch.no_grad():
            reasoning = info_nce(
                gather_rows(local.reasoning), passages, positives, options.temperature, masked
            )
    difficulty = None if local.difficulty is None else gather_rows(local.difficulty)
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    weights = sample_weights(
        Evidence(losses.detach(), reasoning, difficulty, step, generator), options
    )
    value = scaled_for_averaging((weights * losses).sum())
    return StepLoss(value, losses.detach(), reasoning, weights)


def _positives(local: StepEmbeddings) -> Tensor:
    """Return the rows of the gathered passages that are positives: int64 `[B]` in rank order."""
    import torch

    _, processes = world()
    device = local.passages.device
    own = torch.arange(len(local.queries), device=device)
    starts = torch.arange(processes, device=device) * len(local.passages)
    return (starts[:, None] + own[None, :]).reshape(-1)
