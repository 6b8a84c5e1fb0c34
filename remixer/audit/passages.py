"""The distinct passages of a training file: key, bands and benchmark matches of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from remixer.near_duplicates.index import near_duplicate
from remixer.near_duplicates.minhash import BANDS
from remixer.near_duplicates.shingles import raw_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from remixer.audit.contamination import Match
    from remixer.near_duplicates.minhash import Bands
    from remixer.near_duplicates.shingles import Bits

    Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowPassages:
    """The numbers of a row's positives and negatives in `Passages`: int64."""

    positives: Numbers
    negatives: Numbers


class Passages:
    """Numbers passages in the order in which they first occur.

    Keeps some 250 bytes for each distinct passage, and not its text.
    """

    def __init__(self) -> None:
        self._number_of: dict[int, int] = {}
        self._keys = np.empty(1024, dtype=np.uint64)
        self._bands = np.empty((1024, BANDS), dtype=np.uint32)
        self.matches: dict[int, tuple[Match, ...]] = {}

    def __len__(self) -> int:
        """Return the number of distinct passages."""
        return len(self._number_of)

    @property
    def keys(self) -> Bits:
        """Return each passage's key: uint64 `[n]`."""
        return self._keys[: len(self)]

    def number(self, texts: Sequence[str]) -> tuple[Numbers, list[str]]:
        """Return the texts' numbers, int64 `[n]`, and the texts that are new, in order.

        Keys and bands of the new texts must be passed to `keep` before any other call.
        """
        fresh = []
        numbers = np.empty(len(texts), dtype=np.int64)
        for at, text in enumerate(texts):
            key = raw_key(text)
            number = self._number_of.get(key)
            if number is None:
                number = self._number_of[key] = len(self._number_of)
                fresh.append(text)
            numbers[at] = number
        return numbers, fresh

    def keep(self, keys: Bits, bands: Bands) -> None:
        """Store keys and bands of the texts that `number` returned as new, in that order."""
        end = len(self)
        while end > len(self._keys):
            self._keys = np.concatenate((self._keys, np.empty_like(self._keys)))
            self._bands = np.concatenate((self._bands, np.empty_like(self._bands)))
        self._keys[end - len(keys) : end] = keys
        self._bands[end - len(keys) : end] = bands

    def matches_of(self, numbers: Numbers) -> list[Match]:
        """Return all benchmark texts that some passages match."""
        matches: list[Match] = []
        if self.matches:
            for number in numbers.tolist():
                matches.extend(self.matches.get(number, ()))
        return matches

    def sharing(self, left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return bool `[len(left), len(right)]`: pairs that share a band and are not equal."""
        left_bands, right_bands = self._bands[left], self._bands[right]
        equal = left_bands[:, None, :] == right_bands[None, :, :]
        same = equal & (left_bands != 0)[:, None, :]
        unequal = self._keys[left][:, None] != self._keys[right][None, :]
        shared: NDArray[np.bool_] = same.any(axis=2) & unequal
        return shared

    def has_near_duplicate(
        self, row: RowPassages, positives: Sequence[str], negatives: Sequence[str]
    ) -> bool:
        """Return True if a negative is a near-duplicate of a positive, but not equal to it."""
        shared = self.sharing(row.positives, row.negatives)
        return any(
            near_duplicate(positives[first], negatives[second])
            for first, second in np.argwhere(shared).tolist()
        )
