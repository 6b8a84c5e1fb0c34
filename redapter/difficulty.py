"""A difficulty for each training row: the InfoNCE loss of the untrained base on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.protocols import Reporter
from harness.core.training_row import TrainingRow, read_rows, write_rows
from redapter.config import RunConfig
from redapter.encoder import Encoder, base_identity, build_encoder

if TYPE_CHECKING:
    from torch import Tensor

TEXTS_AT_ONCE = 32

_NO_PART_OF_IT = ("path", "difficulty", "limit", "short_negatives", "reasoning_format")
"""Keys of `data` that do not change how a text is read."""


def difficulty_identity(config: RunConfig) -> Mapping[str, Any]:
    """Return all of a recipe that decides the difficulty: base, text formats, temperature."""
    data, model = asdict(config.data), asdict(config.model)
    for key in _NO_PART_OF_IT:
        del data[key]
    del model["base"]
    return {
        "parent": base_identity(config.model),
        "data": data,
        "model": model,
        "temperature": config.loss.temperature,
    }


def write_difficulty(rows: Path, output: Path, config: RunConfig, reporter: Reporter) -> None:
    """Write the rows again with `conditions.difficulty`, in nats: 0 or more, higher is harder.

    A row's difficulty is the InfoNCE loss of its plain query by the untrained base over the row's
    own passages: for each positive against all negatives of the row, then the mean over
    positives. It is fixed before training, whereas Redapter's weights follow the model. Texts are
    read as in training (formats, lengths, temperature).
    """
    kept = list(read_rows(rows))
    encoder = build_encoder(config.model, replace(config.lora, rank=0), device="cpu")
    encoder.model.eval()

    def rated() -> Iterator[TrainingRow]:
        with reporter.bar("difficulty of rows", len(kept), "rows") as advance:
            for row in kept:
                value = row_loss(encoder, config, row)
                yield replace(row, conditions={**row.conditions, config.data.difficulty: value})
                advance(1)

    write_rows(output, rated())


def row_loss(encoder: Encoder, config: RunConfig, row: TrainingRow) -> float:
    """Return the loss of one row in nats, averaged over its positives."""
    import torch

    from redapter.loss import info_nce

    query = config.data.query_format.format(
        query=row.query, prompt=row.prompt or config.data.prompt
    )
    with torch.inference_mode():
        query_vector = _embed(encoder, [query], config.data.max_query_length)
        passages = _embed(encoder, [*row.pos, *row.neg], config.data.max_passage_length)
        positives = len(row.pos)
        masked = torch.zeros((positives, len(passages)), dtype=torch.bool)
        masked[:, :positives] = ~torch.eye(positives, dtype=torch.bool)
        losses = info_nce(
            query_vector.expand(positives, -1),
            passages,
            torch.arange(positives),
            config.loss.temperature,
            masked,
        )
    return float(losses.mean())


def _embed(encoder: Encoder, texts: list[str], length: int) -> Tensor:
    """Return vectors `[n, d]` of texts cut at `length` tokens."""
    import torch

    parts = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        tokens = encoder.model.tokenizer(
            texts[start : start + TEXTS_AT_ONCE],
            padding=True,
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )
        parts.append(encoder.model(dict(tokens))["sentence_embedding"].float())
    return torch.cat(parts)
