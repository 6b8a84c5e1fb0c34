"""Near-equal texts without comparing all: MinHash bands name candidates, exact Jaccard decides.

The permutations are a few lines of NumPy. Libraries (rensa, datasketch) take runs of words as
Python texts or hashes, and making those costs more than all that is done here
(`benchmarks/results/remix_audit.md` has the times).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from remixer.audit_texts import Bits, Prepared

    Bands = NDArray[np.uint32]
    Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

NEAR = 0.7
"""Jaccard similarity of two texts' word runs from which they are near-equal (ours; published
pipelines that remove near-duplicates use 0.7 to 0.8)."""

BANDS = 32
ROWS = 4
"""Texts are candidates when all `ROWS` hashes of one of `BANDS` bands agree: of pairs at `NEAR`
0.9998 are found, of pairs at 0.8 all but one in ten million; at 0.1 one in 300 is looked at."""

_CROWD = 64
"""A bucket with more texts pairs each with its first and its neighbour only: linear, not square."""


@dataclass(frozen=True, slots=True)
class MinHasher:
    """Random permutations of 32-bit hashes, `x -> a x + b` modulo 2**32 with `a` odd."""

    factors: NDArray[np.uint32]
    offsets: NDArray[np.uint32]

    def signatures(self, prepared: Prepared) -> NDArray[np.uint32]:
        """Return the least hash under each permutation: uint32 `[n, BANDS * ROWS]`.

        The share of equal places of two rows estimates the Jaccard similarity of their texts'
        runs. A text without runs has the largest value everywhere.
        """
        found = np.full((len(prepared.keys), len(self.factors)), 2**32 - 1, dtype=np.uint32)
        filled = np.flatnonzero(np.diff(prepared.starts))
        if len(filled) == 0:
            return found
        begins = prepared.starts[filled]
        runs = (prepared.runs >> np.uint64(32)).astype(np.uint32)
        hashed = np.empty_like(runs)
        for place, (factor, offset) in enumerate(zip(self.factors, self.offsets, strict=True)):
            np.multiply(runs, factor, out=hashed)
            hashed += offset
            found[filled, place] = np.minimum.reduceat(hashed, begins)
        return found

    def bands(self, prepared: Prepared) -> Bands:
        """Return a hash per band: uint32 `[n, BANDS]`, 0 for texts without runs."""
        signatures = self.signatures(prepared)
        grouped = signatures.reshape(len(signatures), BANDS, ROWS).astype(np.uint64)
        mixed = np.zeros(grouped.shape[:2], dtype=np.uint64)
        for row in range(ROWS):
            mixed = (mixed ^ grouped[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        bands = (mixed >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
        bands[np.diff(prepared.starts) == 0] = 0
        return bands


def make_hasher(seed: int) -> MinHasher:
    """Return the permutations of a seed."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2**32, (2, BANDS * ROWS), dtype=np.uint32)
    return MinHasher(drawn[0] | np.uint32(1), drawn[1])


class LshIndex:
    """Finds which of its texts share a band with others."""

    def __init__(self, bands: Bands) -> None:
        self._order = np.argsort(bands, axis=0, kind="stable")
        self._sorted = np.take_along_axis(bands, self._order, axis=0)

    def candidates(self, bands: Bands) -> Pairs:
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


def self_candidates(bands: Bands) -> Pairs:
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
