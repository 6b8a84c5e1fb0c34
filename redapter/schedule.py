"""The learning-rate schedule that DeepSpeed calls `WarmupDecayLR`, without DeepSpeed."""

from __future__ import annotations

import math
from dataclasses import dataclass


def warmup_steps(ratio: float, steps: int) -> int:
    """Return how many of all steps the learning rate warms up, rounded up as transformers does."""
    return math.ceil(ratio * steps)


@dataclass(frozen=True, slots=True)
class WarmupDecay:
    """Share of the peak learning rate by steps already made: logarithmic up, then linear down.

    Step k of `total` (from 1) runs at 0 for k = 1; after that, with i = k - 2 and W = `warmup`,

        ln(i + 1) / ln(W)                       while i < W
        max(0, (T - i) / max(1, T - W))         from there, T = `total`

    W counts as 2 if it is smaller. So the first two steps change nothing, half of the peak is
    reached after about sqrt(W) steps, and the last step is two steps short of 0. Formula and
    defaults: DeepSpeed 0.19.8, `deepspeed/runtime/lr_schedules.py` (warm-up type `log`).
    """

    warmup: int
    total: int

    def share(self, made: int) -> float:
        """Return the share for the step after `made` steps."""
        warmup, at = max(2, self.warmup), made - 1
        if at < 0:
            return 0.0
        if at < warmup:
            return math.log(at + 1) / math.log(warmup)
        return max(0.0, (self.total - at) / max(1, self.total - warmup))
