"""Head training: the encoder stays frozen, and a dense layer over its sentence vectors is trained.

The layer is square, without bias, and starts as the identity, so that training starts from the
encoder itself. Every text is embedded once; a step is then one small matrix product, and hundreds
of steps take a second. A linear map followed by normalisation gives the same vector whatever the
length of its input, so unit vectors from an embedding cache serve as well as raw pooled ones. There
is no dropout: variants that share seed and rows see the same inputs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from harness.core.errors import ModelError
from harness.core.protocols import Reporter
from redapter.batches import draw
from redapter.checkpoints import TrainingFolder
from redapter.collate import DrawnRows
from redapter.config import WARMUP_DECAY, RunConfig, TrainConfig
from redapter.schedule import WarmupDecay, warmup_steps
from redapter.steplog import append_line, step_values

if TYPE_CHECKING:
    from torch import Tensor

    from harness.core.types import FloatMatrix
    from redapter.encoder import Encoder
    from redapter.loss import StepLoss

TextRole: TypeAlias = Literal["query", "reasoning", "document"]


class TextVectors(Protocol):
    """Sentence vectors of the frozen encoder."""

    def __call__(self, texts: Sequence[str], role: TextRole) -> FloatMatrix:
        """Return float32 `[n, d]`, one row a text; their lengths do not matter."""


class StepObserver(Protocol):
    """Looks at the steps of a training as they are made."""

    def __call__(self, number: int, rows: Sequence[int], step: StepLoss) -> None:
        """Take step `number` (from 0): its rows, in the order of the step's `[B]` tensors."""


@dataclass(frozen=True, slots=True)
class EncoderVectors:
    """`TextVectors` by the encoder itself, texts cut at the recipe's lengths."""

    encoder: Encoder
    config: RunConfig

    def __call__(self, texts: Sequence[str], role: TextRole) -> FloatMatrix:
        """Return float32 `[n, d]`."""
        data, model = self.config.data, self.encoder.model
        lengths = {
            "query": data.max_query_length,
            "reasoning": data.max_reasoning_length,
            "document": data.max_passage_length,
        }
        before = model.max_seq_length
        model.max_seq_length = lengths[role]
        try:
            vectors: FloatMatrix = model.encode(list(texts), show_progress_bar=False)
        finally:
            model.max_seq_length = before
        return vectors


def train_head(
    config: RunConfig,
    rows: DrawnRows,
    vectors: TextVectors,
    folder: TrainingFolder,
    reporter: Reporter,
    observe: StepObserver | None = None,
) -> FloatMatrix:
    """Return the trained layer `[d, d]`, float32; a line a step goes into the folder's log.

    `observe` is handed every step's rows with their losses and weights. Raises `ModelError` at the
    first step whose loss is not finite, naming its rows.
    """
    import torch

    folder.cut_log(0)
    table = _VectorTable.of(rows, vectors, reads_reasoning=config.loss.reads_reasoning)
    width = table.vectors.shape[1]
    head = torch.nn.Parameter(torch.eye(width))
    train = config.train
    optimizer = torch.optim.AdamW([head], lr=train.learning_rate, weight_decay=train.weight_decay)
    schedule = _schedule(optimizer, train, len(rows.steps))
    with reporter.bar("training", len(rows.steps), "steps") as advance:
        for number in range(len(rows.steps)):
            start = time.monotonic()
            rate = optimizer.param_groups[0]["lr"]
            step = _step_loss(config, rows, number, table, head)
            _check_finite(step, rows, number)
            if observe is not None:
                observe(number, rows.steps[number].rows, step)
            optimizer.zero_grad()
            step.value.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_([head], train.max_grad_norm or float("inf"))
            optimizer.step()
            schedule.step()
            line = _log_line(config, rows, number, step)
            line |= {"learning_rate": rate, "grad_norm": float(norm)}
            append_line(folder.log, {**line, "seconds": time.monotonic() - start})
            advance(1)
    trained: FloatMatrix = head.detach().numpy()
    return trained


