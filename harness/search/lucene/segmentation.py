"""Words as Lucene's StandardTokenizer cuts them, for text of any language and kind.

The grammar is UAX #29 word boundaries as Lucene 9 states them in StandardTokenizerImpl.jflex
(apache/lucene): letters, digits, Katakana and connectors join, marks join what they follow, an
apostrophe, point, comma or colon joins only between two letters or two digits, South East Asian
runs stay whole, Han and Hiragana stand alone, and emoji sequences are tokens. A scanner of that
kind takes the longest match, sees at most 255 UTF-16 units from where the match starts, and skips
one character where nothing matches.

Each character is first turned into a one-letter class, so that the grammar is one expression over
classes. The classes are disjoint; a character with two roles has a class of its own:

    a  letter               k  Katakana            z  zero width joiner
    h  Hebrew letter        _  connector           f  U+FE0F emoji presentation
    i  letter and pictograph                       v  U+FE0E text presentation
    n  digit                c  Han                 y  U+20E3 combining key cap
    :  joins letters        g  Hiragana            d  tag, D  end of tags
    ,  joins digits         t  South East Asian    m  emoji modifier (a mark as well)
    .  joins either         s  mark of the same    x  any other mark or format character
    '  apostrophe           e  pictograph          r  regional indicator
    q  double quote         #  `#` and `*`         space  everything else
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from harness.search.lucene import unicode_12_1 as properties

if TYPE_CHECKING:
    import numpy as np  # most texts are ASCII, and a measured system needs only its version
    from numpy.typing import NDArray

MAX_TOKEN = 255
"""Longest token in UTF-16 units (StandardAnalyzer.DEFAULT_MAX_TOKEN_LENGTH); longer ones are cut
into pieces."""

# With ASCII alone letters, digits and connectors all join, so `\w` takes them together. A run of
# connectors alone also matches and is dropped afterwards: no word, by the grammar.
_ASCII_WORD = re.compile(
    r"\w+(?:[.':,;](?:(?<=[A-Za-z][.':])(?=[A-Za-z])|(?<=[0-9][.',;])(?=[0-9]))\w++)*+", re.ASCII
)

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# Above this many UTF-8 bytes a character, looking at words one by one costs more than it saves.
_DENSE = 1.1


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text in order, as they stand in it; never an empty one."""
    if text.isascii():
        return _tokenize_ascii(text)
    if len(text.encode("utf-8", "surrogatepass")) > _DENSE * len(text):
        return _tokenize_any(text)
    tokens: list[str] = []
    done = 0
    # No token crosses a space, so only the words that hold other characters need the full grammar.
    for found in _NOT_ASCII.finditer(text):
        if found.start() >= done:
            start = text.rfind(" ", done, found.start()) + 1 or done
            end = text.find(" ", found.end())
            end = len(text) if end < 0 else end
            tokens += _tokenize_ascii(text[done:start])
            tokens += _tokenize_any(text[start:end])
            done = end
    return tokens + _tokenize_ascii(text[done:])


def _tokenize_ascii(text: str) -> list[str]:
    """Tokenize ASCII text."""
    tokens: list[str] = _ASCII_WORD.findall(text)
    if "_" in text:
        tokens = [token for token in tokens if token.strip("_")]
    if len(text) > MAX_TOKEN and max(map(len, tokens), default=0) > MAX_TOKEN:
        # What joins two ASCII characters is decided by at most three of them, so a long token can
        # be cut without the text around it.
        return [piece for token in tokens for piece in _cut(token)]
    return tokens


def _cut(token: str) -> list[str]:
    """Return the pieces of a token that may be longer than the scanner's window."""
    return [token] if len(token) <= MAX_TOKEN else _tokenize_any(token)


def _tokenize_any(text: str) -> list[str]:
    """Tokenize by character classes."""
    import numpy as np

    try:
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError:  # lone surrogates; Java would read two in a row as one character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    classes = _class_table()[points].tobytes()
    tokens: list[str] = []
    position = 0
    while position < len(text):
        position = _scan(text, classes, position, tokens)
    return tokens


def _scan(text: str, classes: bytes, position: int, tokens: list[str]) -> int:
    """Append tokens up to the first that is too long, cut that one, and return where it ends."""
    for match in _grammar().finditer(classes, position):
        if match.lastindex:  # nothing but characters to skip
            continue
        start, end = match.span()
        # No character takes more than two units, so half the limit needs no counting.
        if end - start > MAX_TOKEN // 2 and _units(text[start:end]) > MAX_TOKEN:
            return _scan_windows(text, classes, start, end, tokens)
        tokens.append(text[start:end])
    return len(text)


def _scan_windows(text: str, classes: bytes, start: int, end: int, tokens: list[str]) -> int:
    """Append the pieces of a match longer than the window; return where the last one ends."""
    position = start
    while position < end:
        match = _grammar().match(classes, position, _window_end(text, position))
        if match is None or match.lastindex:
            position += 1
        else:
            tokens.append(text[position : match.end()])
            position = match.end()
    return position


