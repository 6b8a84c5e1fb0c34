"""Embeds with vLLM's offline engine: the same tokens in, the same vectors out, faster on GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput
from harness.core.types import Json, Role, VectorSpace
from models.backends.pooling import unit_rows
from models.backends.st import SentenceTransformerEmbedder
from models.spec import ModelSpec

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix
    from models.backends.vllm_engine import PoolingEngine

BACKEND = "vllm"
BATCH_TOKENS = 2**20
"""vLLM makes its own batches: one `encode` call only has to be long enough to keep it busy, and
short enough that a killed run loses little."""
RECIPE = 1
"""Raised when the code here changes vectors, so that none of the old ones is served."""
SPEED_ONLY = frozenset(
    ("disable_log_stats", "distributed_executor_backend", "enforce_eager", "gpu_memory_utilization",
     "kv_cache_memory_bytes", "max_num_batched_tokens", "max_num_seqs", "pipeline_parallel_size",
     "tensor_parallel_size", "use_tqdm_on_load")
)  # fmt: skip
"""Engine arguments that change how fast vectors come, and not (beyond rounding) which."""
OURS = frozenset(
    ("convert", "dtype", "max_model_len", "model", "pooler_config", "runner", "skip_tokenizer_init",
     "tokenizer", "trust_remote_code")
)  # fmt: skip
"""Engine arguments that follow from the card and the command line."""


class VllmEmbedder(SentenceTransformerEmbedder):
    """Embeds with `vllm.LLM(..., runner="pooling")`.

    Weights, pooling, lengths and tokens are found as for sentence-transformers, and vLLM is given
    token ids: so both backends read the same input, whatever vLLM would make of the folder. The
    card's `options.engine` is a table of further engine arguments (`tensor_parallel_size`,
    `gpu_memory_utilization`, `enforce_eager`, …). Raises `BadInput` for what vLLM cannot do.
    """

    backend = BACKEND

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        card = spec.card
        engine = card.options.get("engine", {})
        if not isinstance(engine, Mapping):
            raise BadInput(
                f"model {card.name!r}: options.engine = {engine!r}", fix="It must be a table."
            )
        taken = sorted(OURS & engine.keys())
        if taken:
            raise BadInput(
                f"model {card.name!r}: options.engine names {', '.join(taken)}",
                fix="These follow from the card's own fields and the command line; set them there.",
            )
        self._engine_options: Mapping[str, Json] = dict(engine)

    @property
    def batch_tokens(self) -> int:
        """Return the tokens of one `encode` call, not of one step of the engine."""
        return self._runtime.batch_tokens or BATCH_TOKENS

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights, and how they are run, engine arguments included."""
        return {**super().identity, "engine": self._engine_options}

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role's vectors."""
        kept = {key: value for key, value in self._engine_options.items() if key not in SPEED_ONLY}
        space = super().space(role, instruction)
        recipe: dict[str, Json] = {**space.options, "vllm_recipe": RECIPE, "engine": kept}
        return replace(space, options=recipe)

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        """Return float32 `[n, d]`, rows of norm 1 if so meant; raises `ModelError`."""
        import numpy as np

        if not texts:
            return np.zeros((0, self.card.dimension), dtype=np.float32)
        limit = self._limit(role)
        ids = self._tokens.take(texts, instruction, limit)
        vectors = self._engine.embed([each.tolist() for each in ids])
        self._tokens.forget(texts, instruction, limit)
        return unit_rows(vectors) if self.card.normalize else vectors

    def close(self) -> None:
        """End the engine and its processes; the next `encode` starts another."""
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.close()

    @cached_property
    def _engine(self) -> PoolingEngine:
        """Start the engine."""
        from models.backends.vllm_engine import EngineRecipe, PoolingEngine

        if not self._include_prompt and self._pooling == "mean":
            raise BadInput(
                f"model {self.name!r} leaves the instruction out of its mean, which vLLM cannot",
                fix="Pass --backend sentence-transformers.",
            )
        folder = self._weights.fetch()
        if not (folder / "config.json").is_file():
            folder = folder / self._facts.first_module
        self._check_lengths()
        limits = (self._limit("query"), self._limit("document"))
        arguments: dict[str, Any] = dict(self._engine_options)
        if self.card.options.get("bidirectional"):
            overrides = arguments.get("hf_overrides") or {}
            arguments["hf_overrides"] = {**overrides, "is_causal": False}
        return PoolingEngine(
            EngineRecipe(
                name=self.name,
                folder=folder,
                device=self._device,
                dtype=self._dtype,
                pooling=self._pooling,
                max_length=max(limits) if all(limits) else 0,
                trust_remote_code=self._runtime.trust_remote_code,
                arguments=arguments,
            )
        )
