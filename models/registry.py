"""Names of models: cards that ship, users' own, other packages', folders and hub ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, DataUnavailable, UnknownName
from harness.core.files import parse_toml
from harness.core.paths import named_folder
from harness.core.protocols import (
    Embedder,
    MultiVectorEncoding,
    SparseEmbedder,
    VectorEncoder,
)
from harness.core.registry import Registry
from harness.core.types import Json
from models.card import (
    LATE_SIMILARITIES,
    ModelCard,
    card_from_mapping,
    card_table,
    read_card,
)
from models.flags import check_flags
from models.folders import is_model_folder, read_folder
from models.rerankers.shipped import reranker_called
from models.sparse_folders import folder_kind
from models.spec import OTHER_KINDS, LoadOptions, ModelSpec, given_flags, make_spec
from models.weights import find_weights

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

LISTING = "`rebench models` lists all names; a folder or a hub id such as org/model works too."
ENTRY_POINTS = "rebench.models"
"""Entry point group of other packages: a name -> a card's table, a card, or a card file's path."""
CARD_FILES = ("rebench-card.toml", "card.toml")
"""What a folder's own card may be called; `rebench train` writes the first."""
DEFAULT_BACKEND = "sentence-transformers"
SPARSE, LATE = "sparse", "late"
BARE = "bare"
"""Option of a card that nobody wrote, until `resolve_model` makes a spec of it."""

EMBEDDERS: Registry[Callable[[ModelSpec], Embedder]] = Registry(
    "backend",
    {
        "static": "models.backends.static:StaticEmbedder",
        "sentence-transformers": "models.backends.st:SentenceTransformerEmbedder",
        "vllm": "models.backends.vllm:VllmEmbedder",
        "http": "models.backends.http:HttpEmbedder",
    },
    "Backends: static, sentence-transformers, sparse, late, vllm, http.",
)
"""Backend name -> the class that takes a spec and embeds; imported on use."""
SPARSE_EMBEDDERS: Registry[Callable[[ModelSpec], SparseEmbedder]] = Registry(
    "sparse backend", {SPARSE: "models.backends.sparse:SparseEncoderEmbedder"}, "Backend: sparse."
)
"""The same for backends whose vectors are weights of terms."""
LATE_EMBEDDERS: Registry[Callable[[ModelSpec], MultiVectorEncoding]] = Registry(
    "late-interaction backend", {LATE: "models.backends.late:MultiVectorEmbedder"}, "Backend: late."
)
"""The same for backends that give a vector for each token."""


def make_embedder(spec: ModelSpec) -> Embedder:
    """Return the dense embedder of a spec; raises `MissingExtra` for a backend not installed.

    Raises `BadInput` for a sparse encoder or a late-interaction model: no one vector of floats
    stands for a text there.
    """
    if spec.card.backend in OTHER_KINDS:
        raise BadInput(
            f"model {spec.card.name!r} is {OTHER_KINDS[spec.card.backend]}, and dense vectors are "
            "needed here",
            fix="Name a dense model; `rebench models` lists them.",
        )
    if spec.card.similarity in LATE_SIMILARITIES:
        raise BadInput(
            f"model {spec.card.name!r} has one vector a text, which {spec.card.similarity} does "
            "not score",
            fix="Leave --similarity out, or name a late-interaction model.",
        )
    return EMBEDDERS.get(spec.card.backend)(spec)


def make_sparse_embedder(spec: ModelSpec) -> SparseEmbedder:
    """Return the embedder of a spec whose backend is sparse; raises `MissingExtra`."""
    return SPARSE_EMBEDDERS.get(spec.card.backend)(spec)


def make_late_embedder(spec: ModelSpec) -> MultiVectorEncoding:
    """Return the embedder of a spec whose backend is late; raises `MissingExtra`."""
    return LATE_EMBEDDERS.get(spec.card.backend)(spec)


def make_any_embedder(spec: ModelSpec) -> VectorEncoder[Any]:
    """Return the embedder of a spec, whatever its vectors are; raises `MissingExtra`."""
    makers: Mapping[str, Callable[[ModelSpec], VectorEncoder[Any]]] = {
        SPARSE: make_sparse_embedder, LATE: make_late_embedder,
    }  # fmt: skip
    return makers.get(spec.card.backend, make_embedder)(spec)


