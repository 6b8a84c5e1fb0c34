"""Near-duplicates among the documents of a run, looked up a row at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from remixer.near_duplicates.minhash import NEAR, jaccard, make_hasher
from remixer.near_duplicates.shingles import shingle

_SEED = 42
"""Of the hashes that give candidates; whether a pair is near-duplicate is then computed exactly."""


def near_duplicate(text: str, other: str) -> bool:
    """Return True if the Jaccard similarity of two texts' shingles is at least `NEAR`."""
    pair = shingle([text, other])
    return jaccard(pair.shingles_of(0), pair.shingles_of(1)) >= NEAR


class NearDuplicates:
    """Finds near-duplicates (equal texts included) among named documents, 200 bytes of memory each.

    The definition is that of `rebench remix audit`: see `NEAR`.
    """

    def __init__(self, text_of: Mapping[str, str], keys: Iterable[str]) -> None:
        """Hash the documents `keys`."""
        named = tuple(dict.fromkeys(keys))
        self._text_of = text_of
        self._row_of = {key: row for row, key in enumerate(named)}
        self._bands = make_hasher(_SEED).bands(shingle([text_of[key] for key in named]))

    def among(self, keys: Sequence[str], others: Sequence[str]) -> set[str]:
        """Return those of `keys` that are near-duplicates of one of `others`."""
        left, right = (self._bands[[self._row_of[key] for key in side]] for side in (keys, others))
        shared = ((left[:, None, :] == right[None, :, :]) & (left != 0)[:, None, :]).any(axis=2)
        duplicates: set[str] = set()
        for first, second in np.argwhere(shared):
            key, other = keys[first], others[second]
            if key not in duplicates and near_duplicate(self._text_of[key], self._text_of[other]):
                duplicates.add(key)
        return duplicates
