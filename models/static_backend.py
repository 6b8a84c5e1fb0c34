"""Static embedders: one vector per token, averaged; no torch needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import BadInput, ModelError
from harness.core.types import Json, PromptFields, Role, VectorSpace
from models.card import ModelCard
from models.prompts import render
from models.registry import LoadOptions, apply_options

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, IntVector


class StaticTable(Protocol):
    """A table of token vectors with its tokenizer; only the methods may load it."""

    @property
    def weights(self) -> str:
        """Return which table this is: a hash or a hub commit."""

    @property
    def own_limit(self) -> int:
        """Return the tokens its authors keep of a text (0: all)."""

    def counts(self, texts: Sequence[str]) -> IntVector:
        """Return the tokens of each text before truncation, int64 `[n]`."""

    def means(self, texts: Sequence[str], limit: int) -> FloatMatrix:
        """Return the mean over each text's first `limit` tokens (0: all), float32 `[n, d]`."""


class StaticEmbedder:
    """Embeds with a table of token vectors: WordLlama's own, or any model2vec model.

    A text without known tokens has the zero vector, whose score with every query is 0. Raises
    `MissingExtra` without the loader's package and `BadInput` for a card of an unknown loader.
    """

    def __init__(self, card: ModelCard, options: LoadOptions) -> None:
        self.card = apply_options(card, options)
        self._options = options
        if options.dtype not in ("", "float32"):
            raise BadInput(
                f"model {card.name!r} cannot run in {options.dtype}",
                fix="Static embedders are float32 tables: leave --dtype out.",
            )
        if self.card.pooling not in ("", "mean"):
            raise BadInput(
                f"model {card.name!r} cannot be pooled by {self.card.pooling!r}",
                fix="Static embedders average their tokens: leave --pooling out.",
            )
        self._loader = str(self.card.options.get("loader") or "model2vec")
        self._table = self._find_table()

    @property
    def name(self) -> str:
        """Return the card's name."""
        return self.card.name

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights' hash and backend, and how they are run."""
        return {
            "card": self.card.name,
            "weights": self._table.weights,
            "backend": self._backend,
            "dtype": "float32",
            "dimension": self.card.dimension,
            "normalize": self.card.normalize,
            "query_instruction": self.card.query_instruction,
            "document_instruction": self.card.document_instruction,
            "max_query_length": self._limit("query"),
            "max_document_length": self._limit("document"),
        }

    @property
    def batch_tokens(self) -> int:
        """Return the padded tokens of one batch: 256 components each, so about 130 MB."""
        return self._options.batch_tokens or 131_072

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Return the card's instruction for a task (static embedders ship without one)."""
        return render(self.card, role, prompt_fields)

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the vector space of one role."""
        return VectorSpace(
            model=self.card.hub_id or self.card.name,
            weights=self._table.weights,
            backend=self._backend,
            pooling="mean",
            normalize=self.card.normalize,
            role=role,
            instruction=instruction,
            max_length=self._limit(role),
            dtype="float32",
            truncation_side="right",
            tokenizer="in-weights-hash",
            dimension=self.card.dimension,
        )

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return tokens per text, instruction included: int64 `[n]`."""
        return self._table.counts([instruction + text for text in texts])

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        """Return float32 `[n, d]`, rows of norm 1 where the card says so, or of norm 0.

        Raises `ModelError` when rows are not as long as the card says.
        """
        import numpy as np

        vectors = self._table.means([instruction + text for text in texts], self._limit(role))
        if self.card.dimension and vectors.shape[1] != self.card.dimension:
            raise ModelError(
                f"model {self.name!r} gives {vectors.shape[1]} components; its card says "
                f"{self.card.dimension}",
                fix="Correct the card's dimension, or check which weights --weights names.",
            )
        if self.card.normalize:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms != 0)
        return vectors

    @property
    def _backend(self) -> str:
        """Return the backend's name with the loader, as spaces and entries carry it."""
        return f"static/{self._loader}"

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input: the card's limit, else the model's (0: all)."""
        card = self.card
        own = card.max_query_length if role == "query" else card.max_document_length
        return own or self._table.own_limit

    def _find_table(self) -> StaticTable:
        """Return the table the card's loader stands for; nothing is read yet."""
        if self._loader == "wordllama":
            from models.wordllama_table import WordLlamaTable

            if self.card.max_query_length or self.card.max_document_length:
                raise BadInput(
                    f"model {self.name!r} takes texts of any length",
                    fix="Leave --max-length out.",
                )
            return WordLlamaTable(self.card.dimension or 256)
        if self._loader == "model2vec":
            from models.model2vec_table import Model2VecTable

            return Model2VecTable(self.card, self._options.weights)
        raise BadInput(
            f"the card of {self.name!r} names the loader {self._loader!r}",
            fix='Choose loader = "wordllama" or "model2vec".',
        )