def described_card(spec: ModelSpec) -> ModelCard:
    """Return a spec's card as it will be run, with what the model's settings files decide.

    Raises `DataUnavailable` if they are on the hub only and it cannot be reached.
    """
    if not spec.from_settings:
        return spec.card
    settled = settle_backend(spec)
    embedder: object = make_any_embedder(settled)
    card = getattr(embedder, "card", settled.card)
    return card if isinstance(card, ModelCard) else settled.card


def settle_backend(spec: ModelSpec, options: LoadOptions | None = None) -> ModelSpec:
    """Return a spec with the backend that its files ask for, where neither card nor flag says.

    A sparse encoder's folder or hub id gets the sparse backend, a late-interaction model's the
    late one; `options` are those that the spec
    was made with. Raises `BadInput` for a bare masked language model, which could be either, and
    for a flag that the sparse backend cannot honour. Where the hub cannot be reached the spec
    stays as it is: its first use says so.
    """
    if not spec.from_settings or spec.card.backend != DEFAULT_BACKEND or "backend" in spec.given:
        return spec
    try:
        folder = find_weights(spec.card, spec.runtime.weights).fetch(settings_only=True)
    except DataUnavailable:
        return spec
    kind = folder_kind(folder)
    if kind == "masked-lm" and "pooling" not in spec.given:
        raise BadInput(
            f"model {spec.card.name!r} is a masked language model without a list of modules: a "
            "SPLADE model looks like this, and so does any BERT",
            fix="Pass --backend sparse for the terms that it weighs, or --backend dense to pool "
            "its hidden states.",
        )
    if kind not in OTHER_KINDS:
        check_flags(spec.card, given_flags(options or LoadOptions()))
        return spec
    card = replace(spec.card, backend=kind, normalize=kind == LATE)
    return make_spec(card, options, from_settings=True)


@cache
def _card_files() -> dict[str, Traversable]:
    """Return the card files that ship with rebench by model: the file's name is the model's."""
    entries = resources.files("models").joinpath("cards").iterdir()
    return {
        entry.name.removesuffix(".toml"): entry
        for entry in sorted(entries, key=str)
        if entry.name.endswith(".toml")
    }


def shipped_cards() -> dict[str, ModelCard]:
    """Return the cards that ship with rebench by name."""
    return {name: find_card(name) for name in _card_files()}


@cache
def find_card(name: str) -> ModelCard:
    """Return the card of a model that ships, no other file being read.

    Raises `UnknownName` with the nearest names.
    """
    files = _card_files()
    if name not in files:
        raise UnknownName("model", name, files, listing=LISTING)
    entry = files[name]
    card = card_from_mapping(parse_toml(entry.read_text(encoding="utf-8"), entry.name), entry.name)
    if card.name != name:
        raise BadInput(f"the card {entry.name} is named {card.name!r}", fix="Rename one.")
    return card


