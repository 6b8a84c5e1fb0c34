"""Redapter as a loss for sentence-transformers, with or without gradient caching."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor, nn

from harness.core.errors import BadInput
from redapter.loss import StepEmbeddings, StepLoss, step_loss
from redapter.options import LossOptions


@dataclass(frozen=True, slots=True)
class _Side:
    """What the loss needs besides the embeddings that get gradient; each `[b, …]` or absent."""

    reasoning: Tensor | None
    difficulty: Tensor | None


class RedapterLoss(CachedLossMixin, nn.Module):
    """InfoNCE that weighs each query by its reasoning intensity (see `redapter.weights`).

    Input columns, by position as sentence-transformers hands them over: `anchor`,
    `reasoning_anchor` (only for the kinds `redapter` and `shuffled`; embedded without gradient),
    `positive`, `negative_1` … `negative_n`. A passage column may hold any multiple of the batch's
    rows; the first b rows of the first one are the positives. The kind `static` reads the label
    column (`score`) as each row's difficulty.

    Negatives are shared by all processes, so batches must be equally long on each: set
    `dataloader_drop_last=True`. The warm-up counts forward passes with gradient, as the released
    code does: optimizer steps times gradient accumulation. After resuming a run call
    `start_at(forward_passes_done)`. `mini_batch_size` above 0 embeds that many texts at a time by
    gradient caching (same gradients; memory of one mini-batch; a second forward pass). `last`
    holds the parts of the newest loss, for logs.

        loss = RedapterLoss(model, LossOptions(kappa=5.0), mini_batch_size=16)
        SentenceTransformerTrainer(model=model, args=args, train_dataset=rows, loss=loss).train()
    """

    def __init__(
        self,
        model: nn.Module,
        options: LossOptions | None = None,
        *,
        mini_batch_size: int = 0,
        seed: int = 42,
    ) -> None:
        """Hold the model; `seed` deals the order of the `shuffled` control."""
        super().__init__()
        self.model = model
        self.options = options or LossOptions()
        self.mini_batch_size = mini_batch_size
        self.uses_gradient_cache = mini_batch_size > 0
        self.seed = seed
        self.step = 0
        self.last: StepLoss | None = None

    def start_at(self, step: int) -> None:
        """Set the number of forward passes with gradient that were made before."""
        self.step = step

    def forward(
        self, sentence_features: Iterable[Mapping[str, Any]], labels: Tensor | None = None
    ) -> Tensor:
        """Return the scalar loss of the global batch; raises `BadInput` for missing columns."""
        features = [dict(each) for each in sentence_features]
        wanted = ["anchor", "positive"]
        if self.options.reads_reasoning:
            wanted.insert(1, "reasoning_anchor")
        if len(features) < len(wanted):
            raise BadInput(
                f"{len(features)} text columns for the loss {self.options.kind!r}",
                fix=f"It reads {', '.join(wanted)}, then any number of negatives, in that order.",
            )
        reasoning = None
        if self.options.reads_reasoning:
            column = features.pop(1)
            if self.step >= self.options.warmup_steps:  # before that, no weight depends on it
                reasoning = self._embed_reasoning(column)
        side = _Side(reasoning, labels if self.options.kind == "static" else None)
        if self.uses_gradient_cache and torch.is_grad_enabled():
            return self.forward_cached(features, cast(Any, side))
        queries, passages = self._embed(features[:1]), self._embed(features[1:])
        return self._from_embeddings(queries, passages, side)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False
    ) -> Tensor:
        """Return the loss from mini-batches of embeddings per column (for `CachedLossMixin`)."""
        queries = torch.cat(reps[0])
        passages = torch.cat([batch for column in reps[1:] for batch in column])
        value = self._from_embeddings(queries, passages, labels)
        if with_backward:
            value.backward()  # type: ignore[no-untyped-call]
            return value.detach()
        return value

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings, for the model card that sentence-transformers writes."""
        return {**asdict(self.options), "mini_batch_size": self.mini_batch_size}

    def _from_embeddings(self, queries: Tensor, passages: Tensor, side: _Side) -> Tensor:
        """Return the loss, keep its parts, and count the pass if it has gradient."""
        local = StepEmbeddings(queries, passages, side.reasoning, side.difficulty)
        found = step_loss(local, self.options, step=self.step, seed=self.seed)
        self.last = found
        if torch.is_grad_enabled():
            self.step += 1
        return found.value

    def _embed(self, columns: list[dict[str, Any]]) -> Tensor:
        """Return the embeddings of columns below one another, in one forward pass if they allow."""
        return torch.cat(embed_columns(self.model, columns, separate_first=False))

    def _embed_reasoning(self, features: dict[str, Any]) -> Tensor:
        """Return `[b, d]` without gradient, in mini-batches if gradients are cached.

        Dropout draws from a random stream of its own, so that the masks of queries and passages do
        not depend on whether the loss reads reasoning.
        """
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            torch.manual_seed((self.seed * 1_000_003 + self.step) % 2**63)
            if not self.uses_gradient_cache:
                return self.model(features)["sentence_embedding"]  # type: ignore[no-any-return]
            batches = self.embed_minibatch_iter(features, with_grad=False, copy_random_state=False)
            return torch.cat([embeddings for embeddings, _ in batches])
