"""Cross-encoders and yes/no models through sentence-transformers: one float32 logit a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import BadInput, MissingExtra, ModelError
from harness.core.files import read_json
from harness.core.types import Json
from harness.core.weight_files import weight_errors
from models.card import DTYPES
from models.folders import named_architectures
from models.rerankers.card import CROSS_ENCODER, YES_NO, RerankerCard
from models.weights import Weights, find_weights

if TYPE_CHECKING:
    from harness.core.types import FloatVector, IntVector

BATCH = 32
"""Pairs of one forward pass, `CrossEncoder.predict`'s own default; it sorts them by length."""


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a reranker is run on this machine.

    `max_length` is in tokens of query and passage together (0: the card's, else the model's own),
    `dtype` is that of the weights (scores are float32 all the same). Raises `BadInput`.
    """

    device: str = ""
    max_length: int = 0
    dtype: str = ""
    trust_remote_code: bool = False
    instruction: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.max_length < 0:
            raise BadInput(f"--max-length is {self.max_length}", fix="Give 1 or more tokens.")
        if self.dtype not in DTYPES:
            raise BadInput(f"--dtype {self.dtype!r}", fix="It is float32, float16 or bfloat16.")


class CrossEncoderReranker:
    """The float32 logit of a cross-encoder, or logit(yes) - logit(no) of a causal model.

    Weights load with the first scores. Raises `BadInput` for weights that are no reranker, as far
    as their settings say so, and for a card whose model needs code of its own without
    `trust_remote_code`.
    """

    def __init__(self, card: RerankerCard, options: LocalOptions | None = None) -> None:
        how = options or LocalOptions()
        check_remote_code(card, how)
        if how.instruction and "{instruction}" not in card.template:
            raise BadInput(f"{card.name} takes no instruction", fix="Leave --instruction out.")
        self.name = card.name
        self._card = card
        self._options = how
        self._weights: Weights = find_weights(card.weights_card)
        if self._weights.folder is not None and card.method == CROSS_ENCODER:
            check_cross_encoder(self._weights.folder, card.name)

    @property
    def identity(self) -> Mapping[str, Json]:
        """What changes a score: weights, window, dtype, what is read, and no activation."""
        said: dict[str, Json] = {
            "model": self.name,
            "weights": self._weights.identity,
            "backend": self._card.method,
            "dtype": self._options.dtype or "float32",
            "activation": "none",
            "max_length": self._options.max_length or self._card.max_length,
        }
        if self._card.method == YES_NO:
            said |= {
                "template": self._card.template,
                "answers": self._card.answers,
                "instruction": self._instruction,
            }
        return said

    def scores(self, pairs: Sequence[tuple[str, str]]) -> FloatVector:
        """Return the logit of each (query, passage): float32 `[n]`.

        Passages are cut to what the query leaves of the window. Raises `BadInput` for a query that
        fills the window alone, `ModelError` for a model that gives more than one number a pair.
        """
        if not pairs:
            return np.empty(0, dtype=np.float32)
        model, plain = self._model
        self._check_queries(dict.fromkeys(query for query, _ in pairs))
        found = model.predict(
            list(pairs),
            activation_fn=plain,
            show_progress_bar=False,
            batch_size=BATCH,
            prompt=self._instruction or None,
        )
        return as_logits(found, self.name)

    def token_counts(self, pairs: Sequence[tuple[str, str]]) -> IntVector:
        """Return the tokens that the model reads of each pair, after truncation: int64 `[n]`.

        Each text is tokenised once. A template counts too; what a tokenizer joins where a text
        meets it is one token of some hundreds at most.
        """
        model, _ = self._model
        around = self._card.rendered("", "", self._instruction) if self._templated else ""
        texts = list(dict.fromkeys((around, *(text for pair in pairs for text in pair))))
        read = model.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        length = dict(zip(texts, map(len, read), strict=True))
        special = (
            length[around]
            if self._templated
            else model.tokenizer.num_special_tokens_to_add(pair=True)
        )
        window = self._window
        return np.array(
            [min(window, length[query] + length[passage] + special) for query, passage in pairs],
            dtype=np.int64,
        )

    @property
    def _templated(self) -> bool:
        return self._card.method == YES_NO

    @property
    def _window(self) -> int:
        """Tokens of query and passage together that the loaded model reads."""
        model, _ = self._model
        return int(model.max_seq_length or model.tokenizer.model_max_length)

    @property
    def _instruction(self) -> str:
        return self._options.instruction or self._card.instruction

    def _check_queries(self, queries: Mapping[str, None]) -> None:
        """Refuse queries that leave no room for a passage: the passage would decide nothing."""
        model, _ = self._model
        window = self._window
        for query in queries:
            text = query
            if self._templated:
                text = self._card.rendered(query, "", self._instruction)
            length = len(model.tokenizer(text, truncation=False, verbose=False)["input_ids"])
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
            import sentence_transformers  # noqa: F401 - without it no module here loads
            import torch
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "torch") from error
        folder = self._weights.fetch()
        if self._card.method == CROSS_ENCODER:
            check_cross_encoder(folder, self.name)
        load = self._yes_no if self._card.method == YES_NO else self._classifier
        with weight_errors(self.name, folder):
            model = load(folder, getattr(torch, self._options.dtype or "float32"))
        return model, torch.nn.Identity()

    def _classifier(self, folder: Path, dtype: Any) -> Any:
        """Return a model with a head for one number."""
        from sentence_transformers import CrossEncoder

        return CrossEncoder(
            str(folder),
            device=self._options.device or None,
            max_length=self._options.max_length or self._card.max_length or None,
            model_kwargs={"dtype": dtype},
            trust_remote_code=self._options.trust_remote_code,
            local_files_only=True,
        )

    def _yes_no(self, folder: Path, dtype: Any) -> Any:
        """Return a causal model whose score is the difference of two tokens' logits."""
        from sentence_transformers import CrossEncoder
        from sentence_transformers.base.modules import Transformer
        from sentence_transformers.cross_encoder.modules import LogitScore

        own = {"local_files_only": True, "trust_remote_code": self._options.trust_remote_code}
        reader = Transformer(
            str(folder),
            transformer_task="text-generation",
            model_kwargs={**own, "dtype": dtype},
            processor_kwargs={**own, "chat_template": self._card.jinja},
            config_kwargs=own,
            max_seq_length=self._options.max_length or self._card.max_length or None,
        )
        ids = [one_token(reader.tokenizer, answer, self.name) for answer in self._card.answers]
        return CrossEncoder(
            modules=[reader, LogitScore(true_token_id=ids[0], false_token_id=ids[1])],
            device=self._options.device or None,
        )


