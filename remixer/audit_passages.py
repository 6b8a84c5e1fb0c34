"""Every passage of a training file once, however many rows hold it: key, bands, matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from remixer.audit_minhash import BANDS, NEAR, jaccard
from remixer.audit_texts import prepare, raw_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from remixer.audit_minhash import Bands
    from remixer.audit_references import Match
    from remixer.audit_texts import Bits

    Numbers = NDArray[np.int64]


class Passages:
    """Numbers for passages, in the order in which they were first met.

    About 250 bytes a distinct passage are kept, its text is not.
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
        """Return the texts' numbers, int64 `[n]`, and those met for the first time, in order.

        What is known of the latter must be handed to `keep` before anything is asked about them.
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
        """Keep what is known of the texts that were met for the first time, in that order."""
        end = len(self)
        while end > len(self._keys):
            self._keys = np.concatenate((self._keys, np.empty_like(self._keys)))
            self._bands = np.concatenate((self._bands, np.empty_like(self._bands)))
        self._keys[end - len(keys) : end] = keys
        self._bands[end - len(keys) : end] = bands

    def matches_of(self, numbers: Numbers) -> list[Match]:
        """Return all that some passages match."""
        found: list[Match] = []
        if self.matches:
            for number in numbers.tolist():
                found.extend(self.matches.get(number, ()))
        return found

    def sharing(self, left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which passages of the left share a band with, and do not equal, one of the right.

        bool `[len(left), len(right)]`.
        """
        mine, theirs = self._bands[left], self._bands[right]
        same = (mine[:, None, :] == theirs[None, :, :]) & (mine != 0)[:, None, :]
        unequal = self._keys[left][:, None] != self._keys[right][None, :]
        found: NDArray[np.bool_] = same.any(axis=2) & unequal
        return found

    def near(
        self, left: Numbers, right: Numbers, texts: tuple[Sequence[str], Sequence[str]]
    ) -> bool:
        """Tell whether one text of the left is near-equal, but not equal, to one of the right.

        `left` and `right` are the numbers of `texts[0]` and `texts[1]`.
        """
        shared = self.sharing(left, right)
        for first, second in np.argwhere(shared):
            pair = prepare([texts[0][first], texts[1][second]])
            if jaccard(pair.runs_of(0), pair.runs_of(1)) >= NEAR:
                return True
        return False
