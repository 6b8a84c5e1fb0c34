"""The global batch across processes: gathering embeddings, and the scale DDP takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def world() -> tuple[int, int]:
    """Return (rank, number of processes); (0, 1) outside a process group."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather_rows(local: Tensor) -> Tensor:
    """Return the rows of all processes, `[W * n, …]` in rank order, from each one's `[n, …]`.

    Only this process's own slice keeps its gradient, as in the released code: the other slices
    get theirs where they were made. Every process must bring the same number of rows.
    """
    import torch
    import torch.distributed as dist

    rank, size = world()
    if size == 1:
        return local
    parts = [torch.empty_like(local) for _ in range(size)]
    dist.all_gather(parts, local.detach().contiguous())
    parts[rank] = local
    return torch.cat(parts)


def scaled_for_averaging(loss: Tensor) -> Tensor:
    """Return the same value with W times the gradient.

    Every process computes the loss of the whole global batch, and its gradient through its own
    embeddings only. The sum of those over the W processes is the whole gradient, but DDP and
    ZeRO divide the sum by W; this undoes the division, so that W processes with a batch of B/W
    step exactly as one process with a batch of B. (The released code leaves the factor 1/W in;
    under Adam it changes nothing but what gradient clipping sees.)
    """
    _, size = world()
    return loss if size == 1 else loss * size - (loss * (size - 1)).detach()
