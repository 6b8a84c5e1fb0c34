"""What a model wrote, made usable: wrappings removed, and texts refused that are no query."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from models.chat.thinking import control_token, without_thinking

_FENCE = re.compile(r"^```[^\n`]*\n(.*)\n```$", re.DOTALL)
_QUOTES = (('"', '"'), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))
_WORD = re.compile(r"\w+")

COPIED_RUN = 25
"""Words in a row shared with the source document that make a query a copy of it (our choice)."""

COPIED_SHARE = 0.5
"""Share of a query's five-word runs found in the source that makes it a copy (our choice)."""

_RUN = 5
_SCRIPT_SHARE = 0.5
_WRITTEN_TOGETHER = dict.fromkeys(
    ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"),
    "CJK",
)
"""Scripts that Japanese, Korean and Chinese mix within a sentence, by first words of names."""


def clean_reply(text: str) -> str:
    """Return a reply without its thinking and without fences or quotes around the whole of it.

    Thinking goes as `models.chat.thinking` says; thinking that never ends leaves nothing. Quotes
    go only as a pair with none of their kind inside.
    """
    text = without_thinking(text)
    for _ in range(4):  # a fence around quotes, or the reverse
        before = text
        fenced = _FENCE.match(text)
        if fenced is not None and "\n```" not in fenced.group(1):
            text = fenced.group(1).strip()
        for left, right in _QUOTES:
            if len(text) > 1 and text.startswith(left) and text.endswith(right):
                inner = text[1:-1]
                if left not in inner and right not in inner:
                    text = inner.strip()
        if text == before:
            break
    return text


def why_unusable(text: str, source: str) -> str:
    """Return why a text cannot stand as a query written from `source`, or an empty text.

    `empty`, `control_token` (of a chat template), `language` (another script than the source's)
    or `copied` (see `COPIED_RUN` and `COPIED_SHARE`; the released code has no such checks).
    """
    if not _WORD.search(text):
        return "empty"
    if control_token(text) and not control_token(source):
        return "control_token"
    if _main_script(text) != _main_script(source):
        return "language"
    return "copied" if _copied(text, source) else ""


def _copied(text: str, source: str) -> bool:
    """Tell whether a text repeats a long run of the source's words, or is made of short ones."""
    words = _WORD.findall(text.casefold())
    theirs = _WORD.findall(source.casefold())
    if words == theirs:
        return True
    runs = _runs(theirs, _RUN)
    shared = [tuple(words[at : at + _RUN]) in runs for at in range(len(words) - _RUN + 1)]
    if len(shared) >= 2 * _RUN and sum(shared) > COPIED_SHARE * len(shared):
        return True
    streak = longest = 0
    for found in shared:
        streak = streak + 1 if found else 0
        longest = max(longest, streak)
    if longest <= COPIED_RUN - _RUN:  # a long run is at least so many short ones, one by one
        return False
    return not _runs(words, COPIED_RUN).isdisjoint(_runs(theirs, COPIED_RUN))


def _runs(words: list[str], size: int) -> set[tuple[str, ...]]:
    """Return every run of `size` words."""
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def _main_script(text: str) -> str:
    """Return the writing system that most letters belong to (`LATIN`, `CJK`, …), or nothing.

    It is the first word of a letter's Unicode name; no letters, or no majority, is no script.
    """
    if text.isascii():
        return "LATIN" if any(character.isalpha() for character in text) else ""
    letters = {
        letter: count for letter, count in Counter(text).items() if letter.isalpha()
    }  # fmt: skip
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        script = unicodedata.name(letter, "").split(" ", 1)[0]
        scripts[_WRITTEN_TOGETHER.get(script, script)] += count
    for script, count in scripts.most_common(1):
        return script if count > _SCRIPT_SHARE * scripts.total() else ""
    return ""
