"""From one vector a token to one vector a text, and to rows of norm 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from harness.core.types import FloatMatrix


def pool(hidden: Tensor, mask: Tensor, mode: str, prompt: int = 0) -> Tensor:
    """Return float32 `[n, h]` from `hidden` `[n, t, h]` and `mask` `[n, t]` (1 at real tokens).

    `mode` is `mean`, `cls` (the first real token) or `last` (the last one); padding may stand on
    either side. The first `prompt` real tokens of each text are left out of the mean, unless
    nothing else is there. Sums are taken in float32. Raises `ValueError` for another mode.
    """
    if mode == "mean":
        return _mean(hidden, mask, prompt)
    if mode == "cls":
        return _rows_at(hidden, mask.int().argmax(dim=1))
    if mode == "last":
        width = mask.shape[1]
        return _rows_at(hidden, width - 1 - mask.flip(1).int().argmax(dim=1))
    raise ValueError(f"unknown pooling {mode!r}")


def _mean(hidden: Tensor, mask: Tensor, prompt: int) -> Tensor:
    """Return the mean over real tokens behind the prompt."""
    if prompt:
        place = mask.cumsum(dim=1)
        behind = mask * (place > prompt)
        nothing = behind.sum(dim=1, keepdim=True) == 0
        mask = mask.where(nothing, behind)
    weights = mask.float()
    total = (hidden.float() * weights.unsqueeze(2)).sum(dim=1)
    return total / weights.sum(dim=1, keepdim=True).clamp(min=1)


def _rows_at(hidden: Tensor, places: Tensor) -> Tensor:
    """Return the vector of one token per text."""
    index = places.view(-1, 1, 1).expand(-1, 1, hidden.shape[2])
    return hidden.gather(1, index).squeeze(1).float()


def unit_rows(vectors: FloatMatrix) -> FloatMatrix:
    """Return float32 `[n, d]` scaled to norm 1; a zero row stays zero."""
    import numpy as np

    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # what is not finite is reported by the cache's check
        scaled: FloatMatrix = np.divide(vectors, norms, np.zeros_like(vectors), where=norms != 0)
    return scaled
