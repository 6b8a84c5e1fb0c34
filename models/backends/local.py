"""What the backends share that answer from a card, and those that run a model's folder here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import BadInput
from harness.core.types import Json, PromptFields, Role, VectorSpace
from models.backends.cpu_kernels import AUTO, auto_dtype, cpu_speeds, slower_note
from models.card import ModelCard
from models.devices import CPU, compute_dtype, find_device
from models.folders import FolderFacts
from models.prompts import render
from models.spec import ModelSpec
from models.weights import Weights, find_weights

if TYPE_CHECKING:
    from models.backends.st_loading import Loading
    from models.backends.tokens import Tokens, TokenSettings


class CardEmbedder:
    """The part of an embedder that its card alone decides."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._runtime = spec.runtime

    @property
    def card(self) -> ModelCard:
        """Return the card that is run."""
        return self._spec.card

    @property
    def name(self) -> str:
        """Return the card's name."""
        return self._spec.card.name

    @property
    def similarity(self) -> str:
        """Return how a query and a document are scored; see `ModelCard.similarity`."""
        return self.card.similarity

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Return the card's instruction for a task."""
        return render(self.card, role, prompt_fields)


class LocalEmbedder(CardEmbedder, ABC):
    """An embedder whose weights are a folder on this machine, fetched from the hub if need be.

    Settings files are read when a fact is asked for; the tokenizer is loaded to count and the
    weights to encode. A backend says what its folder's files decide (`inputs_of`), which options
    change a vector (`recipe_options`), and what pools and scales it.
    Raises `BadInput` for code of the model's own that is not trusted.
    """

    backend: str
    cpu_batch_tokens: int
    gpu_batch_tokens: int

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        card, runtime = spec.card, spec.runtime
        self._device = find_device(runtime.device)
        wanted = runtime.dtype
        if wanted == AUTO:
            wanted = auto_dtype(self._device, card.dtype)
        self._dtype = compute_dtype(wanted, card.dtype, self._device)
        if card.options.get("remote_code") and not runtime.trust_remote_code:
            raise BadInput(
                f"the model {card.name!r} runs code from its own repository",
                fix="Read that code; if you trust it, pass --trust-remote-code.",
            )

    @abstractmethod
    def inputs_of(self, role: Role) -> FolderFacts:
        """Return what the first module's folder of a role says of tokenizer and network."""

    @property
    @abstractmethod
    def recipe_options(self) -> dict[str, Json]:
        """Return what else changes a vector."""

    @property
    def batch_tokens(self) -> int:
        """Return the padded tokens of one batch."""
        usual = self.cpu_batch_tokens if self._device == CPU else self.gpu_batch_tokens
        return self._runtime.batch_tokens or usual

    @property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run."""
        return {
            "card": self.card.name,
            "model": self.card.hub_id or self.card.name,
            "weights": self._weights.identity,
            "backend": self.backend,
            "dtype": self._dtype,
            "query_instruction": self.card.query_instruction,
            "document_instruction": self.card.document_instruction,
            "dimension": self.card.dimension,
            "options": self.recipe_options,
        }

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's vectors."""
        return VectorSpace(
            model=self.card.hub_id or self.card.name,
            weights=self._weights.identity,
            backend=self.backend,
            pooling="",
            normalize=self.card.normalize,
            role=role,
            instruction=instruction,
            max_length=self._limit(role),
            dtype=self._dtype,
            truncation_side=self._truncation_side(role),
            tokenizer="in-weights-hash",
            dimension=self.card.dimension,
            options=self.recipe_options,
        )

    @property
    def machine_facts(self) -> Mapping[str, Json]:
        """Return how fast linear layers are on this CPU, and how many run in oneDNN.

        Empty on a GPU, and until the weights are loaded: stored vectors need no measuring.
        """
        loaded = self.__dict__.get("_model")
        if self._device != CPU or loaded is None:
            return {}
        speeds: dict[str, Json] = {
            name: round(speed, 1) for name, speed in asdict(cpu_speeds()).items()
        }
        layers = int(getattr(loaded, "onednn_layers", 0))
        return {"linear_layers": {"in_onednn": layers, "gflops": speeds}}

    @property
    def machine_note(self) -> str:
        """Return what speaks against how the model runs on this machine; empty: nothing."""
        if self._dtype != "bfloat16" or not self.machine_facts:
            return ""
        return slower_note(self.name, cpu_speeds())

    def close(self) -> None:
        """Let go of the weights and the memory they take; the next `encode` loads them again."""
        if self.__dict__.pop("_model", None) is not None:
            from models.backends.st_loading import free_memory

            free_memory()

    @cached_property
    def _weights(self) -> Weights:
        """Return which weights these are."""
        return find_weights(self._spec.card, self._runtime.weights)

    def _limit(self, role: Role) -> int:
        """Return the tokens kept of an input: the card's limit, else the folder's own (0: all)."""
        return self.card.max_length(role) or self.inputs_of(role).limit

    def _truncation_side(self, role: Role) -> str:
        """Return the side that is cut off: the card's, else the folder's."""
        said = self.card.options.get("truncation_side")
        return str(said or self.inputs_of(role).truncation_side)

    def _check_positions(self, role: Role, limit: int) -> None:
        """Raise `BadInput` for a limit beyond the network's table of positions."""
        positions = self.inputs_of(role).positions
        if positions and not 0 < limit <= positions:
            raise BadInput(
                f"model {self.name!r} has {positions} positions, but a {role} may have "
                f"{limit or 'any number of'} tokens",
                fix=f"Pass --max-length {positions} or less.",
            )

    def _load_tokens(
        self, module: str, settings: TokenSettings, markers: Sequence[str] = ()
    ) -> Tokens:
        """Load the tokenizer in a module's sub-folder; it leaves `markers` whole."""
        from models.backends.tokens import Tokens, keep_whole, load_tokenizer

        folder = self._weights.fetch(settings_only=True) / module
        trusted = self._runtime.trust_remote_code
        tokenizer = load_tokenizer(folder, trust_remote_code=trusted)
        keep_whole(tokenizer, markers)
        return Tokens(tokenizer, settings)

    def _loading(self) -> Loading:
        """Fetch the weights and return where they are and how to load them."""
        from models.backends.st_loading import Loading

        return Loading(
            name=self.name,
            folder=self._weights.fetch(),
            device=self._device,
            dtype=self._dtype,
            trust_remote_code=self._runtime.trust_remote_code,
        )
