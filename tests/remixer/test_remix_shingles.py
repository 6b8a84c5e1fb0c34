"""Texts as numbers: against words cut one by one with a regular expression."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.near_duplicates import shingles
from remixer.near_duplicates.shingles import raw_key, shares_shingle, shingle

PIECES = st.sampled_from(
    ["a", "B", "ab", "straße", "STRASSE", "x_1", "7", "é", "日本", "語", "ก", " ", "  ", "\n", "-",
     "—", "’", "'", "“", "(", "∀", "\ud800", "İ", "\x00", "ﬁ"]
)  # fmt: skip
TEXTS = st.lists(st.lists(PIECES, max_size=14).map("".join), max_size=8)
UNSPACED = re.compile("([\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff])")


def words_of(text: str) -> tuple[str, ...]:
    """Return a text's words, one by one."""
    return tuple(re.findall(r"\w+", UNSPACED.sub(r" \1 ", text.casefold())))


def shingles_of(text: str, size: int) -> set[tuple[str, ...]]:
    words = words_of(text)
    if 0 < len(words) < size:
        return {("short", *words)}
    return {words[at : at + size] for at in range(len(words) - size + 1)}


@settings(max_examples=300)
@given(TEXTS, st.integers(1, 4))
def test_keys_and_runs_are_those_of_the_words(texts: list[str], size: int):
    shingled = shingle(texts, size)
    assert shingled.words.tolist() == [len(words_of(text)) for text in texts]
    for row, text in enumerate(texts):
        expected = shingles_of(text, size)
        found = shingled.shingles_of(row)
        assert len(found) == len(expected)
        for other, theirs in enumerate(texts):
            same = words_of(text) == words_of(theirs)
            if not words_of(text) and not words_of(theirs):
                same = text.casefold().split() == theirs.casefold().split()
            assert (shingled.keys[row] == shingled.keys[other]) == same
            shared = len(np.intersect1d(found, shingled.shingles_of(other)))
            assert shared == len(expected & shingles_of(theirs, size))


def test_a_text_is_the_same_whatever_stands_beside_it(monkeypatch: pytest.MonkeyPatch):
    texts = [f"one two {number} three, Four; {'x' * number} five" for number in range(40)]
    together = shingle(texts)
    monkeypatch.setattr(shingles, "_BYTES_AT_ONCE", 64)
    shingles._table_of_powers.cache_clear()
    apart = shingle(texts)
    assert together.keys.tolist() == apart.keys.tolist()
    assert together.starts.tolist() == apart.starts.tolist()
    assert together.shingles.tolist() == apart.shingles.tolist()
    alone = shingle([texts[7]])
    assert alone.keys[0] == together.keys[7]


def test_a_text_longer_than_a_block():
    long = " ".join(f"w{number}" for number in range(90_000))
    shingled = shingle(["short one here", long, long + " more"])
    assert shingled.words.tolist() == [3, 90_000, 90_001]
    assert len(shingled.shingles_of(1)) == 89_998
    assert len(np.intersect1d(shingled.shingles_of(1), shingled.shingles_of(2))) == 89_998


def test_no_texts_and_empty_texts():
    assert len(shingle([]).keys) == 0
    shingled = shingle(["", "  \n", "∀∃", "∃∀"])
    assert shingled.words.tolist() == [0, 0, 0, 0]
    assert shingled.keys[0] == shingled.keys[1]
    assert shingled.keys[2] != shingled.keys[3]
    assert len(shingled.shingles) == 0


def test_shared_runs_need_the_whole_length():
    first = shingle(["The lock is held by one thread at a time", "held by one"], 4)
    second = shingle(["it: HELD by one, Thread", "held by one"], 4)
    assert shares_shingle(first, 0, second, 0)
    assert not shares_shingle(first, 0, second, 1)
    assert raw_key("a") != raw_key("A")
