"""A sentence-transformers model in memory: loading it, and one batch through it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.core.errors import ModelError
from models.backends.cpu_linear import lower_weights, speed_up
from models.backends.pooling import pool
from models.backends.st_loading import Loading, load_folder, memory_errors
from models.devices import CPU, limit_threads
from models.folders import CAUSAL_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.core.types import FloatMatrix

    Int64 = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a folder's weights are run.

    `bidirectional` lets every token of a decoder see all others; `normalize` scales the rows to
    norm 1 in float32.
    """

    loading: Loading
    pooling: str
    normalize: bool
    bidirectional: bool = False

    @property
    def mixed(self) -> bool:
        """Return True if only products are in bfloat16: on a CPU the rest is as fast in float32."""
        return self.loading.device == CPU and self.loading.dtype == "bfloat16"


class LoadedModel:
    """Weights in memory; `forward` takes one padded batch."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        modules = list(_load(recipe).children())
        self._transformer, self._after = _split(modules, recipe.loading.name)
        network = self._transformer.model
        self._both_ways = (
            recipe.bidirectional or getattr(network.config, "is_causal", None) is False
        )
        if self._both_ways:
            _see_both_ways(network)
        self._pads_need_mask = self._both_ways or not _is_plain_decoder(network)
        if recipe.mixed:
            lower_weights(network)
        self.onednn_layers = 0
        if recipe.loading.device == CPU:
            limit_threads()
            self.onednn_layers = speed_up(network)

    def forward(self, ids: Int64, mask: Int64, prompt: int) -> FloatMatrix:
        """Return float32 `[n, d]` for ids and mask, int64 `[n, t]`, padded on the right.

        The first `prompt` tokens are left out of a mean. Raises `OutOfMemory` where the batch
        does not fit.
        """
        import torch

        mixed = torch.autocast(CPU, dtype=torch.bfloat16, enabled=self._recipe.mixed)
        with torch.inference_mode(), memory_errors(), mixed:
            device = self._recipe.loading.device
            tokens = torch.from_numpy(ids).to(device)
            real = torch.from_numpy(mask).to(device)
            features = {"input_ids": tokens}
            # What stands to the right of a decoder's text is not seen by it: without a mask the
            # attention takes its fast causal path, and the real tokens come out the same.
            if self._pads_need_mask:
                features["attention_mask"] = real
            hidden = self._transformer(features)["token_embeddings"]
            vectors = self._finish(pool(hidden, real, self._recipe.pooling, prompt))
            result: FloatMatrix = vectors.cpu().numpy()
            return result

    def _finish(self, vectors: Tensor) -> Tensor:
        """Return the vectors after the modules behind the pooling, scaled if that is wanted."""
        import torch

        for module in self._after:
            weight = next(module.parameters(), None)
            vectors = vectors if weight is None else vectors.to(weight.dtype)
            vectors = module({"sentence_embedding": vectors})["sentence_embedding"].float()
        if self._recipe.normalize:
            vectors = torch.nn.functional.normalize(vectors.float(), dim=1)
        return vectors.float()


def _load(recipe: Recipe) -> Any:
    """Return the SentenceTransformer of a folder, in the format and on the device asked for."""
    how = replace(recipe.loading, dtype="float32") if recipe.mixed else recipe.loading
    return load_folder("SentenceTransformer", how)


def _split(modules: list[Any], name: str) -> tuple[Any, list[Any]]:
    """Return the transformer and what follows the pooling, scaling left out (it is done here)."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    first, rest = modules[0], modules[1:]
    if not hasattr(first, "model") or not hasattr(first, "get_embedding_dimension"):
        raise ModelError(
            f"the model {name!r} begins with a {type(first).__name__} and not a transformer",
            fix='Static models have a card with backend = "static".',
        )
    after = [module for module in rest if not isinstance(module, (Pooling, Normalize))]
    return first, after


def _see_both_ways(network: Any) -> None:
    """Let a decoder's tokens see all others.

    Masks follow the config. Where no text is padded there is none, and attention falls back on
    a switch of each layer, unless the config's value is passed on as transformers 5.23 does:
    both are set, so that no version is causal in those batches only.
    """
    network.config.is_causal = False
    for module in network.modules():
        if getattr(module, "is_causal", None) is True:
            module.is_causal = False


def _is_plain_decoder(network: Any) -> bool:
    """Tell whether this is one of transformers' own causal models."""
    own = type(network).__module__.startswith("transformers.")
    return own and getattr(network.config, "model_type", "") in CAUSAL_TYPES
