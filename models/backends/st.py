"""Embeds with sentence-transformers: hub models and folders, on a CPU or one GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput
from harness.core.types import ROLES, Json, PromptFields, Role, VectorSpace
from models.card import ModelCard
from models.devices import CPU, compute_dtype, find_device
from models.folders import FolderFacts, read_folder
from models.prompts import escape_template, render
from models.spec import ModelSpec
from models.st_settings import check_dense
from models.weights import Weights, find_weights

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


class SentenceTransformerEmbedder:
    """Embeds with a transformer, pooled and normalised here.

    The card decides; where it is silent the folder's own settings do (pooling, lengths, side of
    truncation). Only `token_counts` (the tokenizer) and `encode` load anything.
    """

    def __init__(self, spec: ModelSpec) -> None:
        card, runtime = spec.card, spec.runtime
        self._spec = spec
        self._runtime = runtime
        self._device = find_device(runtime.device)
        self._dtype = compute_dtype(runtime.dtype, card.dtype, self._device)
        if card.options.get("remote_code") and not runtime.trust_remote_code:
            raise BadInput(
                f"the model {card.name!r} runs code from its own repository",
                fix="Read that code; if you trust it, pass --trust-remote-code.",
            )

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
        taken: dict[str, Any] = {
            "normalize": facts.normalizes or similarity in ("", "cosine"),
            "similarity": "" if similarity in ("", "cosine", "dot") else similarity,
            "query_instruction": escape_template(facts.query_prompt),
            "document_instruction": escape_template(facts.document_prompt),
        }
        open_fields = {key: value for key, value in taken.items() if key not in spec.given}
        unlike = {key for key, value in open_fields.items() if value != getattr(spec.card, key)}
        sources = dict.fromkeys(sorted(unlike), "the model's config_sentence_transformers.json")
        if "normalize" in unlike:
            sources["normalize"] = "the model's modules.json"
        return replace(spec.card, **open_fields, sources={**spec.card.sources, **sources})

    @property
    def similarity(self) -> str:
        """Return how a query and a document are scored; see `ModelCard.similarity`."""
        return self.card.similarity

    @property
    def name(self) -> str:
        """Return the card's name."""
        return self._spec.card.name

    @property
    def batch_tokens(self) -> int:
        """Return the padded tokens of one batch."""
        own = CPU_BATCH_TOKENS if self._device == CPU else GPU_BATCH_TOKENS
        return self._runtime.batch_tokens or own

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run."""
        return {
            "card": self.card.name,
            "model": self.card.hub_id or self.card.name,
            "weights": self._weights.identity,
            "backend": BACKEND,
            "dtype": self._dtype,
            "pooling": self._pooling,
            "normalize": self.card.normalize,
            "query_instruction": self.card.query_instruction,
            "document_instruction": self.card.document_instruction,
            "max_query_length": self._limit("query"),
            "max_document_length": self._limit("document"),
            "truncation_side": self._truncation_side,
            "dimension": self.card.dimension,
            "options": self._recipe_options,
            **({"settings_from": dict(self.card.sources)} if self._taken_from_files else {}),
        }

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Return the card's instruction for a task."""
        return render(self.card, role, prompt_fields)

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's vectors."""
        return VectorSpace(
            model=self.card.hub_id or self.card.name,
            weights=self._weights.identity,
            backend=BACKEND,
            pooling=self._pooling,
            normalize=self.card.normalize,
            role=role,
            instruction=instruction,
            max_length=self._limit(role),
            dtype=self._dtype,
            truncation_side=self._truncation_side,
            tokenizer="in-weights-hash",
            dimension=self.card.dimension,
            options=self._recipe_options,
        )

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

    def close(self) -> None:
        """Let go of the weights and the memory they take; the next `encode` loads them again."""
        if self.__dict__.pop("_model", None) is not None:
            from models.backends.st_loading import free_memory

            free_memory()

    @cached_property
    def _weights(self) -> Weights:
        """Return which weights these are."""
        return find_weights(self._spec.card, self._runtime.weights)

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

    @cached_property
    def _truncation_side(self) -> str:
        """Return the side that is cut off: the card's; the folder's where no card is written."""
        told = self.card.options.get("truncation_side")
        return str(told or ("right" if self.card.pooling else self._facts.truncation_side))

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input: the card's limit, else the folder's own (0: all)."""
        return self.card.max_length(role) or self._facts.limit

    @cached_property
    def _recipe_options(self) -> dict[str, Json]:
        """Return what else changes a vector."""
        return {
            "recipe": RECIPE,
            "exclude_prompt": not self._include_prompt,
            "append_eos": bool(self.card.options.get("append_eos", False)),
            "bidirectional": bool(self.card.options.get("bidirectional", False)),
            "trust_remote_code": self._runtime.trust_remote_code,
        }

    @cached_property
    def _tokens(self) -> Tokens:
        """Load the tokenizer."""
        from models.backends.tokens import Tokens, TokenSettings, load_tokenizer

        folder = self._weights.fetch(settings_only=True)
        facts = self._facts
        tokenizer = load_tokenizer(
            folder / facts.first_module, trust_remote_code=self._runtime.trust_remote_code
        )
        settings = TokenSettings(
            truncation_side=self._truncation_side,
            append_eos=bool(self.card.options.get("append_eos", False)),
            lower_case=facts.lower_case,
        )
        return Tokens(tokenizer, settings)

    @cached_property
    def _model(self) -> LoadedModel:
        """Load the weights."""
        from models.backends.st_model import LoadedModel, Recipe

        folder = self._weights.fetch()
        self._check_positions()
        return LoadedModel(
            Recipe(
                name=self.name,
                folder=folder,
                device=self._device,
                dtype=self._dtype,
                pooling=self._pooling,
                normalize=self.card.normalize,
                bidirectional=bool(self.card.options.get("bidirectional", False)),
                trust_remote_code=self._runtime.trust_remote_code,
            )
        )

    def _check_positions(self) -> None:
        """Raise `BadInput` for a limit beyond the model's table of positions."""
        positions = self._facts.positions
        for role in ROLES:
            if positions and not 0 < self._limit(role) <= positions:
                raise BadInput(
                    f"model {self.name!r} has {positions} positions, but a {role} may have "
                    f"{self._limit(role) or 'any number of'} tokens",
                    fix=f"Pass --max-length {positions} or less.",
                )
