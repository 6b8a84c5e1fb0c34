"""Where a text without spaces may be cut so that its pieces have the tokens of the whole.

Byte-pair encoding joins neighbours until no rule is left, and whatever it joins is a token of its
vocabulary. So nothing is joined across a place that no token of the vocabulary spans there, and
both sides can be encoded apart. WordPiece makes a word of each Chinese character, and one unknown
token of any word that is too long, however long it is. For Unigram no such place can be told: it
compares sums of scores over the whole text, and sums from another start round otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

MayCut: TypeAlias = Callable[[str, int], bool]
"""Tells whether a text may be cut before its character of that number."""

SPACE_MARKS = "\u2581\u0120"
"""What stands for a space inside of tokens: of SentencePiece, and of byte-level BPE."""

_NEAR = 4
"""Letters of one kind on each side of a cut in a tokenizer that splits texts into words first: its
rule for words then sees a run of letters on both sides."""
_RUN = re.compile(
    r"[\u4e00-\u9fff]{8}|[\u3041-\u3096]{8}|[\u30a1-\u30fa]{8}|[\uac00-\ud7a3]{8}|[a-z]{8}"
)
"""Twice `_NEAR` letters that no normalisation of Unicode joins with one another."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]{2}")
_LONG_WORD = re.compile(r"[A-Za-z0-9]{1001,}")
_KEPT = 1000
_UNIFORM = ("NFC", "NFKC")
_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))


def cut_rule(tokenizer: Any) -> MayCut | None:
    """Return where a compiled tokenizer's texts may be cut without a space; `None`: nowhere."""
    parts = json.loads(tokenizer.to_str())
    if any(each.get("single_word") for each in parts.get("added_tokens") or ()):
        return None
    rule = {"BPE": _pair_rule, "WordPiece": _word_rule}.get(parts["model"].get("type"))
    return rule(parts) if rule is not None else None


def shortened_words(tokenizer: Any) -> Callable[[str], str]:
    """Return what shortens a text's words that are too long to be known, and changes no token.

    For WordPiece: a word of ASCII letters and digits beyond its limit is one unknown token.
    """
    parts = json.loads(tokenizer.to_str())
    if not _is_bert(parts) or parts["model"].get("max_input_chars_per_word", _KEPT) >= _KEPT:
        return str
    return lambda text: _LONG_WORD.sub(lambda word: word[0][:_KEPT], text)


def _is_bert(parts: dict[str, Any]) -> bool:
    """Tell whether words are those of BERT."""
    kinds = (_kind(parts["normalizer"]), _kind(parts["pre_tokenizer"]), parts["model"].get("type"))
    return kinds == ("BertNormalizer", "BertPreTokenizer", "WordPiece")


def _word_rule(parts: dict[str, Any]) -> MayCut | None:
    """Return the rule of WordPiece: between two Chinese characters, each a word of its own."""
    if not _is_bert(parts) or not parts["normalizer"].get("handle_chinese_chars"):
        return None
    return lambda text, at: _CHINESE.fullmatch(text, at - 1, at + 1) is not None


def _pair_rule(parts: dict[str, Any]) -> MayCut | None:
    """Return the rule of byte-pair encoding: where no token of the vocabulary spans the place."""
    model, words = parts["model"], parts["pre_tokenizer"]
    odd = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
    if any(model.get(name) for name in odd):
        return None
    tokens = frozenset(model["vocab"]) | {each["content"] for each in parts["added_tokens"] or ()}
    if words is None and _marks_spaces(parts["normalizer"]):
        if not (model.get("byte_fallback") and tokens >= _BYTES):
            return None
        return _spans_nothing(tokens, lambda text: text.replace(" ", "\u2581"))
    if _is_byte_level(words) and _kind(parts["normalizer"]) in ("", *_UNIFORM):
        spans = _spans_nothing(tokens, _byte_letters)
        return lambda text, at: (
            _RUN.fullmatch(text, at - _NEAR, at + _NEAR) is not None and spans(text, at)
        )
    return None


def _spans_nothing(tokens: frozenset[str], written: Callable[[str], str]) -> MayCut:
    """Return the rule for tokens over texts that are `written` so before they are joined.

    A piece begins with the character before the cut, and some tokenizers put a mark for a space
    before every text: that neighbour must not span the place either.
    """
    longest = max(map(len, tokens))

    def may_cut(text: str, at: int) -> bool:
        if not (text[at - 1].isalnum() and text[at].isalnum()):
            return False
        around = text[max(0, at - longest) : at + longest]
        if any("\ud800" <= each <= "\udfff" for each in around):
            return False  # what becomes of half a surrogate pair depends on its neighbour
        before = written(text[max(0, at - longest) : at])[-longest:]
        after = written(text[at : at + longest])[:longest]
        last = written(text[at - 1])
        for start in (before, *(mark + last for mark in SPACE_MARKS)):
            for left in range(1, len(start) + 1):
                head = start[-left:]
                if any(head + after[:right] in tokens for right in range(1, len(after) + 1)):
                    return False
        return True

    return may_cut


def _kind(part: dict[str, Any] | None) -> str:
    """Return the type of a part of a tokenizer, empty without one."""
    return str(part["type"]) if part else ""


def _steps(part: dict[str, Any] | None, key: str) -> list[dict[str, Any] | None]:
    """Return the parts of a sequence, or the one part itself."""
    if part is not None and _kind(part) == "Sequence":
        return list(part[key])
    return [part]


def _marks_spaces(normalizer: dict[str, Any] | None) -> bool:
    """Tell whether texts are only given marks for their spaces, as Llama 2's are."""
    steps = _steps(normalizer, "normalizers")
    return all(
        _kind(step) == "Prepend"
        or (_kind(step) == "Replace" and step["pattern"] == {"String": " "})
        for step in steps
        if step
    )


def _is_byte_level(words: dict[str, Any] | None) -> bool:
    """Tell whether words are found by patterns and then written as letters that stand for bytes."""
    steps = _steps(words, "pretokenizers")
    kinds = [_kind(step) for step in steps]
    return kinds[-1:] == ["ByteLevel"] and set(kinds) <= {"Split", "Digits", "ByteLevel"}


def _byte_letters(text: str) -> str:
    """Return a text as byte-level tokenizers write it: a letter for each byte of its UTF-8."""
    return "".join(map(_LETTERS.__getitem__, text.encode("utf-8", "replace")))


def _letters() -> list[str]:
    """Return the letter of each byte: itself where it can be seen, else one from U+0100 on.

    As in GPT-2's encoder, whose table the package `tokenizers` has.
    """
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in seen]
    return [chr(byte if byte in seen else 0x100 + hidden.index(byte)) for byte in range(256)]


_LETTERS = _letters()
