"""Texts to token ids: each text tokenised once, cut to a limit, special tokens kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import BadInput, MissingExtra, ModelError
from models.backends.pieces import PieceTokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import IntVector

    Ids = NDArray[np.int32]

TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken", "tokenization_*.py")
KEPT_TOKENS = 2**25
"""Token ids kept between counting and encoding (4 bytes each): 128 MiB."""


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How a tokenizer is used: the side that is cut, an end token, letters in lower case.

    `append_eos` adds the tokenizer's end token where its own rules do not: models that are read
    out there need it, and transformers 5 no longer follows `add_eos_token` of their settings.
    Without `specials` a text is its own tokens and no others, and an empty text has none.
    """

    truncation_side: str = "right"
    append_eos: bool = False
    lower_case: bool = False
    specials: bool = True


class Tokens:
    """A tokenizer with a memory: what is counted for the plan is not tokenised again to encode.

    `tokenizer` is one of transformers'. Texts are taken as they are, white space included.
    """

    def __init__(self, tokenizer: Any, settings: TokenSettings) -> None:
        self._tokenizer = tokenizer
        self._settings = settings
        backend = _fast_backend(tokenizer, lower_case=settings.lower_case)
        self._pieces = None if backend is None else PieceTokenizer(backend)
        nothing = np.empty(0, dtype=np.int32)
        self._prefix, self._suffix = self._special() if settings.specials else (nothing, nothing)
        self._kept: dict[tuple[str, int, str], Ids] = {}
        self._kept_tokens = 0

    @property
    def padding_id(self) -> int:
        """Return an id to fill up with; what it is does not matter behind the mask."""
        for name in ("pad_token_id", "eos_token_id"):
            found = getattr(self._tokenizer, name, None)
            if found is not None:
                return int(found)
        return 0

    def counts(self, texts: Sequence[str], instruction: str, limit: int) -> IntVector:
        """Return the tokens of each text before truncation, instruction and specials included.

        The ids, cut to `limit` (0: not cut), are kept for `take` as long as there is room.
        """
        counts = np.zeros(len(texts), dtype=np.int64)
        for row, body in enumerate(self._bodies(texts, instruction)):
            tokens = len(self._prefix) + len(body) + len(self._suffix)
            counts[row] = max(1, tokens) if self._settings.specials else tokens
            ids = self._cut(body, limit)
            if self._kept_tokens + len(ids) <= KEPT_TOKENS:
                self._keep(texts[row], instruction, limit, ids)
        return counts

    def take(self, texts: Sequence[str], instruction: str, limit: int) -> list[Ids]:
        """Return the ids of each text, int32, cut to `limit`; with specials never empty."""
        found = [self._kept.get((instruction, limit, text)) for text in texts]
        missing = [row for row, ids in enumerate(found) if ids is None]
        bodies = self._bodies([texts[row] for row in missing], instruction)
        for row, body in zip(missing, bodies, strict=True):
            found[row] = self._cut(body, limit)
        return [ids for ids in found if ids is not None]

    def forget(self, texts: Sequence[str], instruction: str, limit: int) -> None:
        """Drop the ids of texts that are encoded."""
        for text in texts:
            ids = self._kept.pop((instruction, limit, text), None)
            if ids is not None:
                self._kept_tokens -= len(ids)

    def prompt_tokens(self, instruction: str) -> int:
        """Return how many tokens stand before the text: specials and instruction."""
        if not instruction:
            return 0
        return len(self._prefix) + len(next(self._bodies([instruction], "")))

    def names(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens that stand for these ids, as the vocabulary writes them."""
        return [str(token) for token in self._tokenizer.convert_ids_to_tokens(list(ids))]

    def id_of(self, token: str) -> int:
        """Return a token's id; an empty text means the mask token, or the end token without one."""
        if token:
            return int(self._tokenizer.convert_tokens_to_ids(token))
        mask = getattr(self._tokenizer, "mask_token_id", None)
        return int(self._tokenizer.eos_token_id if mask is None else mask)

    def _keep(self, text: str, instruction: str, limit: int, ids: Ids) -> None:
        """Keep ids until they are taken."""
        key = (instruction, limit, text)
        if key not in self._kept:
            self._kept[key] = ids
            self._kept_tokens += len(ids)

    def _cut(self, body: Ids, limit: int) -> Ids:
        """Return the ids with their specials, at most `limit` of them."""
        room = limit - len(self._prefix) - len(self._suffix)
        if limit and room <= 0:
            raise BadInput(
                f"a limit of {limit} tokens leaves no room for text",
                fix=f"Allow at least {len(self._prefix) + len(self._suffix) + 1}.",
            )
        if limit and len(body) > room:
            body = body[:room] if self._settings.truncation_side == "right" else body[-room:]
        ids = np.concatenate((self._prefix, body, self._suffix))
        if len(ids) or not self._settings.specials:
            return ids
        # A text without any token still has to go through the model as something.
        return np.array([self.padding_id], dtype=np.int32)

    def _bodies(self, texts: Sequence[str], instruction: str) -> Iterator[Ids]:
        """Yield each text's ids without special tokens, int32."""
        if self._pieces is not None:
            yield from self._pieces.ids(texts, instruction)
            return
        for text in texts:
            listed = self._tokenizer(instruction + text, add_special_tokens=False, verbose=False)[
                "input_ids"
            ]
            yield np.array(listed, dtype=np.int32)

    def _special(self) -> tuple[Ids, Ids]:
        """Return the ids the tokenizer puts before and behind a text."""
        probe = "a"
        body = next(self._bodies([probe], "")).tolist()
        full = list(self._tokenizer(probe, add_special_tokens=True)["input_ids"])
        starts = [at for at in range(len(full)) if full[at : at + len(body)] == body]
        if not body or not starts:
            raise ModelError(
                f"the tokenizer adds special tokens in an unknown way: {body} became {full}",
                fix="Run this model with another backend: --backend vllm",
            )
        prefix, suffix = full[: starts[0]], full[starts[0] + len(body) :]
        end = getattr(self._tokenizer, "eos_token_id", None)
        if self._settings.append_eos and end is not None and end not in suffix[-1:]:
            suffix.append(end)
        return np.array(prefix, dtype=np.int32), np.array(suffix, dtype=np.int32)


def load_tokenizer(folder: Path, *, trust_remote_code: bool) -> Any:
    """Return transformers' tokenizer of a folder; raises `ModelError` when it has none."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra("transformers", "torch") from error

    # Without this transformers 5 makes an empty tokenizer for some models and says nothing.
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZER_FILES):
        raise ModelError(f"no tokenizer in {folder}", fix="Copy tokenizer.json beside the weights.")
    try:
        # A folder, not a name on the hub: it has no revision.
        return AutoTokenizer.from_pretrained(  # nosec B615
            str(folder), trust_remote_code=trust_remote_code, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"no tokenizer can be loaded from {folder}: {error}",
            fix="Check that the folder holds tokenizer.json and tokenizer_config.json.",
        ) from error


def keep_whole(tokenizer: Any, markers: Sequence[str]) -> None:
    """Have each marker before a text read as one token, if the vocabulary has it.

    Checkpoints whose markers ("[Q] ", "[unused0] ") were put in as ids while they were trained
    need it: as text the tokenizer would take them apart. A marker of PyLate's ends in a space that
    may be part of the token.
    """
    known = set(getattr(tokenizer, "added_tokens_encoder", None) or {}) | set(tokenizer.get_vocab())
    added = []
    for marker in markers:
        forms = (marker, *marker.split(None, 1)[:1])
        form = next((each for each in forms if each in known), None)
        if form is not None and tokenizer.tokenize(form) != [form]:
            added.append(form)
    if added:
        from transformers import AddedToken

        tokens = [AddedToken(form, normalized=False, special=True) for form in added]
        tokenizer.add_special_tokens({"additional_special_tokens": tokens})


def vocabulary_terms(folder: Path, ids: Sequence[int]) -> list[str] | None:
    """Return what stands for these ids in a folder's tokenizer.json; `None` without that file.

    transformers, which takes seconds to import, is not needed for it.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    vocabulary = Tokenizer.from_file(str(path))
    return [str(vocabulary.id_to_token(number)) for number in ids]


def padded(ids: Sequence[Ids], fill: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, int64 `[n, longest]`, each text from the left and then filled up."""
    lengths = np.array([len(each) for each in ids], dtype=np.int64)
    mask = np.arange(lengths.max(initial=1)) < lengths[:, None]
    table = np.full(mask.shape, fill, dtype=np.int64)
    table[mask] = np.concatenate(ids)
    return table, mask.astype(np.int64)


def _fast_backend(tokenizer: Any, *, lower_case: bool) -> Any:
    """Return the compiled tokenizer, None without one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    if lower_case:
        from tokenizers import normalizers

        own = [backend.normalizer] if backend.normalizer is not None else []
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    return backend
