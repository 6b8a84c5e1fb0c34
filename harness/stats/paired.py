"""The paired randomisation (sign-flip) test, for many differences or all pairs at once.

Under the null hypothesis that two systems are the same, each query's two values could be swapped,
which flips the sign of their difference (Fisher 1935; for retrieval: Smucker, Allan and Carterette,
CIKM 2007). The statistic is the absolute (weighted) sum of differences, so the test is two-sided.
p is (k + 1) / (N + 1) for N random sign patterns of which k reach the observed value (Phipson and
Smyth, 2010: never 0, and exact), or the fraction of all patterns that do, where these are no more
than N and 65,536. Queries without a difference do not matter, so only the others count for that.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from harness.stats.conventions import PERMUTATIONS
from harness.stats.samples import CHUNK_CELLS, Values, as_pair, as_rows, check_count

_ENUMERATED = 1 << 16
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


def sign_flip(
    a: ArrayLike, b: ArrayLike, rng: Generator, *, permutations: int = PERMUTATIONS
) -> float:
    """Return the two-sided p of two systems' values over the same queries, both `[n]`.

    A single query gives 1, since both sign patterns reach the observed value; so do equal
    systems. Raises `BadInput` for shapes that differ, values that are not finite, and
    `permutations` below 1.
    """
    first, second = as_pair(a, b)
    return float(sign_flip_rows([first - second], rng, permutations=permutations)[0])


def sign_flip_rows(
    differences: ArrayLike, rng: Generator, *, permutations: int = PERMUTATIONS
) -> Values:
    """Return the p of each row of paired differences, `[rows, queries]` -> `[rows]`.

    All rows see the same sign patterns. For a weighted mean, weight the differences beforehand.
    """
    rows = as_rows(differences)
    check_count("permutations", permutations)
    observed = np.abs(rows.sum(axis=1)) - _slack(rows)
    reached = np.zeros(len(rows), dtype=np.int64)
    for signs in sign_patterns(rows.shape[1], permutations, rng):
        reached += (np.abs(rows @ signs.T) >= observed[:, None]).sum(axis=1)
    p = (reached + 1.0) / (permutations + 1.0)
    for at in np.flatnonzero(_few(np.count_nonzero(rows, axis=1), permutations)):
        p[at] = _enumerated(rows[at])
    return np.asarray(p, dtype=np.float64)


def sign_flip_pairs(
    values: ArrayLike, rng: Generator, *, permutations: int = PERMUTATIONS
) -> Values:
    """Return the p of every pair of systems, `[m, n]` -> symmetric `[m, m]` with 1 on the diagonal.

    A sum of flipped differences is the difference of two sums of flipped values, so one product
    of values and signs (`[m, n] x [n, N]`) serves all m (m - 1) / 2 pairs.
    """
    given = as_rows(values)
    check_count("permutations", permutations)
    slack = _slack(given)
    # What all systems share cancels in every pair; without it the sums keep more digits.
    rows = given - given.mean(axis=0)
    observed = np.abs(rows.sum(axis=1)[:, None] - rows.sum(axis=1)) - slack[:, None] - slack
    reached = np.zeros((len(rows), len(rows)), dtype=np.int64)
    for signs in sign_patterns(rows.shape[1], permutations, rng):
        sums = rows @ signs.T
        for at in range(len(rows) - 1):
            gaps = np.abs(sums[at + 1 :] - sums[at])
            reached[at, at + 1 :] += np.count_nonzero(gaps >= observed[at, at + 1 :, None], axis=1)
    p = (reached + 1.0) / (permutations + 1.0)
    for at in range(len(rows) - 1):
        changed = np.count_nonzero(given[at + 1 :] != given[at], axis=1)
        for other in at + 1 + np.flatnonzero(_few(changed, permutations)):
            p[at, other] = _enumerated(given[at] - given[other])
    upper = np.triu(p, 1)
    return np.asarray(upper + upper.T + np.eye(len(rows)), dtype=np.float64)


def sign_patterns(queries: int, permutations: int, rng: Generator) -> Iterator[Values]:
    """Yield random signs, float64 `[rows, queries]` of -1 and 1, `permutations` rows in all.

    Each row takes whole 64-bit words from the generator, so that the size of the blocks does not
    change the patterns.
    """
    width = 8 * -(-queries // 64)
    block = max(1, CHUNK_CELLS // queries)
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    signs = 1.0 - 2.0 * bits.astype(np.float64)  # of each octet's bits, [256, 8]
    for start in range(0, permutations, block):
        rows = min(block, permutations - start)
        packed = np.frombuffer(rng.bytes(rows * width), dtype=np.uint8).reshape(rows, width)
        yield signs.take(packed, axis=0).reshape(rows, 8 * width)[:, :queries]


def _few(changed: NDArray[np.int64], permutations: int) -> NDArray[np.bool_]:
    """Tell where all sign patterns of so many differences are no more than the random ones."""
    return np.asarray(changed <= np.log2(min(permutations, _ENUMERATED)), dtype=np.bool_)


def _enumerated(differences: Values) -> float:
    """Return the exact p of one row of differences, over all sign patterns."""
    changed = differences[differences != 0]
    bits = np.arange(1 << len(changed))[:, None] >> np.arange(len(changed))
    sums = (1.0 - 2.0 * (bits & 1)) @ changed
    return float(np.mean(np.abs(sums) >= np.abs(changed.sum()) - _slack(changed)))


def _slack(rows: Values) -> Values:
    """Return how much rounding can change a sum of each row: exact ties must count as ties."""
    return np.asarray(_ROUNDING * rows.shape[-1] * np.abs(rows).sum(axis=-1), dtype=np.float64)