def _units(text: str) -> int:
    """Return the length in UTF-16 code units, as Java counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def _window_end(text: str, start: int) -> int:
    """Return the end of the whole characters that fit into the window from `start`."""
    window = text[start : start + MAX_TOKEN]
    if max(window) <= "\uffff":
        return start + len(window)
    room = MAX_TOKEN
    for offset, character in enumerate(window):
        room -= 2 if character > "\uffff" else 1
        if room < 0:
            return start + offset
    return start + len(window)


@cache
def _grammar() -> re.Pattern[bytes]:
    """Compile the grammar over class letters; every match is the longest one at its place.

    Group 1 is no token but characters to skip.
    """
    mark = "xzfvydDms"  # what joins anything it follows (WB4)
    plain = "[xzydDms]*"  # the same without the two presentation selectors
    m = f"[{mark}]*"
    # An apostrophe after a Hebrew letter joins even without a letter behind it, and a double
    # quote between two; a Hebrew letter already used to close a join cannot open such a one.
    run = (
        f"(?:[ai][ai{mark}]*(?:[:.']{m}[ahi][ai{mark}]*)*"
        f"|n[n{mark}]*(?:[,.']{m}n[n{mark}]*)*"
        f"|h{m}'{m}|h{m}q{m}h{m}|h{m}(?:[:.']{m}[ahi][ai{mark}]*)*)+"
    )
    unit = f"(?:{run}|k[k{mark}]*)"
    joint = f"_[_{mark}]*+"
    word = f"(?:{joint})?{unit}(?:{joint}{unit})*(?:{joint})?"
    # Joined by a zero width joiner, which may already have been taken as a mark.
    joined = "(?:(?<=z)|(?<=f)z+)"
    more = f"(?:{joined}[ei]{plain}f?|(?<=f)zm{plain})*"
    emoji = f"(?:z*+[ei]{plain}fd+D|(?:z*+[ei]{plain}f?|m{plain}){more})"
    # A letter that is a pictograph too starts the longer emoji only if a pure pictograph follows.
    both = f"(?=i[i{mark}]*e)i{plain}f?(?:{joined}i{plain}f?)*{joined}e{plain}f?{more}"
    rest = f"#{plain}f?y{plain}|r{m}r{m}|[ts][t{mark}]*|c{m}|g{m}"
    # Lucene skips connectors that lead to no word, and joiners that lead to no emoji, one by one;
    # taken together they cost one look. In a window a later one of them may get there, so there
    # they are skipped singly.
    skipped = "(_+|z+)"
    return re.compile("|".join((both, word, emoji, rest, skipped)).encode())


@cache
def _class_table() -> NDArray[np.uint8]:
    """Return the class letter of every code point: uint8 `[0x110000]`."""
    import numpy as np

    table = np.full(0x110000, ord(" "), dtype=np.uint8)
    letter, mark = _members(properties.A_LETTER), _members(properties.EXTEND_OR_FORMAT)
    pictograph, asian = _members(properties.PICTOGRAPHIC), _members(properties.COMPLEX_CONTEXT)
    table[_members(properties.HAN)] = ord("c")  # two Han marks are letters as well: below
    table[_members(properties.HIRAGANA)] = ord("g")
    table[_members(properties.NUMERIC)] = ord("n")
    table[_members(properties.KATAKANA)] = ord("k")
    table[_members(properties.EXTEND_NUM_LET)] = ord("_")
    table[_members(properties.MID_LETTER)] = ord(":")
    table[_members(properties.MID_NUM)] = ord(",")
    table[_members(properties.MID_NUM_LET)] = ord(".")
    table[_members(properties.REGIONAL_INDICATOR)] = ord("r")
    table[_members(properties.HEBREW_LETTER)] = ord("h")
    table[pictograph] = ord("e")
    table[letter] = ord("a")
    table[letter & pictograph] = ord("i")
    table[asian] = ord("t")
    table[mark] = ord("x")
    table[mark & asian] = ord("s")
    table[_members(properties.EMOJI_MODIFIER)] = ord("m")
    table[0xE0020:0xE007F] = ord("d")
    single = {0x22: "q", 0x23: "#", 0x27: "'", 0x2A: "#", 0x200D: "z", 0x20E3: "y"}
    for point, name in (single | {0xFE0E: "v", 0xFE0F: "f", 0xE007F: "D"}).items():
        table[point] = ord(name)
    return table


def _members(ranges: str) -> NDArray[np.bool_]:
    """Return which code points a list of hexadecimal `first-last` ranges holds: `[0x110000]`."""
    import numpy as np

    members = np.zeros(0x110000, dtype=np.bool_)
    for item in ranges.split():
        first, _, last = item.partition("-")
        members[int(first, 16) : int(last or first, 16) + 1] = True
    return members