def known_models(user_models: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return every name that needs no folder or hub id: the user's, other packages', ours."""
    return tuple(sorted({*user_models, *_entry_points(), *_card_files()}))


def resolve_model(
    name: str, options: LoadOptions, user_models: Mapping[str, Mapping[str, Any]]
) -> ModelSpec:
    """Return the spec of a model's name, folder or hub id, with the options applied.

    Looked up in this order: a `[models.NAME]` table of the user's settings (whose `base` may
    name a card to start from), a card that ships, an entry point of another package, a folder (its
    own card, else what its settings files say), a hub id `org/model` or `org/model@revision`, which
    is the card that ships for it if there is one. Nothing is downloaded.
    Raises `UnknownName` with the nearest names, and `BadInput` for a table that is not a card.
    """
    card = _look_up(name, user_models)
    bare = card.options.get(BARE) is True
    if bare:
        card = replace(card, options={k: v for k, v in card.options.items() if k != BARE})
    return make_spec(card, options, from_settings=bare)


def _look_up(spec: str, user_models: Mapping[str, Mapping[str, Any]]) -> ModelCard:
    """Return the card of a name, folder or hub id."""
    if spec in user_models:
        return _user_card(spec, user_models[spec], user_models)
    if spec in _card_files():
        return find_card(spec)
    if spec in _entry_points():
        return _packaged_card(spec)
    if reranker_called(spec) is not None:
        raise BadInput(
            f"{spec!r} is a reranker: it orders the candidates of a run and searches nothing",
            fix=f"Give it a run: rebench rerank RUN --with {spec}",
        )
    folder = named_folder(spec)
    if folder is not None:
        return _folder_card(folder)
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")):
        return _hub_card(spec)
    raise UnknownName("model", spec, known_models(user_models), listing=LISTING)


def _user_card(
    name: str, table: Mapping[str, Any], user_models: Mapping[str, Mapping[str, Any]]
) -> ModelCard:
    """Return the card of a `[models.NAME]` table, over the one that its `base` names."""
    values = dict(table)
    base = values.pop("base", None)
    start: dict[str, Any] = {"backend": DEFAULT_BACKEND}
    if base is not None:
        # Without this table, so that it may refine the card of its own name and never itself.
        others = {key: value for key, value in user_models.items() if key != name}
        start = card_table(_look_up(str(base), others))
    return card_from_mapping({**start, **values, "name": name}, f"[models.{name}]")


def _hub_card(spec: str) -> ModelCard:
    """Return the card of a hub id `org/model` or `org/model@revision`.

    An id that a shipped card names is that card, so that instructions, lengths and pooling are
    those of the model's makers; several cards of one id leave the choice to the user.
    """
    hub_id, _, revision = spec.partition("@")
    cards = [card for card in shipped_cards().values() if card.hub_id.lower() == hub_id.lower()]
    if len(cards) > 1:
        names = " or ".join(card.name for card in cards)
        raise BadInput(f"several cards are of {hub_id}: {names}", fix="Name one of them.")
    if cards:
        return replace(cards[0], revision=revision) if revision else cards[0]
    return ModelCard(
        name=hub_id.split("/")[1],
        backend=DEFAULT_BACKEND,
        hub_id=hub_id,
        revision=revision or "main",
        options={BARE: True},
    )


def _folder_card(folder: Path) -> ModelCard:
    """Return the card of a folder: its own, or one made from its settings files."""
    folder = folder.resolve()
    place: dict[str, Json] = {"folder": str(folder)}
    for name in CARD_FILES:
        if (folder / name).is_file():
            card = read_card(folder / name)
            own_weights = is_model_folder(folder) and not card.options.get("folder")
            return replace(card, options={**card.options, **place}) if own_weights else card
    if not is_model_folder(folder):
        raise BadInput(
            f"the folder {folder} holds no model",
            fix=f"It needs a config.json, a modules.json, or a card named {CARD_FILES[0]}.",
        )
    kind = folder_kind(folder)
    if kind in OTHER_KINDS:
        return ModelCard(name=folder.name, backend=kind, normalize=kind == LATE,
                         options={**place, BARE: True})  # fmt: skip
    if read_folder(folder).static:
        return ModelCard(name=folder.name, backend="static",
                         options={"loader": "model2vec", **place})  # fmt: skip
    return ModelCard(name=folder.name, backend=DEFAULT_BACKEND, options={**place, BARE: True})


@cache
def _entry_points() -> dict[str, metadata.EntryPoint]:
    """Return the models that other installed packages offer."""
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}


def _packaged_card(name: str) -> ModelCard:
    """Return the card behind an entry point; a relative path is seen from its package."""
    point = _entry_points()[name]
    offered = point.load()
    offered = offered() if callable(offered) else offered
    where = f"entry point {point.value}"
    if isinstance(offered, ModelCard):
        return offered
    if isinstance(offered, Mapping):
        return card_from_mapping({"name": name, **offered}, where)
    if isinstance(offered, (str, Path)):
        module = resources.files(point.module.split(".")[0])
        return read_card(Path(str(module)) / offered)
    raise BadInput(
        f"{where} gives a {type(offered).__name__}",
        fix="It must give a card's table or the path of a card file.",
    )