def as_logits(found: Any, name: str) -> FloatVector:
    """Return what a cross-encoder gave as float32 `[n]`; raises `ModelError` for more a pair."""
    array = np.asarray(found, dtype=np.float32)
    if array.ndim != 1:
        raise ModelError(
            f"{name!r} gives {array.shape[-1]} numbers a pair",
            fix="Use a cross-encoder with one label.",
        )
    return array


def one_token(tokenizer: Any, text: str, name: str) -> int:
    """Return the id of a text that is a token by itself; raises `ModelError` if it is none."""
    found = tokenizer.convert_tokens_to_ids(text)
    if found is None or found == tokenizer.unk_token_id:
        raise ModelError(
            f"{text!r} is no token of {name!r}",
            fix="Correct `answers` in the card: each must be one token.",
        )
    return int(found)


def check_remote_code(card: RerankerCard, options: LocalOptions) -> None:
    """Raise `BadInput` for a model that needs code of its own, unless that is allowed."""
    if card.remote_code and not options.trust_remote_code:
        raise BadInput(
            f"{card.name} comes with Python code of its own, which would run here",
            fix="Read it, then pass --trust-remote-code; or serve the model and give its URL.",
        )


def check_cross_encoder(folder: Path, name: str) -> None:
    """Raise `BadInput` if a model's settings say that it is something else than a cross-encoder."""
    kind, what = model_kind(folder)
    if kind != CROSS_ENCODER:
        raise BadInput(
            f"{name!r} is no cross-encoder ({what})",
            fix="Name a reranker; an embedder is measured with `rebench eval --model`.",
        )


def model_kind(folder: Path) -> tuple[str, str]:
    """Return `cross-encoder` or nothing for what a folder's settings say, and what they name."""
    own = _settings(folder / "config_sentence_transformers.json").get("model_type")
    architectures = named_architectures(_settings(folder / "config.json"))
    head = any(each.endswith("ForSequenceClassification") for each in architectures)
    what = ", ".join(architectures) or "no architecture named"
    if own == "CrossEncoder" or (own is None and head):
        return CROSS_ENCODER, what
    return "", str(own or what)


def _settings(path: Path) -> dict[str, Any]:
    """Return a settings file's object; empty without a sound one."""
    try:
        value = read_json(path, finite=False)
    except BadInput:
        return {}
    return value if isinstance(value, dict) else {}
