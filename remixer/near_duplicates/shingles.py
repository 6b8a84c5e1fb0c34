"""Texts as hashes: one key per text, and its word shingles (overlapping word n-grams).

A word is a sequence of letters, digits and underscores, case folded; a character of a script
written without spaces counts as a word. The work is done on bytes with NumPy, many texts at a time:
cutting and hashing words one by one in Python costs about five times as much as the rest of an
audit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bits = NDArray[np.uint64]

SHINGLE_SIZE = 3
"""Words per shingle for near-duplicates: one word changed in a text of thirty leaves a Jaccard
similarity of 0.81; shingles of five words would leave 0.68 (our choice)."""

_BYTES_AT_ONCE = 1 << 18
_BASE = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2**64
_STEP = 0xD6E8FEB86659FD93
_WIDE = 1 << 64
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_NO_WORD = re.compile(r"\W+")
_ONE_BY_ONE = re.compile(f"([{_UNSPACED}])")


@dataclass(frozen=True, slots=True)
class ShingledTexts:
    """Keys, lengths and shingles of `n` texts.

    `keys` is uint64 `[n]`: equal for texts of the same words (of the same characters if they have
    no words). `words` is int64 `[n]`, the number of words. The shingles of text `i` are
    `shingles[starts[i]:starts[i + 1]]`, uint64, in order, with repeats; a text shorter than a
    shingle has one, its key, and a text without words has none.
    """

    keys: Bits
    words: NDArray[np.int64]
    starts: NDArray[np.int64]
    shingles: Bits

    def shingles_of(self, row: int) -> Bits:
        """Return the distinct shingles of one text, ascending."""
        distinct: Bits = np.unique(self.shingles[self.starts[row] : self.starts[row + 1]])
        return distinct


def shingle(texts: Sequence[str], size: int = SHINGLE_SIZE) -> ShingledTexts:
    """Return keys and shingles of `size` words of all texts; the same on any machine."""
    parts = [_shingle_group(group, size) for group in _groups([_folded(text) for text in texts])]
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return ShingledTexts(_bits(0), none, np.zeros(1, dtype=np.int64), _bits(0))
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    keys = np.concatenate([part.keys for part in parts])
    words = np.concatenate([part.words for part in parts])
    for row in np.flatnonzero(words == 0).tolist():
        keys[row] = raw_key(" ".join(texts[row].casefold().split()))
    return ShingledTexts(
        keys=keys,
        words=words,
        starts=np.concatenate(([0], np.cumsum(counts))),
        shingles=np.concatenate([part.shingles for part in parts]),
    )


def shares_shingle(first: ShingledTexts, row: int, second: ShingledTexts, other: int) -> bool:
    """Return True if two texts, shingled with one size, share a shingle.

    A text shorter than a shingle has none to share.
    """
    left = first.shingles[first.starts[row] : first.starts[row + 1]]
    right = second.shingles[second.starts[other] : second.starts[other + 1]]
    return bool(np.isin(left, right).any())


def raw_key(text: str, seed: int = 0) -> int:
    """Return a 64-bit hash of a text exactly as it is; the same on any machine."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed=seed)


def _folded(text: str) -> bytes:
    """Return a text as bytes of which only letters, digits, `_` and bytes over 127 form words."""
    text = text.casefold()
    if not text.isascii():
        text = _ONE_BY_ONE.sub(r" \1 ", _NO_WORD.sub(" ", text))
    return text.encode("utf-8", "surrogatepass")


def _groups(texts: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield batches of texts, to bound the memory of the arrays computed from them."""
    group: list[bytes] = []
    size = 0
    for text in texts:
        if group and size + len(text) > _BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text) + 1
    if group:
        yield group


def _shingle_group(texts: list[bytes], size: int) -> ShingledTexts:
    words, text_of = _words(texts)
    counts = np.bincount(text_of, minlength=len(texts))
    firsts = np.concatenate(([0], np.cumsum(counts)))
    keys = _keys(words, counts, firsts)
    hashes = _bits(max(0, len(words) - size + 1))
    for offset in range(size):
        hashes *= np.uint64(_STEP)
        hashes += words[offset : offset + len(hashes)]
    # A shingle that begins in one text and ends in the next is none.
    whole = text_of[: len(hashes)] == text_of[size - 1 :] if len(hashes) else np.empty(0, bool)
    shingles, owner = _mixed(hashes[whole]), text_of[: len(hashes)][whole]
    short = np.flatnonzero((counts > 0) & (counts < size))
    if len(short):
        owner = np.concatenate((owner, short))
        order = np.argsort(owner, kind="stable")
        shingles, owner = np.concatenate((shingles, keys[short]))[order], owner[order]
    sizes = np.bincount(owner, minlength=len(texts))
    return ShingledTexts(keys, counts, np.concatenate(([0], np.cumsum(sizes))), shingles)


def _words(texts: list[bytes]) -> tuple[Bits, NDArray[np.int64]]:
    """Return a hash for each word of all texts, and the number of its text.

    A word's hash is the polynomial of its bytes, taken from running sums: the difference of two
    sums, divided by the base to the power of the word's position.
    """
    data = np.frombuffer(b"\n".join((*texts, b"")), dtype=np.uint8)
    inside = _table()[data]
    edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=np.int8(0)))
    begins, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(_BASE, len(data)), _powers(pow(_BASE, -1, _WIDE), len(data))
    sums = np.concatenate((_bits(1), np.cumsum((data + np.uint64(1)) * powers[: len(data)])))
    hashes = _mixed((sums[ends] - sums[begins]) * inverses[begins])
    limits = np.cumsum([len(text) + 1 for text in texts])
    return hashes, np.searchsorted(limits, begins, side="right")


def _keys(words: Bits, counts: NDArray[np.int64], firsts: NDArray[np.int64]) -> Bits:
    """Return a key for each text from its words in order."""
    place = np.arange(len(words)) - np.repeat(firsts[:-1], counts)
    weighted = words * _powers(_STEP, int(counts.max(initial=0)) + 1)[place]
    sums = np.concatenate((_bits(1), np.cumsum(weighted)))
    return _mixed((sums[firsts[1:]] - sums[firsts[:-1]]) ^ counts.astype(np.uint64))


def _mixed(bits: Bits) -> Bits:
    """Return the bits well mixed (the finaliser of splitmix64; a bijection)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Bits = bits ^ (bits >> np.uint64(31))
    return mixed


def _bits(n: int) -> Bits:
    return np.zeros(n, dtype=np.uint64)


def _powers(base: int, n: int) -> Bits:
    """Return at least `n` powers of a base modulo 2**64, from the 0th."""
    return _table_of_powers(base, max(_BYTES_AT_ONCE, 1 << n.bit_length()))


@lru_cache(maxsize=6)
def _table_of_powers(base: int, n: int) -> Bits:
    """Return exactly `n` powers."""
    steps = np.full(n, base, dtype=np.uint64)
    steps[0] = 1
    powers: Bits = np.cumprod(steps, dtype=np.uint64)
    return powers


@lru_cache(maxsize=1)
def _table() -> NDArray[np.bool_]:
    """Return a mask of the bytes that belong to words."""
    table = np.zeros(256, dtype=np.bool_)
    table[128:] = True
    table[[byte for byte in range(128) if chr(byte).isalnum() or byte == ord("_")]] = True
    return table
