"""Where a model's card and the settings files of its own repository differ: the card wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import RebenchError
from harness.core.hub import HubRepository, is_fetched
from models.card import ModelCard
from models.registry import DEFAULT_BACKEND, LATE, SPARSE, make_any_embedder
from models.spec import ModelSpec
from models.weights import package_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.types import Json

PLACES = ("folder", "package", "package_folder", "remote_code")
"""Options of a card that say where the weights are, and whose code they need."""

COMPARED = (
    "pooling", "normalize", "similarity", "query_instruction", "document_instruction",
    "max_query_length", "max_document_length", "max_length", "truncation_side", "max_active",
)  # fmt: skip
"""What card and repository both may say, as an embedder's identity names it."""


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """One setting: what the card says, which is what is run, and what the repository says."""

    setting: str
    card: Json
    repository: Json


@dataclass(frozen=True, slots=True)
class RepositoryCheck:
    """What card and repository differ in, or why that is not known (`unknown`, a sentence)."""

    differences: tuple[SettingDifference, ...] = ()
    unknown: str = ""


def check_repository(spec: ModelSpec, *, ask_hub: bool = False) -> RepositoryCheck | None:
    """Return what a card and the repository's own settings differ in.

    `None` for a card that nobody wrote (its repository decides) and for backends without settings
    files. The repository is a folder, an installed package, or what the hub's client keeps of it;
    with `ask_hub` its settings are fetched if nothing is kept.
    """
    card = spec.card
    if spec.from_settings or card.backend not in (DEFAULT_BACKEND, SPARSE, LATE):
        return None
    here = card.options.get("folder") or package_folder(card)
    if not here and not ask_hub and not is_fetched(HubRepository(card.hub_id)):
        return RepositoryCheck(
            unknown="nothing of the repository is here: name the model by its hub id to ask the hub"
        )
    try:
        told, own = _settings(spec), _settings(_bare(card))
    except RebenchError as error:
        return RepositoryCheck(unknown=error.message)
    return RepositoryCheck(
        tuple(
            SettingDifference(name, told[name], own[name])
            for name in COMPARED
            if name in told and name in own and told[name] != own[name]
        )
    )


def _bare(card: ModelCard) -> ModelSpec:
    """Return the spec of the same weights as if nobody had written a card."""
    places = {key: value for key, value in card.options.items() if key in PLACES}
    bare = ModelCard(
        name=card.name,
        backend=card.backend,
        hub_id=card.hub_id,
        revision=card.revision,
        normalize=card.backend == LATE,
        dimension=card.dimension,
        options=places,
    )
    return ModelSpec(bare, from_settings=True)


def _settings(spec: ModelSpec) -> Mapping[str, Json]:
    """Return a spec's identity, with the similarity that an identity need not name."""
    embedder = make_any_embedder(spec)
    return {"similarity": getattr(embedder, "similarity", ""), **embedder.identity}
