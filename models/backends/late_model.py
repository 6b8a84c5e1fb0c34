"""A late-interaction model in memory: one batch of token ids through its modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.types import Role, TokenVectors
from models.backends.cpu_linear import speed_up
from models.backends.st_loading import Loading, load_folder, memory_errors
from models.devices import CPU, limit_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64 = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Filling:
    """What short queries are filled up with: up to `length` tokens `token`, seen if `attend`."""

    length: int
    attend: bool
    token: int


class LoadedLateModel:
    """Weights in memory; `forward` takes one padded batch of a role's texts."""

    def __init__(self, how: Loading) -> None:
        self._model = load_folder("MultiVectorEncoder", how)
        self._device = how.device
        self.onednn_layers = 0
        if how.device == CPU:
            limit_threads()
            self.onednn_layers = speed_up(self._model)

    def forward(
        self, ids: Int64, mask: Int64, role: Role, filling: Filling | None = None
    ) -> TokenVectors:
        """Return the vectors of the tokens that count, for ids and mask, int64 `[n, t]`.

        Raises `OutOfMemory` where the batch does not fit.
        """
        import torch

        arrays = {"input_ids": ids, "attention_mask": mask}
        if filling is not None:
            arrays = filled_up(ids, mask, filling)
        with torch.inference_mode(), memory_errors():
            features = {
                name: torch.from_numpy(each).to(self._device) for name, each in arrays.items()
            }
            features = self._model(features, task=role)
            counted = features["attention_mask"].bool()
            values = features["token_embeddings"][counted].float().cpu().numpy()
            lengths = counted.sum(dim=1).cpu().numpy()
        starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        return TokenVectors(values, starts)


def filled_up(ids: Int64, mask: Int64, filling: Filling) -> dict[str, Int64]:
    """Return the network's inputs with queries filled up, and which tokens were filled in."""
    room = max(0, filling.length - ids.shape[1])
    ids, mask = (np.pad(each, ((0, 0), (0, room))) for each in (ids, mask))
    added = (mask == 0) & (np.arange(ids.shape[1]) < filling.length)
    return {
        "input_ids": np.where(added, filling.token, ids),
        "attention_mask": np.where(added, 1, mask) if filling.attend else mask,
        "query_expansion_positions": added,
    }
