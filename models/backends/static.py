"""Static embedders: one vector per token, averaged; no torch needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import BadInput
from harness.core.types import Json, Role, VectorSpace
from models.backends.local import CardEmbedder
from models.backends.pooling import unit_rows
from models.spec import ModelSpec

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


class StaticEmbedder(CardEmbedder):
    """Embeds with a table of token vectors: WordLlama's own, or any model2vec model.

    A text without known tokens has the zero vector, whose score with every query is 0. Raises
    `MissingExtra` without the loader's package and `BadInput` for a card of an unknown loader.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._loader = str(self.card.options.get("loader") or "model2vec")
        self._table = self._find_table()

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
        return self._runtime.batch_tokens or 131_072

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
        """Return float32 `[n, d]`, rows of norm 1 if the card says so, or of norm 0."""
        vectors = self._table.means([instruction + text for text in texts], self._limit(role))
        return unit_rows(vectors) if self.card.normalize else vectors

    @property
    def _backend(self) -> str:
        """Return the backend's name with the loader, as spaces and entries carry it."""
        return f"static/{self._loader}"

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input: the card's limit, else the model's (0: all)."""
        return self.card.max_length(role) or self._table.own_limit

    def _find_table(self) -> StaticTable:
        """Return the table the card's loader stands for; nothing is read yet."""
        if self._loader == "wordllama":
            from models.backends.static_tables import WordLlamaTable

            return WordLlamaTable(self.card.dimension or 256)
        if self._loader == "model2vec":
            from models.backends.static_tables import Model2VecTable

            return Model2VecTable(self.card, self._runtime.weights)
        raise BadInput(
            f"the card of {self.name!r} names the loader {self._loader!r}",
            fix='Choose loader = "wordllama" or "model2vec".',
        )
