"""Vectors of each token with MultiVectorEncoder of sentence-transformers: ColBERT and kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput
from harness.core.types import ROLES, Json, Role, TokenVectors, VectorSpace
from models.backends.local import LocalEmbedder
from models.card import LATE_SIMILARITIES, ModelCard
from models.folders import FolderFacts
from models.late_folders import Expansion, LateFacts, read_late_folder
from models.prompts import escape_template
from models.spec import ModelSpec

if TYPE_CHECKING:
    from harness.core.types import IntVector
    from models.backends.late_model import LoadedLateModel
    from models.backends.tokens import Tokens

BACKEND = "late"
CPU_BATCH_TOKENS = 4096
GPU_BATCH_TOKENS = 32_768
RECIPE = 1
"""Raised when the code here changes vectors, so that none of the old ones is served."""


class MultiVectorEmbedder(LocalEmbedder):
    """A late-interaction model's token vectors; documents' are rounded if the card says so.

    The card decides; where it is silent the folder's own settings do. Only `token_counts` (the
    tokenizer) and `encode` load anything. Raises `BadInput` for code of the model's own that is
    not trusted, and for a score that is not of MaxSim's kind.
    """

    backend = BACKEND
    cpu_batch_tokens = CPU_BATCH_TOKENS
    gpu_batch_tokens = GPU_BATCH_TOKENS

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        if spec.card.similarity not in ("", *LATE_SIMILARITIES):
            raise BadInput(
                f"model {spec.card.name!r} has a vector a token, scored by MaxSim, not by "
                f"{spec.card.similarity}",
                fix="Pass --similarity maxsim or meanmaxsim.",
            )

    @cached_property
    def card(self) -> ModelCard:
        """Return the card; what nobody wrote or gave is taken from the model's settings files.

        Markers before a text are the folder's in any case where a card names none: a model
        without its own is another model.
        """
        spec, facts = self._spec, self._facts
        fields: dict[str, Any] = {
            "query_instruction": escape_template(facts.prompts["query"]),
            "document_instruction": escape_template(facts.prompts["document"]),
        }
        if not spec.from_settings:
            unsaid = {key: value for key, value in fields.items() if not getattr(spec.card, key)}
            return spec.completed(unsaid, {})
        fields |= {
            "similarity": "" if facts.similarity == "maxsim" else facts.similarity,
            "normalize": facts.normalizes,
        }
        return spec.completed(fields, {"normalize": "modules.json"})

    @property
    def similarity(self) -> str:
        """Return `maxsim` or `meanmaxsim`."""
        return self.card.similarity or self._facts.similarity

    @property
    def device(self) -> str:
        """Return where the model runs, and its vectors are searched if that is a GPU."""
        return self._device

    @property
    def storage(self) -> str:
        """Return what documents' vectors are rounded to, one of the store's `ROUNDINGS`."""
        return str(self.card.options.get("token_storage") or "float32")

    @property
    def recipe_options(self) -> dict[str, Json]:
        """Return what else changes a vector."""
        expansion = self._expansion
        return {
            "recipe": RECIPE,
            "query_expansion": None if expansion is None else asdict(expansion),
            "skipped": list(self._facts.skipped),
            "trust_remote_code": self._runtime.trust_remote_code,
        }

    def inputs_of(self, role: Role) -> FolderFacts:
        """Return what the folder says: queries and documents go through the same modules."""
        del role
        return self._facts.inputs

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run."""
        return {
            **super().identity,
            "similarity": self.similarity,
            "modules": list(self._facts.modules),
            "storage": self.storage,
            "max_length": {role: self._limit(role) for role in ROLES},
            "truncation_side": self._truncation_side("document"),
        }

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's token vectors."""
        space = super().space(role, instruction)
        storage = self.storage if role == "document" else "float32"
        return replace(
            space,
            pooling="+".join(self._facts.modules),
            normalize=self._facts.normalizes,
            kind="multi-vector",
            options={**space.options, "storage": storage},
        )

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return tokens per text before truncation, instruction and specials included."""
        return self._tokens.counts(texts, instruction, self._limit(role))

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> TokenVectors:
        """Return the token vectors of one batch, padded to its longest text.

        Raises `OutOfMemory` if it does not fit.
        """
        from harness.core.rounding import rounded_to
        from models.backends.late_model import Filling
        from models.backends.tokens import padded

        limit, tokens = self._limit(role), self._tokens
        ids, mask = padded(tokens.take(texts, instruction, limit), tokens.padding_id)
        expansion = self._expansion if role == "query" else None
        filling = None
        if expansion is not None:
            filling = Filling(expansion.length, expansion.attend, tokens.id_of(expansion.token))
        vectors = self._model.forward(ids, mask, role, filling)
        tokens.forget(texts, instruction, limit)
        if role == "query":
            return vectors
        return replace(vectors, values=rounded_to(vectors.values, self.storage))

    @cached_property
    def _facts(self) -> LateFacts:
        """Return what the model's folder says of itself (from the hub: its settings only)."""
        return read_late_folder(self._weights.fetch(settings_only=True))

    @property
    def _expansion(self) -> Expansion | None:
        """Return the folder's expansion; a card's query length is the width of a fixed one."""
        expansion, length = self._facts.expansion, self.card.max_query_length
        if expansion is None or not expansion.fixed or not length:
            return expansion
        return replace(expansion, length=length)

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input; raises `BadInput` if the network has too few."""
        own = self._facts.lengths[role] or self._facts.inputs.limit
        limit = self.card.max_length(role) or own
        expansion = self._expansion
        if role == "query" and expansion is not None:
            limit = max(limit, expansion.length) if limit else 0
        self._check_positions(role, limit)
        return limit

    @cached_property
    def _tokens(self) -> Tokens:
        """Load the tokenizer; markers before a text are one token each."""
        from models.backends.tokens import TokenSettings

        settings = TokenSettings(
            truncation_side=self._truncation_side("document"),
            lower_case=self._facts.inputs.lower_case,
        )
        return self._load_tokens(self._facts.first_module, settings, self._facts.prefixes)

    @cached_property
    def _model(self) -> LoadedLateModel:
        """Load the weights."""
        from models.backends.late_model import LoadedLateModel

        return LoadedLateModel(self._loading())
