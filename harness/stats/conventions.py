"""The choices that all tests and intervals share, and the random numbers of one scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.hashing import sha256_text

if TYPE_CHECKING:
    from numpy.random import Generator

SEED = 20_240_716
"""Where random numbers start unless a caller says otherwise: equal entries give equal tables."""

LEVEL = 0.95
"""Level of intervals."""

ALPHA = 0.05
"""Limit for corrected p."""

POWER = 0.8
"""Power at which the smallest detectable difference is computed."""

RESAMPLES = 10_000
"""Bootstrap resamples behind an interval."""

PERMUTATIONS = 10_000
"""Random permutations behind a p-value, if there are few tests."""

PERMUTATIONS_PER_TEST = 40
"""The smallest p of N permutations is 1 / (N + 1), which Holm multiplies by the number of tests:
with fewer than 20 permutations a test no difference could reach 0.05. Twice that leaves room."""

MOST_PERMUTATIONS = 200_000
"""What a comparison of very many systems can afford."""


def permutations_for(tests: int) -> int:
    """Return how many permutations suit so many tests that are corrected together."""
    return min(MOST_PERMUTATIONS, max(PERMUTATIONS, PERMUTATIONS_PER_TEST * tests))


def scope_rng(seed: int, scope: str) -> Generator:
    """Return the generator of one scope, such as a task: no other scope changes its numbers."""
    import numpy as np

    return np.random.default_rng([seed, int(sha256_text(scope)[:16], 16)])
