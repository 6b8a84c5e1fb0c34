"""How large a difference is: standardised effect, and queries won, tied and lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.samples import as_pair


@dataclass(frozen=True, slots=True)
class WinTieLoss:
    """Numbers of queries where the first system is better, as good, or worse."""

    wins: int
    ties: int
    losses: int


def effect_size(a: ArrayLike, b: ArrayLike) -> float | None:
    """Return Cohen's d for paired values: mean difference / its standard deviation (n - 1).

    Cohen, Statistical Power Analysis, 1988, section 2.3.5 (there d_z). 0 for systems that are
    equal on every query; `None` where no deviation can be told: for a single query, and for the
    same difference on every one. Raises `BadInput`.
    """
    first, second = as_pair(a, b)
    differences = first - second
    if not differences.any():
        return 0.0
    if len(differences) < 2:
        return None
    deviation = float(differences.std(ddof=1))
    rounding = 8 * np.finfo(np.float64).eps * (np.abs(first).max() + np.abs(second).max())
    return None if deviation <= rounding else float(differences.mean()) / deviation


def win_tie_loss(a: ArrayLike, b: ArrayLike, *, tolerance: float = 1e-9) -> WinTieLoss:
    """Count queries by which system is better; values within `tolerance` of each other tie."""
    first, second = as_pair(a, b)
    gaps = first - second
    wins = int(np.count_nonzero(gaps > tolerance))
    losses = int(np.count_nonzero(gaps < -tolerance))
    return WinTieLoss(wins=wins, ties=len(gaps) - wins - losses, losses=losses)
