"""One vLLM engine for pooling: started, asked for vectors, ended."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, MissingExtra, ModelError
from models.devices import CPU

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix

POOLING = {"mean": "MEAN", "cls": "CLS", "last": "LAST"}
"""Our names of poolings -> vLLM's."""
ENVIRONMENT = {
    # Its log goes to stdout by default, where only results belong.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_LOGGING_LEVEL": "ERROR",
    # It would report which models run on which hardware to its makers.
    "VLLM_NO_USAGE_STATS": "1",
}
"""What is set before vLLM is imported, unless the user has set it."""


@dataclass(frozen=True, slots=True)
class EngineRecipe:
    """How a folder's weights are run.

    `max_length` in tokens (0: the model's own); `device` is `cpu`, `cuda` or `cuda:N`;
    `arguments` go to the engine as they are.
    """

    name: str
    folder: Path
    device: str
    dtype: str
    pooling: str
    max_length: int = 0
    trust_remote_code: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


class PoolingEngine:
    """A running engine; `close` ends it and its processes.

    Raises `MissingExtra` without vLLM and `ModelError` where the engine does not start.
    """

    def __init__(self, recipe: EngineRecipe) -> None:
        self._recipe = recipe
        prepare_environment(recipe.device)
        try:
            from vllm import LLM
            from vllm.config import PoolerConfig
        except ImportError as error:
            if (error.name or "").partition(".")[0] != "vllm":
                raise ModelError(
                    f"the installed vLLM cannot be imported: {error}",
                    fix="Install vLLM with the versions it asks for, in an environment of its own.",
                ) from error
            raise MissingExtra("vllm", "vllm") from error
        pooler = PoolerConfig(seq_pooling_type=POOLING[recipe.pooling], use_activation=False)
        # Not taken from the cache of another text's prefix: a vector would depend on its company.
        arguments = {
            "enable_prefix_caching": False,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            **_for(recipe),
        }
        try:
            self._llm: Any = LLM(
                str(recipe.folder),
                runner="pooling",
                convert="embed",
                pooler_config=pooler,
                dtype=recipe.dtype,
                trust_remote_code=recipe.trust_remote_code,
                max_model_len=recipe.max_length or None,
                **{**arguments, **recipe.arguments},
            )
        except Exception as error:  # its many parts raise whatever they like
            raise ModelError(
                f"vLLM does not start with model {recipe.name!r}: {_first_line(error)}",
                fix="Where memory is short, lower the lengths or set options.engine."
                "gpu_memory_utilization in the card; `--backend sentence-transformers` runs it "
                "without vLLM. VLLM_LOGGING_LEVEL=INFO shows more.",
            ) from error

    def embed(self, ids: Sequence[Sequence[int]]) -> FloatMatrix:
        """Return float32 `[n, d]`, not scaled, for the token ids of n texts, in their order.

        Raises `ModelError` where the engine fails.
        """
        import numpy as np

        prompts = [{"prompt_token_ids": list(each)} for each in ids]
        try:
            outputs = self._llm.encode(prompts, pooling_task="embed", use_tqdm=False)
        except Exception as error:  # its many parts raise whatever they like
            raise ModelError(
                f"vLLM failed on model {self._recipe.name!r}: {_first_line(error)}",
                fix="Repeat the command (what is finished is kept); if it fails at the same text, "
                "pass --backend sentence-transformers.",
            ) from error
        rows = [output.outputs.data.float().cpu().numpy().reshape(-1) for output in outputs]
        return np.stack(rows).astype(np.float32, copy=False)

    def close(self) -> None:
        """End the engine and the processes it started.

        With `VLLM_ENABLE_V1_MULTIPROCESSING=0` engines share this process, and one that ends
        takes the others with it.
        """
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()


def _for(recipe: EngineRecipe) -> dict[str, Any]:
    """Return the engine arguments that depend on the device.

    On a CPU compiling takes minutes and gains little.
    """
    return {"enforce_eager": True} if recipe.device == CPU else {}


def prepare_environment(device: str) -> None:
    """Set what vLLM reads from the environment when it is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    kind, _, number = device.partition(":")
    if kind == "cuda" and number:
        # vLLM has no argument for this; it takes the first of the devices it sees.
        seen = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
        if seen and int(number) >= len(seen):
            raise BadInput(
                f"the device {device!r} is not among CUDA_VISIBLE_DEVICES={','.join(seen)}",
                fix=f"Choose cuda:0 to cuda:{len(seen) - 1}.",
            )
        os.environ["CUDA_VISIBLE_DEVICES"] = seen[int(number)] if seen else number


def _first_line(error: BaseException) -> str:
    """Return the first line that says something, with the kind of error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no reason given'}"
