"""Texts to keys: the SHA-256 under which a text's vector is stored, and distinct texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import IntVector

    KeyMatrix: TypeAlias = NDArray[np.uint8]
    KeyWords: TypeAlias = NDArray[np.uint64]

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Distinct:
    """The m different texts among n, in order of first appearance.

    `keys` is uint8 `[m, 32]`; `first` int64 `[m]` is each one's first place among the n texts,
    `inverse` int64 `[n]` the distinct text that stands at each place.
    """

    texts: tuple[str, ...]
    keys: KeyMatrix
    first: IntVector
    inverse: IntVector

    def __len__(self) -> int:
        """Return m."""
        return len(self.texts)


def text_keys(texts: Sequence[str]) -> KeyMatrix:
    """Return the SHA-256 of each text's UTF-8: uint8 `[n, 32]` (lone surrogates kept apart)."""
    digests = b"".join(
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(len(texts), KEY_BYTES)


def key_words(keys: KeyMatrix) -> KeyWords:
    """Return keys `[n, 32]` as uint64 `[n, 4]` that sort as the bytes do, on any machine."""
    words: KeyWords = np.ascontiguousarray(keys).view(">u8").astype(np.uint64)
    return words


def distinct_texts(texts: Sequence[str]) -> Distinct:
    """Return the distinct texts of a sequence with their keys and places."""
    row_of: dict[str, int] = {}
    first: list[int] = []
    inverse = np.empty(len(texts), dtype=np.int64)
    for place, text in enumerate(texts):
        row = row_of.setdefault(text, len(row_of))
        if row == len(first):
            first.append(place)
        inverse[place] = row
    different = tuple(row_of)
    return Distinct(
        texts=different,
        keys=text_keys(different),
        first=np.array(first, dtype=np.int64),
        inverse=inverse,
    )
