"""The model card: one TOML file per model, read into a frozen value and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput
from harness.core.files import read_toml
from harness.core.hashing import sha256_json
from harness.core.types import Json, Role

BACKENDS = ("bm25", "static", "sentence-transformers", "sparse", "late", "vllm", "http")
POOLINGS = ("", "mean", "cls", "last")
LATE_SIMILARITIES = ("maxsim", "meanmaxsim")
SIMILARITIES = ("", "cosine", "dot", "euclidean", "manhattan", *LATE_SIMILARITIES)
DTYPES = ("", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model and how its authors run it.

    `query_instruction` and `document_instruction` are templates put before the text (fields:
    see `models.prompts`). `similarity` is how a query and a document are scored (empty: by inner
    product, which is the cosine of normalised vectors). `parameters` counts all weights; lengths
    are in tokens (0: no limit, or the model's own). `options` is what only its backend reads.
    `sources` names where each fact comes from.
    """

    name: str
    backend: str
    title: str = ""
    hub_id: str = ""
    revision: str = ""
    pooling: str = ""
    normalize: bool = True
    similarity: str = ""
    query_instruction: str = ""
    document_instruction: str = ""
    max_query_length: int = 0
    max_document_length: int = 0
    dtype: str = ""
    parameters: int = 0
    dimension: int = 0
    licence: str = "unknown"
    languages: tuple[str, ...] = ()
    family: str = ""
    trained_on_bright: bool | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def max_length(self, role: Role) -> int:
        """Return the tokens kept of a text of that role (0: no limit, or the model's own)."""
        return self.max_query_length if role == "query" else self.max_document_length

    @property
    def fingerprint(self) -> str:
        """Return the hash of the whole card, 16 hex digits."""
        return sha256_json(card_json(self))[:16]


def card_json(card: ModelCard) -> dict[str, Json]:
    """Return the card as plain JSON values, in field order."""
    values = {each.name: getattr(card, each.name) for each in fields(card)}
    if not card.similarity:
        del values["similarity"]  # cards written before it was a field keep their fingerprint
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in values.items()
    }


def card_table(card: ModelCard) -> dict[str, Any]:
    """Return a card as the table it could be read from."""
    values = {name: getattr(card, name) for name in card.__dataclass_fields__}
    values["options"], values["sources"] = dict(card.options), dict(card.sources)
    if card.trained_on_bright is None:
        del values["trained_on_bright"]
    return values


def card_from_mapping(values: Mapping[str, Any], where: str) -> ModelCard:
    """Build a card from a TOML table; raises `BadInput` naming `where` and the field."""
    card = dataclass_from_table(ModelCard, values, where)
    _check_choices(card, where)
    return card


def read_card(path: Path) -> ModelCard:
    """Read one card file; raises `BadInput` when it is absent, not TOML, or not a card."""
    if not path.exists():
        raise BadInput(f"no model card at {path}", fix="Check the path.")
    return card_from_mapping(read_toml(path), str(path))


def _check_choices(card: ModelCard, where: str) -> None:
    """Refuse a backend, pooling or dtype that does not exist."""
    for key, value, choices in (
        ("backend", card.backend, BACKENDS),
        ("pooling", card.pooling, POOLINGS),
        ("dtype", card.dtype, DTYPES),
        ("similarity", card.similarity, SIMILARITIES),
    ):
        if value not in choices:
            allowed = ", ".join(repr(choice) for choice in choices if choice)
            raise BadInput(f"{where}: {key} = {value!r}", fix=f"Choose one of {allowed}.")
    for key in ("max_query_length", "max_document_length", "parameters", "dimension"):
        if getattr(card, key) < 0:
            raise BadInput(f"{where}: {key} = {getattr(card, key)}", fix="It must be 0 or more.")
