"""Long texts tokenised in pieces that give the tokens of the whole, so that memory stays bounded.

A tokenizer's own result takes some hundred bytes a token and as much again for the text, and
BRIGHT has documents of nine million characters. A text is cut at a space between two ASCII
letters or digits, and only if no token of the tokenizer can reach across one: its rules then see
the same on both sides of the cut. Where there is no such space, `unbroken` knows other places for
some tokenizers. Other texts and tokenizers stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.backends.unbroken import SPACE_MARKS, MayCut, cut_rule, shortened_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]

PIECE_CHARACTERS = 100_000
"""Length from which on a piece ends at the next place where it may."""
CHARACTERS_AT_ONCE = 2_000_000
"""Characters given to the tokenizer in one call."""
_BREAK = re.compile(r"(?<=[A-Za-z0-9]) (?=[A-Za-z0-9])")
_MARKS = f"{SPACE_MARKS} "
_PROBES = ("ab cd ef", "The 12 Cats sat, on 3 mats in 1999 a b don't x1 2y", "a  b c\nd e")


CUTS_TRIED = 2000
"""Places without a space that are looked at in each stretch of `PIECE_CHARACTERS`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that ends before character `end`; its first `skip` tokens are not its own.

    Those are of the character before it, which stands in front where the cut is at no space.
    """

    text: str
    end: int
    skip: int = 0


class PieceTokenizer:
    """A compiled tokenizer (of the package `tokenizers`) for texts of any length.

    Cutting and padding of its own are switched off. `piece` is the length of a piece.
    """

    def __init__(self, tokenizer: Any, piece: int = PIECE_CHARACTERS) -> None:
        self._tokenizer = tokenizer
        self._piece = piece
        tokenizer.no_truncation()
        tokenizer.no_padding()

    def ids(self, texts: Sequence[str], before: str = "") -> Iterator[Ids]:
        """Yield each text's token ids, int32, without special tokens.

        `before` stands in front of every text.
        """
        for group in _groups(texts):
            parts = [list(self._pieces(before + text)) for text in group]
            firsts = self._encode([pieces[0].text for pieces in parts])
            for pieces, first in zip(parts, firsts, strict=True):
                rest = [self._piece_ids(piece) for piece in pieces[1:]]
                yield np.concatenate((first, *rest)) if rest else first

    def beginning(self, text: str, limit: int) -> str:
        """Return a beginning of a text that has more than `limit` of its tokens, or the text.

        It ends where a piece does, so its tokens are those of the whole.
        """
        count = 0
        for piece in self._pieces(text):
            count += len(self._piece_ids(piece))
            if count > limit:
                return text[: piece.end]
        return text

    def _pieces(self, text: str) -> Iterator[Piece]:
        """Yield the pieces of a text: itself, unless it is long and may be cut."""
        start = skip = 0
        while len(text) - start > self._piece:
            cut = self._next_cut(text, start + self._piece)
            if cut is None:
                break
            end, at_space = cut
            yield Piece(text[start:end], end, skip)
            start = end + (self._behind_space or 0) if at_space else end - 1
            skip = 0 if at_space else len(self._encode([text[end - 1]])[0])
        yield Piece(text[start:], len(text), skip)

    def _next_cut(self, text: str, start: int) -> tuple[int, bool] | None:
        """Return the next place where a text may be cut, and whether that is at a space."""
        while start < len(text):
            stop = start + self._piece
            space = _BREAK.search(text, start, stop + 1)
            if space is not None and self._behind_space is not None:
                return space.start(), True
            if self._may_cut is not None:
                for at in range(start, min(stop, start + CUTS_TRIED, len(text))):
                    if self._may_cut(text, at):
                        return at, False
            elif self._behind_space is None:
                return None
            start = stop
        return None

    def _piece_ids(self, piece: Piece) -> Ids:
        return self._encode([piece.text])[0][piece.skip :]

    def _encode(self, texts: list[str]) -> list[Ids]:
        """Return the ids of texts as the tokenizer gives them."""
        texts = list(map(self._shortened, texts))
        try:
            encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):
            # Half of a surrogate pair cannot cross into the tokenizer; each becomes U+FFFD.
            texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                     for text in texts]  # fmt: skip
            encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(each.ids, dtype=np.int32) for each in encoded]

    @cached_property
    def _may_cut(self) -> MayCut | None:
        """Return where texts may be cut at no space; `None`: nowhere."""
        if self._holds_words():
            return None
        return cut_rule(self._tokenizer)

    @cached_property
    def _shortened(self) -> Callable[[str], str]:
        """Return what shortens words that are too long to be known."""
        return shortened_words(self._tokenizer)

    def _holds_words(self) -> bool:
        """Tell whether words were added to the tokenizer: they are looked for across all rules."""
        added = self._tokenizer.get_added_tokens_decoder().values()
        return any(each.content[:1].isalnum() or each.content[-1:].isalnum() for each in added)

    @cached_property
    def _behind_space(self) -> int | None:
        """Return where a piece begins: at the space (0), behind it (1); `None`: never cut.

        Behind it for tokenizers that put a space before every text themselves.
        """
        if _reach_across_spaces(self._tokenizer):
            return None
        for behind in (0, 1):
            if all(self._agree(probe, behind) for probe in _PROBES):
                return behind
        return None

    def _agree(self, text: str, behind: int) -> bool:
        """Tell whether a text cut at each space in turn has the tokens of the whole."""
        whole = self._encode([text])[0]
        return all(
            np.array_equal(
                whole,
                np.concatenate(self._encode([text[: at.start()], text[at.start() + behind :]])),
            )
            for at in _BREAK.finditer(text)
        )


def _groups(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield texts in groups that are tokenised in one call."""
    start = 0
    while start < len(texts):
        stop, size = start, 0
        while stop < len(texts) and (stop == start or size < CHARACTERS_AT_ONCE):
            size += len(texts[stop])
            stop += 1
        yield texts[start:stop]
        start = stop


def _reach_across_spaces(tokenizer: Any) -> bool:
    """Tell whether a token of the tokenizer may hold a space with something before it."""
    added = [each.content for each in tokenizer.get_added_tokens_decoder().values()]
    if any(_holds_inner_space(content) or content[:1].isalnum() for content in added):
        return True
    words = tokenizer.pre_tokenizer
    if words is not None and any(
        word.strip(_MARKS) == "ab" for word, _ in words.pre_tokenize_str("ab cd")
    ):
        return False  # each word is tokenised by itself
    return any(_holds_inner_space(token) for token in tokenizer.get_vocab())


def _holds_inner_space(token: str) -> bool:
    """Tell whether a space, or what stands for one, comes behind something else in a token."""
    return any(mark in token.lstrip(_MARKS) for mark in _MARKS)
