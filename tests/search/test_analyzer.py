"""The analyzer against Lucene's own tokens, and its grammar against the rules as written."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search.lucene import segmentation
from harness.search.lucene.analyzer import analyze, term_of
from harness.search.lucene.segmentation import tokenize

TASKS = ("biology", "earth_science", "pony", "psychology", "stackoverflow", "theoremqa_questions")

# What Lucene 9.9.1's EnglishAnalyzer returns for each text.
LUCENE = {
    "John's dogs' O'Neill's can't O’Neill’S x＇s": "john dog o'neil can't o’neil x",
    "U.S.A. 3.14 1,000,000 1.2.3, a.b.c. 5'6 a,b a:b 1:2 3;4 x.5": (
        "u.s.a 3.14 1,000,000 1.2.3 a.b.c 5'6 b a:b 1 2 3;4 x 5"
    ),
    "snake_case __init__ ____ _1_ a_b.c C++ a+b=c {x}": "snake_cas __init__ _1_ a_b.c c b c x",
    r"\frac{a_1}{b^{2}} \begin{align*} x_{ij}' \alpha$": "frac a_1 b 2 begin align x_ ij alpha",
    "def f(self, x): return arr[i]->next // TODO": "def f self x return arr i next todo",
    "naïve café Ångström résumés": "naïv café ångström résumé",
    "the Theory of THE IT's It's": "theori",
    "İstanbul ΣΟΦΟΣ ǅ ẞ": "istanbul σοφοσ ǆ ß",
    "ภาษาไทย ที่": "ภาษาไทย ที่",
    "東京タワー カタカナ ひらがな ｶﾅ 々": "東 京 タワー カタカナ ひ ら が な ｶﾅ 々",
    "한국어 단어": "한국어 단어",
    'שלום צה"ל ג\'ורג\' א"ב"ג': "שלום צה\"ל ג'ורג' א\"ב ג",
    "👩\u200d👩\u200d👧 👍🏽 🇫🇷🇩🇪🇫 1️⃣ #⃣ ©2020 ★★ ☎️ ℹ️ 🅱️": (
        "👩\u200d👩\u200d👧 👍🏽 🇫🇷 🇩🇪 1️⃣ #⃣ © 2020 ★ ★ ☎️ ℹ️ 🅱️"
    ),
    "e\u0301tude a\u00adb a\u200bb a\u200db \ufeffword": "e\u0301tud a\u00adb b a\u200db word",
    "𝐱s 𝒳𝒴 𝑎ing 10^{-3} −5 ½ x² H₂O": "𝐱 𝒳𝒴 𝑎ing 10 3 5 x h o",
    "trekked revving geology ecology possibly says skies flies dying": (
        "trek rev geologi ecolog possibl sai ski fli dy"
    ),
    "tel:555-1234 http://ex.com/a_b?c=1&d=2 me@ex.com #tag @user": (
        "tel 555 1234 http ex.com a_b c 1 d 2 me ex.com tag user"
    ),
    "١٢٣٫٤ १२": "١٢٣٫٤ १२",
    "a\u0085b\u2028c\td\x00e": "b c d e",
    "ﬁnd Ⅷ ⅷ ㎏ ㊗ 〇 〆": "ﬁnd ⅷ ⅷ ㊗ 〇",
    "\U0001f3f4\U000e0067\U000e0062\U000e007f x\ud800y": (
        "\U0001f3f4\U000e0067\U000e0062\U000e007f x y"
    ),
}

# Token lengths of Lucene 9.9.1's StandardTokenizer, whose window is 255 UTF-16 units.
CUTS = [
    ("a" * 600, [255, 255, 90]),
    ("_" * 300 + "a", [255]),
    ("𝐱" * 200, [127, 73]),
    ("a." * 200, [255, 143]),
    ("1" * 254 + ".5", [254, 1]),
    ("x" * 254 + "'s é", [254, 1, 1]),
    ("é." + "_" * 300 + "a", [1, 255]),
    ("\u200d" * 300 + "😀", [254]),
]

# The grammar as it is stated, over class letters: a token is the longest that any rule matches.
# (Digits are key cap bases too; a number takes the key cap's marks, so it is never shorter.)
X = "[xzfvydDms]*"
XS = "[xzydDms]*"
A, H, N, K, E = (f"(?:{letters}{X})" for letters in ("[ahi]", "h", "n", "k", "_"))
MID_A, MID_N, SINGLE, DOUBLE = (f"(?:{letters}{X})" for letters in ("[:.']", "[,.']", "'", "q"))
UNIT = (
    f"(?:{K}(?:{E}*{K})*|(?:{H}(?:{SINGLE}|{DOUBLE}{H})|{N}(?:(?:{E}*|{MID_N}){N})*"
    f"|{A}(?:(?:{E}*|{MID_A}){A})*)+)"
)
EMOJI = f"(?:z*[ei]{XS}f?|(?:z*[ei]{XS})?m{XS})"
RULES = [
    re.compile(rule)
    for rule in (
        f"{EMOJI}(?:(?:z{EMOJI})*|d+D)|#{XS}f?y{XS}|r{X}r{X}",
        f"{E}*{UNIT}(?:{E}+{UNIT})*{E}*",
        f"(?:[ts]{X})+",
        f"c{X}|g{X}",
    )
]
CLASSES = "ahink_:,.'qxzfvydDmstcger# "


def _by_rules(classes):
    """Cut a string of class letters by trying every rule on every length."""
    spans, position = [], 0
    while position < len(classes):
        ends = (
            end
            for end in range(len(classes), position, -1)
            if any(rule.fullmatch(classes, position, end) for rule in RULES)
        )
        end = next(ends, None)
        if end is not None:
            spans.append((position, end))
        position = end or position + 1
    return spans


@cache
def _sample_of_classes():
    """Return, for each class letter, some characters that have it."""
    table = segmentation._class_table()
    points = {c: np.flatnonzero(table == ord(c)) for c in CLASSES}
    return {
        c: [chr(p) for p in ps[:: max(1, len(ps) // 9)] if not 0xD800 <= p < 0xE000]
        for c, ps in points.items()
    }


@pytest.mark.parametrize("task", TASKS)
def test_tokens_are_lucenes(shared_data, task):
    with gzip.open(shared_data / "lucene-english-tokens" / f"{task}.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    assert rows
    for row in rows:
        assert analyze(row["text"]) == row["tokens"]


def test_every_bright_query_has_terms(shared_data):
    files = sorted((shared_data / "bright" / "examples").glob("*.jsonl.gz"))
    assert len(files) == 12
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                assert analyze(json.loads(line)["query"])


@pytest.mark.parametrize(("text", "terms"), LUCENE.items())
def test_texts_of_every_kind(text, terms):
    assert analyze(text) == terms.split(" ")


@pytest.mark.parametrize(("text", "lengths"), CUTS)
def test_long_tokens_are_cut_where_lucenes_window_ends(text, lengths):
    assert [len(token) for token in tokenize(text)] == lengths


def test_no_words_no_terms():
    assert analyze("") == analyze(" \n") == analyze("the ___ -- …") == []


# Pieces that make the rules' corners likely: emoji, Hebrew quotes, joins, and all classes alike.
EMOJI_PIECES = [
    "e",
    "i",
    "z",
    "f",
    "m",
    "ef",
    "fz",
    "ze",
    "zm",
    "fdD",
    "fd",
    "x",
    "v",
    "a",
    "#",
    "y",
]
HEBREW_PIECES = ["h", "q", "'", "hq", "hqh", "a", ".", ":", "_", "x", "n", "k"]


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_grammar_takes_the_longest_match(data):
    choice = data.draw(st.sampled_from([EMOJI_PIECES, HEBREW_PIECES, list(CLASSES)]))
    letters = "".join(data.draw(st.lists(st.sampled_from(choice), max_size=7)))
    sample = _sample_of_classes()
    text = "".join(data.draw(st.sampled_from(sample[letter])) for letter in letters)
    spans = _by_rules(letters)
    assert segmentation._tokenize_any(text) == [text[first:last] for first, last in spans]


words = st.text("abYZ019 _.,':;\"#*\n-s", max_size=12)


@settings(max_examples=400, deadline=None)
@given(st.lists(words | st.text(max_size=3) | st.integers(200, 300).map("ab_1".__mul__)))
def test_fast_path_equals_the_full_grammar(parts):
    text = "".join(parts)
    assert tokenize(text) == segmentation._tokenize_any(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=60))  # lone surrogates included
def test_any_text_gives_terms(text):
    for term in analyze(text):
        assert term
        assert not re.search(r"\s", term)


def test_two_halves_of_a_character_are_one():
    assert tokenize("a \ud835\udc31") == ["a", "𝐱"]


def test_possessive_goes_before_stop_words_and_stems():
    assert term_of("IT's") == term_of("a’S") == ""
    assert term_of("dogs'S") == "dog"
    assert term_of("'s") == ""