def with_head(encoder: Encoder, head: FloatMatrix) -> Encoder:
    """Return the encoder with the trained layer behind its pooling, before the normalisation."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize

    width = len(head)
    dense = Dense(
        width, width, bias=False, activation_function=None, init_weight=torch.from_numpy(head)
    )
    modules = [each for each in encoder.model if not isinstance(each, Normalize)]
    model = SentenceTransformer(modules=[*modules, dense, Normalize()], device="cpu")
    return replace(encoder, model=model)


@dataclass(frozen=True, slots=True)
class _VectorTable:
    """Every text that a run can draw: its row in `vectors` `[n, d]`, by text, a map per role."""

    vectors: Tensor
    queries: Mapping[str, int]
    reasoning: Mapping[str, int]
    passages: Mapping[str, int]

    @classmethod
    def of(cls, rows: DrawnRows, vectors: TextVectors, *, reads_reasoning: bool) -> _VectorTable:
        """Embed the texts of all rows, each once per role."""
        import torch

        used = [rows.examples[row] for row in sorted({r for s in rows.steps for r in s.rows})]
        texts: dict[TextRole, list[str]] = {
            "query": [each.query for each in used],
            "reasoning": [each.reasoning for each in used] if reads_reasoning else [],
            "document": [text for each in used for text in (*each.pos, *each.neg)],
        }
        parts: list[FloatMatrix] = []
        places: dict[TextRole, dict[str, int]] = {}
        count = 0
        for role, listed in texts.items():
            distinct = list(dict.fromkeys(listed))
            places[role] = {text: count + at for at, text in enumerate(distinct)}
            count += len(distinct)
            if distinct:
                parts.append(np.asarray(vectors(distinct, role), dtype=np.float32))
        matrix = torch.from_numpy(np.concatenate(parts))
        return cls(matrix, places["query"], places["reasoning"], places["document"])


def _step_loss(
    config: RunConfig, rows: DrawnRows, number: int, table: _VectorTable, head: Tensor
) -> StepLoss:
    import torch

    from redapter.loss import StepEmbeddings, step_loss

    step = rows.steps[number]
    drawn = [draw(rows.examples[row], row, step, seed=rows.seed) for row in step.rows]
    groups = zip(*(each.passages for each in drawn), strict=True)
    queries = [table.queries[each.query] for each in drawn]
    passages = [table.passages[text] for group in groups for text in group]
    reasoning = None
    if config.loss.reads_reasoning and number >= config.loss.warmup_steps:
        with torch.no_grad():
            reasoning = table.vectors[[table.reasoning[each.reasoning] for each in drawn]] @ head.T
    embeddings = StepEmbeddings(
        queries=table.vectors[queries] @ head.T,
        passages=table.vectors[passages] @ head.T,
        reasoning=reasoning,
        difficulty=torch.tensor([each.difficulty for each in drawn]),
    )
    return step_loss(embeddings, config.loss, step=number, seed=config.train.seed)


def _check_finite(step: StepLoss, rows: DrawnRows, number: int) -> None:
    import torch

    if torch.isfinite(step.value):
        return
    members = rows.steps[number].rows
    bad = [
        rows.examples[row].where
        for row, loss in zip(members, step.losses.tolist(), strict=True)
        if not np.isfinite(loss)
    ]
    raise ModelError(
        f"the loss of step {number + 1} is not a number: {'; '.join(bad[:8]) or 'all rows'}",
        fix="Look at those rows, or lower train.learning_rate.",
    )


def _log_line(config: RunConfig, rows: DrawnRows, number: int, step: StepLoss) -> dict[str, Any]:
    planned = rows.steps[number]
    return {
        "step": number + 1,
        "epoch": planned.epoch,
        "task": planned.task,
        "queries": len(planned.rows),
        "passages": len(planned.rows) * planned.group_size,
        **step_values(step, config.loss),
    }


def _schedule(optimizer: Any, train: TrainConfig, steps: int) -> Any:
    """Return the learning-rate schedule that the recipe names."""
    warmup = warmup_steps(train.warmup_ratio, steps)
    if train.scheduler == WARMUP_DECAY:
        from torch.optim.lr_scheduler import LambdaLR

        return LambdaLR(optimizer, WarmupDecay(warmup, steps).share)
    from transformers.optimization import get_scheduler

    return get_scheduler(
        train.scheduler, optimizer, num_warmup_steps=warmup, num_training_steps=steps
    )
