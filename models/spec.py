"""One frozen spec per model: its card with the options of a run applied, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from harness.core.errors import BadInput
from harness.core.types import ROUNDINGS
from models.card import ModelCard, card_from_mapping, card_table
from models.flags import check_flags, flag_of
from models.st_settings import MODEL

BACKEND_NAMES = {"dense": "sentence-transformers"}
"""Other names of backends, by what their vectors are -> the backend."""

OTHER_KINDS = {"sparse": "a sparse encoder", "late": "a late-interaction model"}
"""Backends whose vectors are not dense -> what their models are."""
_SPARSE_ONLY = ("max_active_query", "max_active_document")
_ONE_BACKEND = (*_SPARSE_ONLY, "token_storage")
"""Flags of which only the files of a hub id without a card tell whether they can be followed."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the command line may say about how a model is run; empty means the card's own.

    `weights` is a folder; lengths are in tokens (`max_length` sets both); instructions are
    templates as in a card, an empty text for none; `batch_tokens` counts padding and does not
    change a vector. `max_active_query` and `max_active_document` are the heaviest terms that count
    of a sparse vector; `token_storage` is what a late-interaction model's document vectors are
    rounded to. The backend `dense` is sentence-transformers.
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
    max_active_query: int = 0
    max_active_document: int = 0
    token_storage: str = ""


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

    def completed(self, fields: Mapping[str, Any], files: Mapping[str, str]) -> ModelCard:
        """Return the card with `fields` of the model's files where nobody wrote or gave them.

        `files` names the file that a field was read from; others are from
        config_sentence_transformers.json.
        """
        open_fields = {key: value for key, value in fields.items() if key not in self.given}
        unlike = sorted(
            key for key, value in open_fields.items() if value != getattr(self.card, key)
        )
        sources = {key: f"the model's {files.get(key, MODEL)}" for key in unlike}
        return replace(self.card, **open_fields, sources={**self.card.sources, **sources})


def make_spec(
    card: ModelCard, options: LoadOptions | None = None, *, from_settings: bool = False
) -> ModelSpec:
    """Return the card with the options applied.

    Raises `BadInput` for a value that a card could not have, or that the backend cannot honour.
    """
    given = options or LoadOptions()
    changed = _overridden(card, given)
    flags = given_flags(given)
    undecided = from_settings and bool(changed.hub_id) and "backend" not in flags
    check_flags(changed, {k: v for k, v in flags.items() if not (undecided and k in _ONE_BACKEND)})
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


def given_flags(options: LoadOptions) -> dict[str, object]:
    """Return the fields that say something, with their values."""
    nothing = LoadOptions()
    return {
        each.name: getattr(options, each.name)
        for each in fields(options)
        if getattr(options, each.name) != getattr(nothing, each.name)
    }


def _overridden(card: ModelCard, options: LoadOptions) -> ModelCard:
    values: dict[str, Any] = {
        "backend": BACKEND_NAMES.get(options.backend, options.backend) or None,
        "revision": options.revision or None,
        "pooling": options.pooling or None,
        "normalize": True if options.similarity == "cosine" else options.normalize,
        "similarity": options.similarity or None,
        "query_instruction": options.query_instruction,
        "document_instruction": options.document_instruction,
        "max_query_length": options.max_query_length or options.max_length or None,
        "max_document_length": options.max_document_length or options.max_length or None,
    }
    asked = values["backend"]
    if card.backend in OTHER_KINDS and asked not in (None, card.backend):
        raise BadInput(
            f"model {card.name!r} is {OTHER_KINDS[card.backend]}, which {asked} would run as if "
            "it were none",
            fix="Leave --backend out.",
        )
    extra: dict[str, Any] = {}
    for key in _SPARSE_ONLY:
        if (most := getattr(options, key)) < 0:
            raise BadInput(f"{flag_of(key, most)}", fix="Give 1 or more, or leave it out.")
        if most:
            extra[key] = most
    if options.token_storage:
        if options.token_storage not in ROUNDINGS:
            raise BadInput(
                f"token vectors cannot be stored as {options.token_storage!r}",
                fix=f"Choose one of {', '.join(ROUNDINGS)}.",
            )
        extra["token_storage"] = options.token_storage
    if options.truncation_side:
        if options.truncation_side not in ("left", "right"):
            raise BadInput(
                f"unknown side {options.truncation_side!r} to cut", fix="Choose left or right."
            )
        extra["truncation_side"] = options.truncation_side
    if extra:
        values["options"] = {**card.options, **extra}
    changes = {key: value for key, value in values.items() if value is not None}
    return card_from_mapping({**card_table(card), **changes}, f"model {card.name!r}")
