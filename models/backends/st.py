"""Embeds with sentence-transformers: hub models and folders, on a CPU or one GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import BadInput
from harness.core.types import ROLES, Json, Role, VectorSpace
from models.backends.local import LocalEmbedder
from models.card import ModelCard
from models.folders import FolderFacts, read_folder
from models.prompts import escape_template
from models.st_settings import check_dense

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, IntVector
    from models.backends.st_model import LoadedModel
    from models.backends.tokens import Tokens

BACKEND = "sentence-transformers"
CPU_BATCH_TOKENS = 4096
"""Best of 1,024 to 16,384 for MiniLM on two cores: activations still fit the caches."""
GPU_BATCH_TOKENS = 32_768
"""Enough rows to keep a large GPU's matrix units busy; less is tried when memory runs out."""
RECIPE = 1
"""Raised when the code here changes vectors, so that none of the old ones is served."""


class SentenceTransformerEmbedder(LocalEmbedder):
    """Embeds with a transformer, pooled and normalised here.

    The card decides; where it is silent the folder's own settings do (pooling, lengths, side of
    truncation). Only `token_counts` (the tokenizer) and `encode` load anything.
    """

    backend = BACKEND
    cpu_batch_tokens = CPU_BATCH_TOKENS
    gpu_batch_tokens = GPU_BATCH_TOKENS

    @cached_property
    def card(self) -> ModelCard:
        """Return the card; what nobody wrote or gave is taken from the model's settings files.

        As `encode_query`, `encode_document` and `similarity` of sentence-transformers take them.
        """
        spec = self._spec
        if not spec.from_settings:
            return spec.card
        facts = self._facts
        if "pooling" not in spec.given:
            check_dense(f"model {self.name!r}", facts.modules, facts.architectures)
        similarity = spec.card.similarity or facts.similarity
        fields = {
            "normalize": facts.normalizes or similarity in ("", "cosine"),
            "similarity": "" if similarity in ("", "cosine", "dot") else similarity,
            "query_instruction": escape_template(facts.query_prompt),
            "document_instruction": escape_template(facts.document_prompt),
        }
        return spec.completed(fields, {"normalize": "modules.json"})

    @property
    def recipe_options(self) -> dict[str, Json]:
        """Return what else changes a vector."""
        return {
            "recipe": RECIPE,
            "exclude_prompt": not self._include_prompt,
            "append_eos": bool(self.card.options.get("append_eos", False)),
            "bidirectional": bool(self.card.options.get("bidirectional", False)),
            "trust_remote_code": self._runtime.trust_remote_code,
        }

    def inputs_of(self, role: Role) -> FolderFacts:
        """Return what the folder says: queries and documents go through the same modules."""
        del role
        return self._facts

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run."""
        return {
            **super().identity,
            "pooling": self._pooling,
            "normalize": self.card.normalize,
            "max_query_length": self._limit("query"),
            "max_document_length": self._limit("document"),
            "truncation_side": self._truncation_side("document"),
            **({"settings_from": dict(self.card.sources)} if self._taken_from_files else {}),
        }

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's vectors."""
        return replace(super().space(role, instruction), pooling=self._pooling)

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return tokens per text before truncation, instruction and specials included."""
        return self._tokens.counts(texts, instruction, self._limit(role))

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        """Return float32 `[n, d]` for one batch, padded to its longest text.

        Raises `OutOfMemory` if it does not fit.
        """
        import numpy as np

        from models.backends.tokens import padded

        if not texts:
            return np.zeros((0, self.card.dimension), dtype=np.float32)
        limit = self._limit(role)
        ids, mask = padded(self._tokens.take(texts, instruction, limit), self._tokens.padding_id)
        prompt = 0 if self._include_prompt else self._tokens.prompt_tokens(instruction)
        vectors = self._model.forward(ids, mask, prompt)
        self._tokens.forget(texts, instruction, limit)
        return vectors

    @cached_property
    def _facts(self) -> FolderFacts:
        """Return what the model's folder says of itself (from the hub: its settings only)."""
        return read_folder(self._weights.fetch(settings_only=True))

    @property
    def _taken_from_files(self) -> bool:
        """Return True if settings files, and no card, decided more than a default does."""
        return self._spec.from_settings and bool(self.card.sources)

    @cached_property
    def _pooling(self) -> str:
        """Return the pooling: the card's, else the folder's, else what the architecture uses."""
        found = self.card.pooling or self._facts.pooling
        if found in ("mean", "cls", "last"):
            return found
        if found:
            raise BadInput(
                f"the pooling {found!r} of model {self.name!r} is not supported",
                fix="Choose one: --pooling mean, cls or last",
            )
        return "last" if self._facts.causal else "mean"

    @cached_property
    def _include_prompt(self) -> bool:
        """Return whether the instruction's tokens take part in the mean."""
        told = self.card.options.get("exclude_prompt")
        if told is None and not self.card.pooling:
            return self._facts.include_prompt
        return not told

    def _truncation_side(self, role: Role) -> str:
        """Return the side that is cut off; a card with a pooling that names none means the right.

        Nobody wrote the card where it has no pooling: the folder's side counts.
        """
        said = self.card.options.get("truncation_side")
        return str(said or "right") if self.card.pooling else super()._truncation_side(role)

    @cached_property
    def _tokens(self) -> Tokens:
        """Load the tokenizer."""
        from models.backends.tokens import TokenSettings

        settings = TokenSettings(
            truncation_side=self._truncation_side("document"),
            append_eos=bool(self.card.options.get("append_eos", False)),
            lower_case=self._facts.lower_case,
        )
        return self._load_tokens(self._facts.first_module, settings)

    @cached_property
    def _model(self) -> LoadedModel:
        """Load the weights."""
        from models.backends.st_model import LoadedModel, Recipe

        loading = self._loading()
        self._check_lengths()
        bidirectional = bool(self.card.options.get("bidirectional", False))
        return LoadedModel(Recipe(loading, self._pooling, self.card.normalize, bidirectional))

    def _check_lengths(self) -> None:
        """Raise `BadInput` for a limit of the card that the network has no positions for."""
        for role in ROLES:
            self._check_positions(role, self._limit(role))
