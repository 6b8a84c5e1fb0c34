"""One frozen spec per model: its card with the options of a run applied, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from harness.core.errors import BadInput
from models.card import ModelCard, card_from_mapping, card_table
from models.flags import check_flags


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the command line may say about how a model is run; empty means the card's own.

    `weights` is a folder; lengths are in tokens (`max_length` sets both); instructions are
    templates as in a card, an empty text for none; `batch_tokens` counts padding and does not
    change a vector.
    """

    weights: str = ""
    device: str = ""
    dtype: str = ""
    max_length: int = 0
    trust_remote_code: bool = False
    backend: str = ""
    revision: str = ""
    pooling: str = ""
    normalize: bool | None = None
    similarity: str = ""
    query_instruction: str | None = None
    document_instruction: str | None = None
    max_query_length: int = 0
    max_document_length: int = 0
    truncation_side: str = ""
    batch_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Runtime:
    """What decides how a model is run and is no field of a card.

    `weights` is a folder in the place of the card's; `batch_tokens` counts padding (0: the
    backend's own); `lengths_given` says that the lengths are the command line's.
    """

    weights: str = ""
    device: str = ""
    dtype: str = ""
    trust_remote_code: bool = False
    batch_tokens: int = 0
    lengths_given: bool = False


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that a backend takes: the card as it is to be run, and the runtime.

    `from_settings` says that nobody wrote the card: what it leaves open, the model's own settings
    files decide, unless the field is among those `given` on the command line.
    """

    card: ModelCard
    runtime: Runtime = field(default_factory=Runtime)
    from_settings: bool = False
    given: frozenset[str] = frozenset()

    def on(self, device: str) -> ModelSpec:
        """Return the spec for another device."""
        return replace(self, runtime=replace(self.runtime, device=device))


def make_spec(
    card: ModelCard, options: LoadOptions | None = None, *, from_settings: bool = False
) -> ModelSpec:
    """Return the card with the options applied.

    Raises `BadInput` for a value that a card could not have, or that the backend cannot honour.
    """
    given = options or LoadOptions()
    changed = _overridden(card, given)
    nothing = LoadOptions()
    flags = {
        each.name: getattr(given, each.name)
        for each in fields(given)
        if getattr(given, each.name) != getattr(nothing, each.name)
    }
    check_flags(changed, flags)
    if given.similarity == "cosine" and given.normalize is False:
        raise BadInput(
            "the cosine does not see the norms that --no-normalize keeps",
            fix="Pass --similarity dot, or leave one of the two out.",
        )
    if given.batch_tokens < 0:
        raise BadInput(f"--batch-tokens is {given.batch_tokens}", fix="Give a number from 1.")
    lengths = given.max_length, given.max_query_length, given.max_document_length
    runtime = Runtime(
        weights=given.weights,
        device=given.device,
        dtype=given.dtype,
        trust_remote_code=given.trust_remote_code,
        batch_tokens=given.batch_tokens,
        lengths_given=any(lengths),
    )
    return ModelSpec(changed, runtime, from_settings, frozenset(flags))


def _overridden(card: ModelCard, options: LoadOptions) -> ModelCard:
    values: dict[str, Any] = {
        "backend": options.backend or None,
        "revision": options.revision or None,
        "pooling": options.pooling or None,
        "normalize": True if options.similarity == "cosine" else options.normalize,
        "similarity": options.similarity or None,
        "query_instruction": options.query_instruction,
        "document_instruction": options.document_instruction,
        "max_query_length": options.max_query_length or options.max_length or None,
        "max_document_length": options.max_document_length or options.max_length or None,
    }
    if options.truncation_side:
        if options.truncation_side not in ("left", "right"):
            raise BadInput(
                f"unknown side {options.truncation_side!r} to cut", fix="Choose left or right."
            )
        values["options"] = {**card.options, "truncation_side": options.truncation_side}
    changes = {key: value for key, value in values.items() if value is not None}
    return card_from_mapping({**card_table(card), **changes}, f"model {card.name!r}")
