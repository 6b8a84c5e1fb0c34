r"""Text from files and users, made safe to show: no character of it can steer a terminal or a page.

Names of models, ids of documents and texts of queries come from anywhere. A control character in
them could clear a terminal or rewrite what it shows, and a bidirectional mark could reorder it, so
all of those are shown as Python escapes (`\x1b`).
"""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""Format characters that words of several scripts, and emoji, need."""


def visible(text: str) -> str:
    """Return a text with control and format characters and lone surrogates as escapes.

    Line feeds and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def one_line(text: str) -> str:
    """Return a text on one line: blanks and line ends as single blanks, the rest `visible`."""
    return " ".join("".join(" " if _is_blank(each) else _shown(each) for each in text).split())


def shortened(text: str, width: int) -> str:
    """Return a text on one line, cut to a width with an ellipsis as its last character."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _is_blank(character: str) -> bool:
    """Tell whether a character is a blank or ends a line; the separators from FS to US are not."""
    return character.isspace() and not "\x1c" <= character <= "\x1f"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    if character in "\n\t" or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode("ascii")
