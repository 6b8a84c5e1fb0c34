"""The stemmer against Porter's algorithm written out: rules as data, no code in common, slow.

The rules are the paper's with the departures of Porter's own program, which Lucene carries.
"""

from __future__ import annotations

from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search.lucene.porter import stem

STEP_2 = (
    "ational ate|tional tion|enci ence|anci ance|izer ize|bli ble|alli al|entli ent|eli e|ousli ous"
    "|ization ize|ation ate|ator ate|alism al|iveness ive|fulness ful|ousness ous|aliti al"
    "|iviti ive|biliti ble|logi log"
)
STEP_3 = "icate ic|ative |alize al|iciti ic|ical ic|ful |ness "
STEP_4 = (
    "al |ance |ence |er |ic |able |ible |ant |ement |ment |ent |ion |ou |ism |ate |iti |ous |ive "
    "|ize "
)


def units_of(word):
    """Split into UTF-16 units, surrogates as characters of their own."""
    raw = word.encode("utf-16-be", "surrogatepass")
    return "".join(chr(int.from_bytes(raw[i : i + 2], "big")) for i in range(0, len(raw), 2))


def shape(word):
    """Spell a word as c and v."""
    letters = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and letters[-1:] == "c")
        letters += "v" if vowel else "c"
    return letters


def measure(word):
    """Count the vowel-consonant changes."""
    return "".join(kind for kind, _ in groupby(shape(word))).count("vc")


def short(word):
    """Tell whether a word ends consonant, vowel, consonant other than w, x, y."""
    return shape(word).endswith("cvc") and word[-1] not in "wxy"


def replace_longest(word, rules, least):
    """Apply the rule with the longest matching suffix, if the rest's measure allows it."""
    pairs = sorted((rule.split(" ") for rule in rules.split("|")), key=lambda p: -len(p[0]))
    for suffix, put in pairs:
        rest = word[: len(word) - len(suffix)]
        if word.endswith(suffix) and not (suffix == "ion" and rest[-1:] not in ("s", "t")):
            return rest + put if measure(rest) > least else word
    return word


def step_1(word):
    """Plurals, past tenses, -ing."""
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if word.endswith("eed"):
        return word[:-1] if measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        rest = word[: len(word) - len(suffix)]
        if word.endswith(suffix) and "v" in shape(rest):
            if rest.endswith(("at", "bl", "iz")):
                return rest + "e"
            if rest[-1:] == rest[-2:-1] and shape(rest)[-1] == "c":
                return rest if rest[-1] in "lsz" else rest[:-1]
            return rest + "e" if measure(rest) == 1 and short(rest) else rest
    return word


def slow_stem(word):
    """Stem a lower-case word."""
    word = units_of(word)
    if len(word) > 2:
        word = step_1(word)
        if word.endswith("y") and "v" in shape(word[:-1]):
            word = word[:-1] + "i"
        word = replace_longest(word, STEP_2, 0)
        word = replace_longest(word, STEP_3, 0)
        word = replace_longest(word, STEP_4, 1)
        if word.endswith("e"):
            rest = measure(word[:-1])
            if rest > 1 or (rest == 1 and not short(word[:-1])):
                word = word[:-1]
        if word.endswith("ll") and measure(word) > 1:
            word = word[:-1]
    return word.encode("utf-16-be", "surrogatepass").decode("utf-16-be")


ENDINGS = """
ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness
ousness aliti iviti biliti logi icate ative alize iciti ical ful ness al ance ence er ic able
ible ant ement ment ent ion ou ism ate iti ous ive ize ll e s sses ies ss eed ed ing at bl iz y
bly logy ly kk vv ww yy éé
"""
stems = st.text("aeiouybclgstnrwxk0é𝐱", max_size=6)


@settings(max_examples=1500, deadline=None)
@given(stems, st.lists(st.sampled_from(ENDINGS.split()), max_size=4))
def test_stems_are_porters(beginning, suffixes):
    word = beginning + "".join(suffixes)
    assert stem(word) == slow_stem(word)


def test_departures_from_the_paper():
    words = "possibly geology ecology trekked revving falling hissed ayyed syyed says a𝐱e 𝐱s is ss"
    stems_of = "possibl geologi ecolog trek rev fall hiss ayi sy sai a𝐱 𝐱 is ss"
    assert [stem(word) for word in words.split()] == stems_of.split()
