"""Weighs terms with SparseEncoder of sentence-transformers: SPLADE and kin.

Queries and documents may go through different modules (a router): an inference-free query is its
own tokens, weighed by a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput
from harness.core.types import ROLES, Json, PromptFields, Role, VectorSpace
from models.card import ModelCard
from models.devices import CPU, compute_dtype, find_device
from models.prompts import escape_template, render
from models.sparse_folders import Route, SparseFacts, read_sparse_folder
from models.spec import ModelSpec
from models.weights import Weights, find_weights

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


class SparseEncoderEmbedder:
    """A sparse encoder's terms and weights, whole: how many of them count is settled in the search.

    The card decides; where it is silent the folder's own settings do. Only `token_counts` and
    `terms` (the tokenizer) and `encode` load anything. Raises `BadInput` for code of the model's
    own that is not trusted, and for a score other than inner product or cosine.
    """

    def __init__(self, spec: ModelSpec) -> None:
        card, runtime = spec.card, spec.runtime
        self._spec = spec
        self._runtime = runtime
        self._device = find_device(runtime.device)
        self._dtype = compute_dtype(runtime.dtype, card.dtype, self._device)
        self._loaded_tokens: dict[Role, Tokens] = {}
        if card.options.get("remote_code") and not runtime.trust_remote_code:
            raise BadInput(
                f"the model {card.name!r} runs code from its own repository",
                fix="Read that code; if you trust it, pass --trust-remote-code.",
            )
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
        taken = {
            "similarity": facts.similarity if facts.similarity == "cosine" else "",
            "query_instruction": escape_template(facts.query_prompt),
            "document_instruction": escape_template(facts.document_prompt),
        }
        fields = {key: value for key, value in taken.items() if key not in spec.given}
        unlike = sorted(key for key, value in fields.items() if value != getattr(spec.card, key))
        sources = dict.fromkeys(unlike, "the model's config_sentence_transformers.json")
        changed: dict[str, Any] = {"normalize": False, **fields}
        return replace(spec.card, **changed, sources={**spec.card.sources, **sources})

    @property
    def name(self) -> str:
        """Return the card's name."""
        return self._spec.card.name

    @property
    def similarity(self) -> str:
        """Return `cosine`, or empty for the inner product."""
        return "cosine" if self.card.similarity == "cosine" else ""

    @property
    def batch_tokens(self) -> int:
        """Return the padded tokens of one batch."""
        own = CPU_BATCH_TOKENS if self._device == CPU else GPU_BATCH_TOKENS
        return self._runtime.batch_tokens or own

    def max_active(self, role: Role) -> int:
        """Return the heaviest terms that count: the flag's, the card's, the model's own; 0: all."""
        said = self.card.options.get(f"max_active_{role}")
        return said if isinstance(said, int) and said > 0 else self._facts.max_active

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run."""
        return {
            "card": self.card.name,
            "model": self.card.hub_id or self.card.name,
            "weights": self._weights.identity,
            "backend": BACKEND,
            "dtype": self._dtype,
            "similarity": self.similarity or "dot",
            "query_instruction": self.card.query_instruction,
            "document_instruction": self.card.document_instruction,
            "dimension": self.card.dimension,
            "modules": {role: list(self._facts.routes[role].modules) for role in ROLES},
            "max_active": {role: self.max_active(role) for role in ROLES},
            "max_length": {role: self._limit(role) for role in ROLES},
            "truncation_side": {role: self._truncation_side(role) for role in ROLES},
            "options": self._recipe_options,
        }

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Return the card's instruction for a task."""
        return render(self.card, role, prompt_fields)

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's vectors, which hold every term with a weight."""
        return VectorSpace(
            model=self.card.hub_id or self.card.name,
            weights=self._weights.identity,
            backend=BACKEND,
            pooling="+".join(self._facts.routes[role].modules),
            normalize=False,
            role=role,
            instruction=instruction,
            max_length=self._limit(role),
            dtype=self._dtype,
            truncation_side=self._truncation_side(role),
            tokenizer="in-weights-hash",
            dimension=self.card.dimension,
            options=self._recipe_options,
            kind="sparse",
        )

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

    def close(self) -> None:
        """Let go of the weights and the memory they take; the next `encode` loads them again."""
        if self.__dict__.pop("_model", None) is not None:
            from models.backends.st_loading import free_memory

            free_memory()

    @cached_property
    def _weights(self) -> Weights:
        return find_weights(self._spec.card, self._runtime.weights)

    @cached_property
    def _facts(self) -> SparseFacts:
        """Return what the model's folder says of itself (from the hub: its settings only)."""
        return read_sparse_folder(self._weights.fetch(settings_only=True))

    def _route(self, role: Role) -> Route:
        return self._facts.routes[role]

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input: the card's limit, else the folder's own (0: all).

        Raises `BadInput` for one beyond the network's table of positions.
        """
        inputs = self._route(role).inputs
        limit = self.card.max_length(role) or inputs.limit
        if inputs.positions and not 0 < limit <= inputs.positions:
            raise BadInput(
                f"model {self.name!r} has {inputs.positions} positions, but a {role} may have "
                f"{limit or 'any number of'} tokens",
                fix=f"Pass --max-length {inputs.positions} or less.",
            )
        return limit

    def _truncation_side(self, role: Role) -> str:
        """Return the side that is cut off: the card's, else the folder's."""
        said = self.card.options.get("truncation_side")
        return str(said or self._route(role).inputs.truncation_side)

    @cached_property
    def _recipe_options(self) -> dict[str, Json]:
        """Return what else changes a vector."""
        return {"recipe": RECIPE, "trust_remote_code": self._runtime.trust_remote_code}

    def _tokens(self, role: Role) -> Tokens:
        """Load the tokenizer of a role's first module, once."""
        from models.backends.tokens import Tokens, TokenSettings, load_tokenizer

        if role not in self._loaded_tokens:
            route = self._route(role)
            folder = self._weights.fetch(settings_only=True) / route.folder
            tokenizer = load_tokenizer(folder, trust_remote_code=self._runtime.trust_remote_code)
            settings = TokenSettings(
                truncation_side=self._truncation_side(role),
                lower_case=route.inputs.lower_case,
                specials=not route.lookup,
            )
            self._loaded_tokens[role] = Tokens(tokenizer, settings)
        return self._loaded_tokens[role]

    @cached_property
    def _model(self) -> LoadedSparseModel:
        """Load the weights."""
        from models.backends.sparse_model import LoadedSparseModel
        from models.backends.st_loading import Loading

        return LoadedSparseModel(
            Loading(
                name=self.name,
                folder=self._weights.fetch(),
                device=self._device,
                dtype=self._dtype,
                trust_remote_code=self._runtime.trust_remote_code,
            )
        )
