"""Which documents of a run are near-equal to each other, asked a row at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from remixer.audit_minhash import NEAR, jaccard, make_hasher
from remixer.audit_texts import prepare

_SEED = 42
"""Of the hashes that name candidates; which pairs are near-equal is then decided exactly."""


class NearEqual:
    """Knows the documents that are named to it, some 200 bytes each.

    Near-equal is what `rebench remix audit` calls so: of the word runs of two texts, a share of
    `NEAR` or more is in both (equal texts included).
    """

    def __init__(self, text_of: Mapping[str, str], keys: Iterable[str]) -> None:
        """Prepare the documents `keys`."""
        named = tuple(dict.fromkeys(keys))
        self._text_of = text_of
        self._place = {key: at for at, key in enumerate(named)}
        prepared = prepare([text_of[key] for key in named])
        self._bands = make_hasher(_SEED).bands(prepared)

    def among(self, keys: Sequence[str], others: Sequence[str]) -> set[str]:
        """Return those of `keys` that are near-equal to one of `others`."""
        mine, theirs = (self._bands[[self._place[key] for key in each]] for each in (keys, others))
        shared = ((mine[:, None, :] == theirs[None, :, :]) & (mine != 0)[:, None, :]).any(axis=2)
        found: set[str] = set()
        for first, second in np.argwhere(shared):
            if keys[first] not in found and self._near(keys[first], others[second]):
                found.add(keys[first])
        return found

    def _near(self, key: str, other: str) -> bool:
        """Compare two texts' runs exactly."""
        pair = prepare([self._text_of[key], self._text_of[other]])
        return jaccard(pair.runs_of(0), pair.runs_of(1)) >= NEAR
