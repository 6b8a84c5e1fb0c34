"""A cross-encoder as an annotator: it reads query and document together and gives one score."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, DataUnavailable, MissingExtra, ModelError
from harness.core.hashing import sha256_file, sha256_parts

if TYPE_CHECKING:
    from harness.core.protocols import Reporter
    from harness.core.types import Task

PREFIX = "cross-encoder:"
_PAIRS_AT_ONCE = 512
_WEIGHTS = ("*.json", "*.safetensors", "*.bin")


class CrossEncoderScorer:
    """The logit of a sentence-transformers cross-encoder with one label.

    `model` is a folder, or a hub id with an optional `@REVISION`. Nothing is loaded before scores
    are asked for. Raises `BadInput` for an empty name.
    """

    def __init__(self, model: str, device: str | None = None) -> None:
        if not model:
            raise BadInput(
                "--annotator cross-encoder: names no model",
                fix="Write it as cross-encoder:FOLDER or cross-encoder:ORG/NAME[@REVISION].",
            )
        self._folder = Path(model) if Path(model).is_dir() else None
        self._model = model
        self._device = device

    @cached_property
    def name(self) -> str:
        """Return the name that rows carry; a folder's holds a hash of its files, not its path."""
        if self._folder is None:
            return f"{PREFIX}{self._model}"
        files = sorted(path for pattern in _WEIGHTS for path in self._folder.glob(pattern))
        digest = sha256_parts(part for path in files for part in (path.name, sha256_file(path)))
        return f"{PREFIX}{self._folder.resolve().name}@{digest[:12]}"

    def scores(
        self, task: Task, pairs: Sequence[tuple[str, Sequence[str]]], reporter: Reporter
    ) -> list[list[float]]:
        """Return the logit of each candidate with its query.

        Raises `MissingExtra`, `DataUnavailable` for weights that cannot be loaded, `ModelError`
        for a model that gives more than one number a pair.
        """
        corpus = task.corpus
        text_of = {} if corpus is None else corpus.text_of
        asked = [(query, text_of[key]) for query, candidates in pairs for key in candidates]
        flat: list[float] = []
        if asked:
            model, plain = self._load()
            with reporter.bar("scoring", len(asked), "pairs") as advance:
                for first in range(0, len(asked), _PAIRS_AT_ONCE):
                    some = asked[first : first + _PAIRS_AT_ONCE]
                    found = model.predict(some, activation_fn=plain, show_progress_bar=False)
                    if found.ndim != 1:
                        raise ModelError(
                            f"{self._model!r} gives {found.shape[1]} numbers a pair",
                            fix="Use a cross-encoder with one label.",
                        )
                    flat += found.tolist()
                    advance(len(some))
        values = iter(flat)
        return [[next(values) for _ in candidates] for _, candidates in pairs]

    def _load(self) -> tuple[Any, Any]:
        """Return the model, and the function that leaves its logits as they are."""
        try:
            from sentence_transformers import CrossEncoder
            from torch.nn import Identity
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "torch") from error
        path, _, revision = self._model.partition("@")
        where = str(self._folder) if self._folder is not None else path
        own = None if self._folder is not None else revision or None
        try:
            return CrossEncoder(where, device=self._device, revision=own), Identity()
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()
            raise DataUnavailable(
                f"the cross-encoder {self._model!r} cannot be loaded: {first[0] if first else ''}",
                fix="Name a folder that holds one, or a hub id that can be reached.",
            ) from error
