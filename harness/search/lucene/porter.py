"""The Porter stemmer as Lucene's PorterStemFilter has it, on top of PyStemmer's.

PyStemmer's `porter` (Snowball) follows the paper: M. F. Porter, "An algorithm for suffix
stripping", Program 14(3), 1980. Lucene carries Porter's later program, read as UTF-16 code units.
They differ in four ways, each dealt with before PyStemmer is asked:

1. words of up to two units are left alone;
2. step 2 turns `bli` into `ble` (the paper: only `abli`) and `logi` into `log` (the paper: not);
3. step 1b drops one of any doubled consonant but l, s and z (trekked, revving); Snowball has a
   list of nine letters;
4. a character outside the basic plane counts as two consonants.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Everything that step 1 turns into a word ending in `bli` or `logi`.
_BLI_OR_LOGI = re.compile(r"(.*)(bl|log)(?:[yi](?:eds?|ings?|s)?|ies)\Z", re.DOTALL)
# A doubled letter before `ed` or `ing` that Snowball keeps and Lucene may not.
_DOUBLED = re.compile(r"(.*([^aeioubdfgmnprtlsz]))\2(?:ed|ing)s?\Z", re.DOTALL)
# Surrogates cannot be put into UTF-8; private use characters stand for them (none is in a token).
_SURROGATES, _PRIVATE_USE = 0xD800, 0xE000


def stem(word: str) -> str:
    """Return the stem of a lower-case word; never empty unless `word` is."""
    if word.isascii() or max(word) <= "\uffff":
        return _stem_units(word)
    return _from_units(_stem_units(_to_units(word)))


def _stem_units(word: str) -> str:
    """Stem a word in which each character is one UTF-16 unit."""
    if len(word) < 3:
        return word
    doubled = _DOUBLED.match(word)
    if doubled is not None and _drops_double(doubled[1] + doubled[2]):
        word = doubled[1]
    # From here on the word is one that the paper's rules take to where Lucene's take the original:
    # no step before the departing one changes `...ble`, `...log` or what is left of a double.
    departing = _BLI_OR_LOGI.match(word)
    if departing is not None and _has_measure(departing[1]):
        word = departing[1] + ("ble" if departing[2] == "bl" else "log")
    return _porter()(word)


def _drops_double(text: str) -> bool:
    """Tell whether step 1b sees a vowel in `text` and a doubled consonant at its end."""
    vowels = _vowels(text)
    return any(vowels) and not vowels[-1]


def _has_measure(text: str) -> bool:
    """Tell whether a vowel is followed by a consonant somewhere (the paper's m > 0)."""
    vowels = _vowels(text)
    return any(first and not second for first, second in pairwise(vowels))


def _vowels(text: str) -> list[bool]:
    """Tell of each letter whether it is a vowel: a, e, i, o, u, and y after a consonant."""
    vowels: list[bool] = []
    for letter in text:
        after_consonant = bool(vowels) and not vowels[-1]
        vowels.append(letter in "aeiou" or (letter == "y" and after_consonant))
    return vowels


def _to_units(word: str) -> str:
    """Write each character outside the basic plane as two private use characters."""
    raw = word.encode("utf-16-be")
    units = (int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2))
    shift = _PRIVATE_USE - _SURROGATES
    return "".join(chr(u + shift if _SURROGATES <= u < _PRIVATE_USE else u) for u in units)


def _from_units(units: str) -> str:
    """Undo `_to_units`."""
    shift = _PRIVATE_USE - _SURROGATES
    end = _PRIVATE_USE + shift
    values = (ord(u) - shift if _PRIVATE_USE <= ord(u) < end else ord(u) for u in units)
    return b"".join(value.to_bytes(2) for value in values).decode("utf-16-be")


@cache
def _porter() -> Callable[[str], str]:
    """Load PyStemmer's Porter without its own cache: callers keep the stems they need."""
    import Stemmer

    stem_word: Callable[[str], str] = Stemmer.Stemmer("porter", 0).stemWord
    return stem_word
