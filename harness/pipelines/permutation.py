"""A number with its chance level: what it would be if queries had each other's partner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 10_000
SEED = 20_240_716


@dataclass(frozen=True, slots=True)
class ChanceMeasure:
    """One number of an audit; never a verdict.

    `value` is in `unit`. `chance` is the mean over random pairings of queries with other queries'
    partners, `p` the share of pairings that reach the value (with the observed one counted in both
    parts); both `None` for a plain description. `queries` is how many the number is over.
    """

    name: str
    value: float
    unit: str
    queries: int
    chance: float | None = None
    p: float | None = None
    help: str = ""


def against_chance(
    pairs: NDArray[np.float64], permutations: int = PERMUTATIONS, seed: int = SEED
) -> tuple[float, float, float]:
    """Return the mean of a square matrix' diagonal, that of the rest, and the permutation p.

    Row `i`, column `j` holds what query `i` gives with the partner of query `j`. p is one-sided:
    the share of random pairings whose mean is at least that of the true one.
    """
    count = len(pairs)
    own = float(np.trace(pairs)) / count
    if count < 2:
        return own, own, 1.0
    others = float(pairs.sum() - np.trace(pairs)) / (count * (count - 1))
    rng = np.random.default_rng(seed)
    rows = np.arange(count)
    reached = 0
    for _ in range(permutations):
        reached += pairs[rows, rng.permutation(count)].sum() / count >= own - 1e-12
    return own, others, (1 + reached) / (1 + permutations)
