"""Weighs terms with SparseEncoder of sentence-transformers: SPLADE and kin.

Queries and documents may go through different modules (a router): an inference-free query is its
own tokens, weighed by a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import BadInput
from harness.core.types import ROLES, Json, Role, VectorSpace
from models.backends.local import LocalEmbedder
from models.card import ModelCard
from models.folders import FolderFacts
from models.prompts import escape_template
from models.sparse_folders import Route, SparseFacts, read_sparse_folder
from models.spec import ModelSpec

if TYPE_CHECKING:
    from harness.core.types import IntVector, SparseRows
    from models.backends.sparse_model import LoadedSparseModel
    from models.backends.tokens import Tokens

BACKEND = "sparse"
CPU_BATCH_TOKENS = 512
"""Before pooling a token has a number for each of some 30,000 terms, 4 bytes each: 62 MB. Larger
batches are no faster (measured: benchmarks/sparse.py)."""
GPU_BATCH_TOKENS = 16_384
RECIPE = 1
"""Raised when the code here changes vectors, so that none of the old ones is served."""


class SparseEncoderEmbedder(LocalEmbedder):
    """A sparse encoder's terms and weights, whole: how many of them count is settled in the search.

    The card decides; where it is silent the folder's own settings do. Only `token_counts` and
    `terms` (the tokenizer) and `encode` load anything. Raises `BadInput` for code of the model's
    own that is not trusted, and for a score other than inner product or cosine.
    """

    backend = BACKEND
    cpu_batch_tokens = CPU_BATCH_TOKENS
    gpu_batch_tokens = GPU_BATCH_TOKENS

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        card = spec.card
        self._loaded_tokens: dict[Role, Tokens] = {}
        if card.similarity not in ("", "dot", "cosine"):
            raise BadInput(
                f"model {card.name!r} is a sparse encoder, scored by inner product or cosine, not "
                f"by {card.similarity} distance",
                fix="Pass --similarity dot or cosine.",
            )

    @cached_property
    def card(self) -> ModelCard:
        """Return the card; what nobody wrote or gave is taken from the model's settings files."""
        spec = self._spec
        if not spec.from_settings:
            return spec.card
        facts = self._facts
        fields = {
            "similarity": facts.similarity if facts.similarity == "cosine" else "",
            "query_instruction": escape_template(facts.query_prompt),
            "document_instruction": escape_template(facts.document_prompt),
        }
        return replace(spec.completed(fields, {}), normalize=False)

    @property
    def similarity(self) -> str:
        """Return `cosine`, or empty for the inner product."""
        return "cosine" if self.card.similarity == "cosine" else ""

    @property
    def recipe_options(self) -> dict[str, Json]:
        """Return what else changes a vector."""
        return {"recipe": RECIPE, "trust_remote_code": self._runtime.trust_remote_code}

    def inputs_of(self, role: Role) -> FolderFacts:
        """Return what the first module of a role's route says of tokenizer and network."""
        return self._route(role).inputs

    def max_active(self, role: Role) -> int:
        """Return the heaviest terms that count: the flag's, the card's, the model's own; 0: all."""
        said = self.card.options.get(f"max_active_{role}")
        return said if isinstance(said, int) and said > 0 else self._facts.max_active

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run."""
        return {
            **super().identity,
            "similarity": self.similarity or "dot",
            "modules": {role: list(self._route(role).modules) for role in ROLES},
            "max_active": {role: self.max_active(role) for role in ROLES},
            "max_length": {role: self._limit(role) for role in ROLES},
            "truncation_side": {role: self._truncation_side(role) for role in ROLES},
        }

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's vectors, which hold every term with a weight."""
        pooling = "+".join(self._route(role).modules)
        space = super().space(role, instruction)
        return replace(space, pooling=pooling, normalize=False, kind="sparse")

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return tokens per text before truncation, instruction and specials included."""
        return self._tokens(role).counts(texts, instruction, self._limit(role))

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> SparseRows:
        """Return canonical CSR float32 `[n, vocabulary]` for one batch, padded to its longest text.

        Raises `OutOfMemory` if it does not fit.
        """
        from models.backends.tokens import padded

        limit, tokens = self._limit(role), self._tokens(role)
        ids, mask = padded(tokens.take(texts, instruction, limit), tokens.padding_id)
        rows = self._model.forward(ids, mask, role)
        tokens.forget(texts, instruction, limit)
        return rows

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Return the vocabulary's terms of these components, as the tokenizer writes them."""
        from models.backends.tokens import vocabulary_terms

        folder = self._weights.fetch(settings_only=True) / self._route("document").folder
        listed = vocabulary_terms(folder, columns)
        return self._tokens("document").names(columns) if listed is None else listed

    @cached_property
    def _facts(self) -> SparseFacts:
        """Return what the model's folder says of itself (from the hub: its settings only)."""
        return read_sparse_folder(self._weights.fetch(settings_only=True))

    def _route(self, role: Role) -> Route:
        return self._facts.routes[role]

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input; raises `BadInput` if the network has too few."""
        limit = super()._limit(role)
        self._check_positions(role, limit)
        return limit

    def _tokens(self, role: Role) -> Tokens:
        """Load the tokenizer of a role's first module, once."""
        from models.backends.tokens import TokenSettings

        if role not in self._loaded_tokens:
            route = self._route(role)
            settings = TokenSettings(
                truncation_side=self._truncation_side(role),
                lower_case=route.inputs.lower_case,
                specials=not route.lookup,
            )
            self._loaded_tokens[role] = self._load_tokens(route.folder, settings)
        return self._loaded_tokens[role]

    @cached_property
    def _model(self) -> LoadedSparseModel:
        """Load the weights."""
        from models.backends.sparse_model import LoadedSparseModel

        return LoadedSparseModel(self._loading())
