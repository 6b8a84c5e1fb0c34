"""A sparse encoder in memory: its modules by role, and one batch of token ids through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.types import ROLES, Role
from models.backends.cpu_linear import speed_up
from models.backends.st_loading import Loading, load_folder, memory_errors
from models.devices import CPU, limit_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.core.types import SparseRows

    Int64 = NDArray[Any]


class LoadedSparseModel:
    """Weights in memory; `forward` takes one padded batch of a role's texts."""

    def __init__(self, how: Loading) -> None:
        model = load_folder("SparseEncoder", how)
        self._device = how.device
        self._chains: dict[Role, list[Any]] = {role: _chain(model, role) for role in ROLES}
        self.onednn_layers = 0
        if how.device == CPU:
            limit_threads()
            self.onednn_layers = speed_up(model)

    def forward(self, ids: Int64, mask: Int64, role: Role) -> SparseRows:
        """Return CSR float32 `[n, vocabulary]` for ids and mask, int64 `[n, t]`.

        Raises `OutOfMemory` where the batch does not fit.
        """
        import torch

        with torch.inference_mode(), memory_errors():
            features = {
                "input_ids": torch.from_numpy(ids).to(self._device),
                "attention_mask": torch.from_numpy(mask).to(self._device),
            }
            for module in self._chains[role]:
                if _takes_the_most(module):
                    features["sentence_embedding"] = _splade(features, module)
                else:
                    features = module(features)
            weights: NDArray[np.float32] = features["sentence_embedding"].float().cpu().numpy()
        return rows_of(weights)


def rows_of(weights: NDArray[np.float32]) -> SparseRows:
    """Return dense weights `[n, vocabulary]` as canonical CSR."""
    from scipy.sparse import csr_array

    rows, terms = np.nonzero(weights)
    starts = np.zeros(len(weights) + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=len(weights)), out=starts[1:])
    made = csr_array((weights[rows, terms], terms.astype(np.int32), starts), shape=weights.shape)
    made.has_canonical_format = True
    return made


def _chain(model: Any, role: Role) -> list[Any]:
    """Return the modules of one role: a router's own for it, or its default ones."""
    from sentence_transformers.base.modules import Router

    chain = []
    for module in model.children():
        if isinstance(module, Router):
            routes: Any = module.sub_modules
            chain += list(routes[role if role in routes else module.default_route])
        else:
            chain.append(module)
    return chain


def _takes_the_most(module: Any) -> bool:
    """Tell whether a module is SPLADE's pooling by the largest weight of all tokens."""
    return type(module).__name__ == "SpladePooling" and module.pooling_strategy == "max"


def _splade(features: dict[str, Tensor], pooling: Any) -> Tensor:
    """Return SPLADE's weights `[n, vocabulary]`: the most of `log(1 + relu(logit))` over a text.

    As `SpladePooling` of sentence-transformers, but the logarithm, which grows with its argument,
    is taken of the largest logit alone: of one number a term, and not of one a token and term.
    """
    logits, mask = features["token_embeddings"], features["attention_mask"]
    # Padding gets 0, which the relu makes of any logit below it.
    logits[mask == 0] = 0
    most = logits.amax(dim=1).relu_().log1p_()
    return most.log1p_() if pooling.activation_function == "log1p_relu" else most
