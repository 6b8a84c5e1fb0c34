"""Cross-encoders through sentence-transformers: a logit for a query and a passage read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import BadInput, MissingExtra, ModelError
from harness.core.files import read_json
from harness.core.paths import named_folder
from harness.core.types import Json
from harness.core.weight_files import weight_errors
from models.card import ModelCard
from models.weights import Weights, find_weights

if TYPE_CHECKING:
    from harness.core.types import FloatVector

BATCH = 32
"""Pairs of one forward pass, `CrossEncoder.predict`'s own default; it sorts them by length."""


class CrossEncoderReranker:
    """The float32 logit of a one-label cross-encoder; weights load with the first scores.

    `max_length` is in tokens of query and passage together (0: the model's own). Raises `BadInput`
    for weights that are no cross-encoder, as far as their settings say so.
    """

    def __init__(self, card: ModelCard, *, device: str = "", max_length: int = 0) -> None:
        self.name = card.name
        self._weights: Weights = find_weights(card)
        self._device = device or None
        self._max_length = max_length
        if self._weights.folder is not None:
            check_cross_encoder(self._weights.folder, card.name)

    @property
    def identity(self) -> Mapping[str, Json]:
        """What changes a score: the weights, the window, and that no activation is applied."""
        return {
            "model": self.name,
            "weights": self._weights.identity,
            "backend": "cross-encoder",
            "dtype": "float32",
            "activation": "none",
            "max_length": self._max_length,
        }

    def scores(self, pairs: Sequence[tuple[str, str]]) -> FloatVector:
        """Return the logit of each (query, passage): float32 `[n]`.

        Passages are cut to what the query leaves of the window. Raises `BadInput` for a query that
        fills the window alone, `ModelError` for a model that gives more than one number a pair.
        """
        model, plain = self._model
        self._check_queries(dict.fromkeys(query for query, _ in pairs))
        found = model.predict(
            list(pairs), activation_fn=plain, show_progress_bar=False, batch_size=BATCH
        )
        if found.ndim != 1:
            raise ModelError(
                f"{self.name!r} gives {found.shape[1]} numbers a pair",
                fix="Use a cross-encoder with one label.",
            )
        return np.asarray(found, dtype=np.float32)

    def _check_queries(self, queries: Mapping[str, None]) -> None:
        """Refuse queries that leave no room for a passage: the passage would decide nothing."""
        model, _ = self._model
        window = model.max_seq_length or model.tokenizer.model_max_length
        for query in queries:
            length = len(model.tokenizer(query, truncation=False, verbose=False)["input_ids"])
            if length >= window:
                raise BadInput(
                    f"a query of {length:,} tokens fills the window of {self.name} ({window:,}) "
                    f"alone: {query[:60]!r}",
                    fix="Take a reranker with a longer window, or shorter queries (--queries).",
                )

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        """The model, and the function that leaves its logits as they are."""
        try:
            from sentence_transformers import CrossEncoder
            from torch import float32
            from torch.nn import Identity
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "torch") from error
        folder = self._weights.fetch()
        check_cross_encoder(folder, self.name)
        with weight_errors(self.name, folder):
            model = CrossEncoder(
                str(folder),
                device=self._device,
                max_length=self._max_length or None,
                model_kwargs={"dtype": float32},
                local_files_only=True,
            )
        return model, Identity()


def reranker_card(name: str) -> ModelCard:
    """Return the card of a folder, or of a hub id with an optional `@REVISION`."""
    folder = named_folder(name)
    if folder is not None:
        return ModelCard(
            name=folder.resolve().name, backend="cross-encoder", options={"folder": str(folder)}
        )
    hub_id, _, revision = name.partition("@")
    if hub_id.count("/") != 1:
        raise BadInput(
            f"{name!r} is neither a folder nor a hub id such as org/model",
            fix="Name the reranker's folder, or its hub id with an optional @REVISION.",
        )
    return ModelCard(
        name=hub_id.rpartition("/")[2], backend="cross-encoder", hub_id=hub_id, revision=revision
    )


def check_cross_encoder(folder: Path, name: str) -> None:
    """Raise `BadInput` if a model's settings say that it is something else than a cross-encoder."""
    own = _settings(folder / "config_sentence_transformers.json").get("model_type")
    if own == "CrossEncoder":
        return
    config = _settings(folder / "config.json")
    architectures = config.get("architectures") or []
    if own is None and any(str(a).endswith("ForSequenceClassification") for a in architectures):
        return
    what = ", ".join(map(str, architectures)) or "no architecture named"
    raise BadInput(
        f"{name!r} is no cross-encoder ({own or what})",
        fix="Name a reranker; an embedder is measured with `rebench eval --model`.",
    )


def _settings(path: Path) -> dict[str, Any]:
    """Return a settings file's object; empty without a sound one."""
    try:
        value = read_json(path, finite=False)
    except BadInput:
        return {}
    return value if isinstance(value, dict) else {}
