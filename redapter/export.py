"""The finished model: adapters merged, a sentence-transformers folder, a card with its lineage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.core.checksums import write_manifest
from harness.core.distribution import DISTRIBUTION
from harness.core.errors import StoreError
from harness.core.files import fsync_folder, write_text
from harness.core.weight_files import EXPORT_MANIFEST
from redapter.checkpoints import CARD
from redapter.config import RunConfig
from redapter.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model was made from: hashes of rows and recipe, the parent's weights, steps done.

    `data` and `config` are hex SHA-256; `parent` as in `redapter.encoder.Encoder`.
    """

    data: str
    config: str
    parent: str
    steps: int


def export_model(encoder: Encoder, config: RunConfig, lineage: Lineage, folder: Path) -> Path:
    """Merge the adapters and write the model and its card; returns the folder.

    Written beside the folder and renamed, so a folder with a card is whole; a manifest holds the
    hash of each file, and those who load the model look at it. The
    merge is done in float32 and rounded once to `card.dtype` (empty: what was trained). The
    encoder holds the merged weights afterwards. Raises `StoreError` when it does not fit.
    """
    import torch
    from safetensors import SafetensorError

    merge(encoder)
    dtype = config.card.dtype or config.model.dtype
    encoder.model.to(getattr(torch, dtype))
    encoder.model.eval()
    encoder.model.max_seq_length = _longest(config)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        encoder.model.save_pretrained(str(part), create_model_card=False)
        write_text(part / CARD, card_text(card_values(encoder, config, lineage, dtype)))
        files = sorted(path for path in part.rglob("*") if path.is_file())
        names = [path.relative_to(part).as_posix() for path in files]
        write_manifest(part / EXPORT_MANIFEST, names, {})
        fsync_folder(part)
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
        fsync_folder(folder.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StoreError(
            f"cannot write the model to {folder}: {error}",
            fix="The checkpoints are kept. Make room, then finish with --resume.",
        ) from error
    return folder


def merge(encoder: Encoder) -> None:
    """Fold LoRA adapters into the backbone in place, in float32; nothing to do without them."""
    if encoder.tuner is None:
        return
    encoder.model.float()
    merged = encoder.tuner.merge_and_unload()
    for parameter in merged.parameters():
        parameter.requires_grad_(False)
    # peft leaves its settings on the backbone; a merged model must not be saved as an adapter.
    for attribute in ("peft_config", "_hf_peft_config_loaded"):
        vars(merged).pop(attribute, None)


def card_values(
    encoder: Encoder, config: RunConfig, lineage: Lineage, dtype: str
) -> dict[str, Any]:
    """Return the card's table, as `models.card` reads it; lineage stands in its `sources`."""
    card = config.card
    return {
        "name": config.name,
        "backend": "sentence-transformers",
        "title": card.title or config.name,
        "pooling": _pooling(encoder, config),
        "normalize": True,
        "query_instruction": card.query_instruction,
        "document_instruction": card.document_instruction,
        "max_query_length": card.max_query_length or config.data.max_query_length,
        "max_document_length": card.max_document_length or config.data.max_passage_length,
        "dtype": dtype,
        "parameters": sum(p.numel() for p in encoder.model.parameters()),
        "dimension": encoder.model.get_embedding_dimension() or 0,
        "licence": card.licence,
        "languages": list(card.languages),
        "sources": {
            "training": f"rebench train {_version()}, loss {config.loss.kind}, "
            f"{lineage.steps} steps, seed {config.train.seed}",
            "base": config.model.base,
            "parent": lineage.parent,
            "data": f"sha256:{lineage.data}",
            "config": f"sha256:{lineage.config}",
        },
    }


def card_text(values: Mapping[str, Any]) -> str:
    """Return a card as TOML: texts, numbers, booleans, lists of texts, and tables of texts."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for key, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{key}]", *(f"{name} = {_toml(text)}" for name, text in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return one TOML value. JSON's strings are TOML's, but for the delete character."""
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _pooling(encoder: Encoder, config: RunConfig) -> str:
    """Return the card's pooling: the recipe's, or that of the folder's own modules."""
    if config.model.pooling:
        return config.model.pooling
    names = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
    for module in encoder.model:
        mode = getattr(module, "pooling_mode", None)
        if isinstance(mode, str):
            return names.get(mode, "")
    return ""


def _longest(config: RunConfig) -> int:
    """Return the length the folder's own settings give, in tokens: the longest the card names."""
    card, data = config.card, config.data
    return max(
        card.max_query_length or data.max_query_length,
        card.max_document_length or data.max_passage_length,
    )


def _version() -> str:
    """Return the installed version of rebench, or `unknown` from a bare checkout."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"
