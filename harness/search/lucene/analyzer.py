"""What Lucene's default EnglishAnalyzer makes of a text, without a JVM.

The chain is that of Lucene 9's `EnglishAnalyzer()`: StandardTokenizer, EnglishPossessiveFilter,
LowerCaseFilter, StopFilter with its 33 words, PorterStemFilter. BRIGHT's BM25 uses it through
pyserini. All after the tokenizer depends on the token alone, so it is done once for each distinct
token.
"""

from __future__ import annotations

from functools import lru_cache

from harness.search.lucene.porter import stem
from harness.search.lucene.segmentation import tokenize

VERSION = "lucene-english/1"
"""Belongs to the identity of whatever uses `analyze`; raise it when any token would change."""

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""EnglishAnalyzer.ENGLISH_STOP_WORDS_SET of Lucene 9."""

# Java's Character.toLowerCase maps one character to one. str.lower differs in two: the dotted
# capital I becomes two characters, and a capital sigma looks at its place in the word.
_SIMPLE_LOWER = str.maketrans({"\u0130": "i", "\u03a3": "\u03c3"})
_APOSTROPHES = frozenset("'\u2019\uff07")
_REMEMBERED = 1 << 18  # distinct tokens; about 50 MB when full


def analyze(text: str) -> list[str]:
    """Return the terms of a text in order, repeats kept; empty for a text without words."""
    return [term for term in map(_remembered_term, tokenize(text)) if term]


def term_of(token: str) -> str:
    """Return the term that one token of `tokenize` is indexed under; `""` for a stop word."""
    if len(token) > 1 and token[-1] in "sS" and token[-2] in _APOSTROPHES:
        token = token[:-2]
    word = token.lower() if token.isascii() else token.translate(_SIMPLE_LOWER).lower()
    return "" if word in STOP_WORDS else stem(word)


_remembered_term = lru_cache(_REMEMBERED)(term_of)
