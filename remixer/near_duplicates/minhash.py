"""Near-duplicates without comparing every pair: MinHash bands give candidates, Jaccard decides.

The permutations are a few lines of NumPy. Libraries (rensa, datasketch) take shingles as Python
strings or hashes, and making those costs more than the whole of this module
(`benchmarks/results/remix_audit.md` has the times).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from remixer.near_duplicates.shingles import Bits, ShingledTexts

    Bands = NDArray[np.uint32]
    IndexPairs = tuple[NDArray[np.int64], NDArray[np.int64]]

NEAR = 0.7
"""Least Jaccard similarity of near-duplicates' shingles (our choice; pipelines that remove
near-duplicates use 0.7 to 0.8)."""

BANDS = 32
ROWS = 4
"""Two texts are candidates if all `ROWS` hashes of one of the `BANDS` bands agree. That
finds 0.9998 of the pairs at `NEAR` and all but one in ten million at 0.8; at 0.1 one pair in 300 is
compared."""

_CROWD = 64
"""In a larger bucket a text is paired with the first and with its neighbour only: linear, not
quadratic."""


@dataclass(frozen=True, slots=True)
class MinHasher:
    """Random permutations of 32-bit hashes, `x -> a x + b` modulo 2**32 with `a` odd."""

    factors: NDArray[np.uint32]
    offsets: NDArray[np.uint32]

    def signatures(self, shingled: ShingledTexts) -> NDArray[np.uint32]:
        """Return the least hash under each permutation: uint32 `[n, BANDS * ROWS]`.

        The share of equal columns of two rows estimates the Jaccard similarity of their texts'
        shingles. A text without shingles has the largest value everywhere.
        """
        signatures = np.full((len(shingled.keys), len(self.factors)), 2**32 - 1, dtype=np.uint32)
        filled = np.flatnonzero(np.diff(shingled.starts))
        if len(filled) == 0:
            return signatures
        begins = shingled.starts[filled]
        shingles = (shingled.shingles >> np.uint64(32)).astype(np.uint32)
        hashed = np.empty_like(shingles)
        for column, (factor, offset) in enumerate(zip(self.factors, self.offsets, strict=True)):
            np.multiply(shingles, factor, out=hashed)
            hashed += offset
            signatures[filled, column] = np.minimum.reduceat(hashed, begins)
        return signatures

    def bands(self, shingled: ShingledTexts) -> Bands:
        """Return a hash per band: uint32 `[n, BANDS]`, 0 for texts without shingles."""
        signatures = self.signatures(shingled)
        grouped = signatures.reshape(len(signatures), BANDS, ROWS).astype(np.uint64)
        mixed = np.zeros(grouped.shape[:2], dtype=np.uint64)
        for row in range(ROWS):
            mixed = (mixed ^ grouped[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        bands = (mixed >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
        bands[np.diff(shingled.starts) == 0] = 0
        return bands


def make_hasher(seed: int) -> MinHasher:
    """Return the permutations of a seed."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2**32, (2, BANDS * ROWS), dtype=np.uint32)
    return MinHasher(drawn[0] | np.uint32(1), drawn[1])


class LshIndex:
    """Indexes texts by their bands, to find those that share one with other texts."""

    def __init__(self, bands: Bands) -> None:
        self._order = np.argsort(bands, axis=0, kind="stable")
        self._sorted = np.take_along_axis(bands, self._order, axis=0)

    def candidates(self, bands: Bands) -> IndexPairs:
        """Return (rows of `bands`, rows of the index) that share a band, each pair once, sorted."""
        pairs = []
        for band in range(bands.shape[1]):
            keys = np.ascontiguousarray(bands[:, band])
            column = np.ascontiguousarray(self._sorted[:, band])
            first = np.searchsorted(column, keys, side="left")
            counts = np.searchsorted(column, keys, side="right") - first
            counts[keys == 0] = 0
            if counts.any():
                left = np.repeat(np.arange(len(keys)), counts)
                within = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
                right = self._order[np.repeat(first, counts) + within, band]
                pairs.append(left * len(self._sorted) + right)
        if not pairs:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        left, right = np.divmod(np.unique(np.concatenate(pairs)), len(self._sorted))
        return left, right


def self_candidates(bands: Bands) -> IndexPairs:
    """Return the pairs (earlier, later) of rows that share a band, each once, sorted.

    See `_CROWD` for bands that many rows share.
    """
    n = len(bands)
    pairs = [np.empty(0, np.int64)]
    for band in range(bands.shape[1]):
        order = np.argsort(bands[:, band], kind="stable")
        keys = bands[order, band]
        cuts = np.flatnonzero(np.diff(keys)) + 1
        begins, ends = np.concatenate(([0], cuts)), np.concatenate((cuts, [n]))
        for begin, end in zip(begins, ends, strict=True):
            if end - begin > 1 and keys[begin] != 0:
                pairs.append(_bucket_pairs(order[begin:end], n))
    earlier, later = np.divmod(np.unique(np.concatenate(pairs)), max(n, 1))
    return earlier, later


def _bucket_pairs(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the pairs of one bucket (rows ascending) as `earlier * n + later`."""
    if len(rows) <= _CROWD:
        left, right = np.triu_indices(len(rows), 1)
        return rows[left] * n + rows[right]
    return np.concatenate((rows[0] * n + rows[1:], rows[:-1] * n + rows[1:]))


def jaccard(first: Bits, second: Bits) -> float:
    """Return |intersection| / |union| of two ascending arrays of distinct hashes; 0 for none."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - shared
    return shared / union if union else 0.0
