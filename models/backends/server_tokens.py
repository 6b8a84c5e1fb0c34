"""ServerTokenizer of texts that a server will embed: counted, and cut, before they are sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import BadInput, DataUnavailable, MissingExtra
from harness.core.hashing import sha256_file
from models.backends.pieces import PieceTokenizer

BYTES_PER_TOKEN = 3.0
"""UTF-8 bytes a token is taken to have where there is no tokenizer. English has about four under
the usual vocabularies, so that requests packed by it stay below a server's cap."""


class ServerTokenizer(Protocol):
    """Counts the tokens of a text as the server will see them, and cuts it."""

    @property
    def identity(self) -> str:
        """Return the name, or for a file the hash, of the tokenizer."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, special ones included."""

    def cut(self, text: str, limit: int) -> str:
        """Return the longest beginning of the text that has at most `limit` tokens."""


class EstimatedTokens:
    """Stands in where no tokenizer is known; it never cuts."""

    @property
    def identity(self) -> str:
        """Return a name that says so: the server's tokenizer decides."""
        return "server"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return an estimate from each text's bytes."""
        return [math.ceil(len(text.encode()) / BYTES_PER_TOKEN) for text in texts]

    def cut(self, text: str, limit: int) -> str:
        """Return the text as it is."""
        return text


class FileTokens:
    """A tokenizer.json, in a folder or on the hub.

    Raises `MissingExtra` without the package `tokenizers`, and `DataUnavailable` where the file
    cannot be had.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._path = Path(source) / "tokenizer.json" if Path(source).is_dir() else None

    @cached_property
    def identity(self) -> str:
        """Return the file's hash, or the hub id."""
        if self._path is None:
            return self._source
        if not self._path.is_file():
            raise DataUnavailable(
                f"there is no tokenizer.json in {self._source}",
                fix="Name another folder or a hub id in options.tokenizer.",
            )
        return f"sha256:{sha256_file(self._path)[:32]}"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, special ones included."""
        special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        return [len(ids) + special for ids in self._pieces.ids(texts)]

    def cut(self, text: str, limit: int) -> str:
        """Return the text up to the end of the last token that still fits.

        The beginning alone may split into other tokens than it did within the whole, so it is
        counted again and cut until it fits.
        """
        text = self._pieces.beginning(text, limit)
        while True:
            encoded = self._tokenizer.encode(text)
            if len(encoded.ids) <= limit:
                return text
            ends = [
                end
                for (_, end), special in zip(
                    encoded.offsets, encoded.special_tokens_mask, strict=True
                )
                if not special
            ]
            keep = limit - (len(encoded.ids) - len(ends))
            if keep < 1:
                raise BadInput(
                    f"{limit} tokens leave no room for text beside the special tokens",
                    fix="Raise the maximum length.",
                )
            text = text[: min(ends[keep - 1], len(text) - 1)]

    @cached_property
    def _tokenizer(self) -> Any:
        """Load the tokenizer."""
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtra("tokenizers", "torch") from error
        try:
            if self._path is not None:
                tokenizer = Tokenizer.from_file(str(self._path))
            else:
                tokenizer = Tokenizer.from_pretrained(self._source)
        except Exception as error:  # the package raises bare Exception for every failure
            raise DataUnavailable(
                f"the tokenizer {self._source!r} cannot be loaded: {error}",
                fix="Name a folder with tokenizer.json, or a hub id while the hub can be reached.",
            ) from error
        return tokenizer

    @cached_property
    def _pieces(self) -> PieceTokenizer:
        """Switch off cutting and padding of the tokenizer's own, and take texts of any length."""
        return PieceTokenizer(self._tokenizer)


class TiktokenTokens:
    """An encoding of OpenAI's; raises `MissingExtra` without the package `tiktoken`."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def identity(self) -> str:
        """Return the encoding's name."""
        return f"tiktoken:{self._name}"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""
        encoded = self._encoding.encode_batch(list(texts), disallowed_special=())
        return [len(each) for each in encoded]

    def cut(self, text: str, limit: int) -> str:
        """Return the text up to the last whole character of its first `limit` tokens.

        What is left may split into more tokens than it did within the whole: it is cut again.
        """
        ids = self._encoding.encode(text, disallowed_special=())
        while len(ids) > limit:
            text = self._encoding.decode_bytes(ids[:limit]).decode("utf-8", "ignore")
            ids = self._encoding.encode(text, disallowed_special=())
        return text

    @cached_property
    def _encoding(self) -> Any:
        """Load the encoding (tiktoken keeps it in its own cache)."""
        try:
            tiktoken: Any = import_module("tiktoken")
        except ImportError as error:
            raise MissingExtra("tiktoken", "api") from error
        try:
            return tiktoken.get_encoding(self._name)
        except ValueError as error:
            known = ", ".join(tiktoken.list_encoding_names())
            raise BadInput(
                f"tiktoken has no encoding {self._name!r}", fix=f"It has {known}."
            ) from error
        except OSError as error:
            raise DataUnavailable(
                f"the encoding {self._name!r} cannot be downloaded: {error}",
                fix="Point TIKTOKEN_CACHE_DIR at a folder that holds it.",
            ) from error


def open_tokens(source: str) -> ServerTokenizer:
    """Return the tokenizer of that name (see `HttpOptions`); empty: an estimate."""
    if not source:
        return EstimatedTokens()
    kind, separator, name = source.partition(":")
    if separator and kind == "tiktoken":
        return TiktokenTokens(name)
    return FileTokens(source)
