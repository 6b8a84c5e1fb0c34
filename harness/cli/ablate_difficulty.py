"""A difficulty for each training row: the loss that the untrained base has on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.ablation.tools import Recipe
from harness.core.protocols import Reporter

if TYPE_CHECKING:
    from torch import Tensor

    from harness.core.training import TrainingRow
    from redapter.config import RunConfig
    from redapter.encoder import Encoder

TEXTS_AT_ONCE = 32


def identity(recipe: Recipe) -> Mapping[str, Any]:
    """Return what of a recipe decides the difficulty: base, how texts are read, temperature."""
    from redapter.config_file import config_from_table
    from redapter.encoder import base_identity

    config = config_from_table(recipe, "difficulty")
    data, model = dict(config_values(recipe, "data")), dict(config_values(recipe, "model"))
    for key in ("path", "difficulty", "limit", "short_negatives"):
        data.pop(key)
    model.pop("base")
    return {
        "parent": base_identity(config.model),
        "data": data,
        "model": model,
        "temperature": config.loss.temperature,
    }


def config_values(recipe: Recipe, table: str) -> Mapping[str, Any]:
    """Return one table of a recipe."""
    values: Any = recipe[table]
    return values  # type: ignore[no-any-return]


def write_difficulty(rows: Path, output: Path, recipe: Recipe, reporter: Reporter) -> None:
    """Write the rows again with `conditions.difficulty`, in nats: 0 or more, higher is harder.

    A row's difficulty is the InfoNCE loss of its plain query by the untrained base over the row's
    own passages: for each positive against all negatives of the row, then the mean over
    positives. It is fixed before training, where Redapter's weights follow the model. Texts are
    read as in training (formats, lengths, temperature).
    """
    from harness.core.training import read_rows, write_rows
    from redapter.config_file import config_from_table
    from redapter.encoder import build_encoder

    config = config_from_table(recipe, "difficulty")
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
        query_vector = _embedded(encoder, [query], config.data.max_query_length)
        passages = _embedded(encoder, [*row.pos, *row.neg], config.data.max_passage_length)
        own = len(row.pos)
        masked = torch.zeros((own, len(passages)), dtype=torch.bool)
        masked[:, :own] = ~torch.eye(own, dtype=torch.bool)
        losses = info_nce(
            query_vector.expand(own, -1),
            passages,
            torch.arange(own),
            config.loss.temperature,
            masked,
        )
    return float(losses.mean())


def _embedded(encoder: Encoder, texts: list[str], length: int) -> Tensor:
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
