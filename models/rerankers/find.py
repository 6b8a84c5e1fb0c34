"""From what a user names to a reranker's card: a name, a card file, a folder, or a hub id."""

from __future__ import annotations

import os
from dataclasses import replace

from harness.core.errors import BadInput, UnknownName
from harness.core.files import read_text
from harness.core.paths import named_folder, user_path
from models.registry import shipped_cards
from models.rerankers.card import CROSS_ENCODER, RerankerCard
from models.rerankers.shipped import read_reranker, reranker_called, shipped_rerankers

LISTING = (
    "`rebench models` lists rerankers too; a folder, a hub id such as org/model, or a server's URL "
    "works as well."
)


def find_reranker(name: str) -> RerankerCard:
    """Return the card of a name, a `.toml` file, a folder, or a hub id with `@REVISION`.

    What has no card is taken for a cross-encoder with one label. Nothing is downloaded. Raises
    `BadInput` for an embedder, `UnknownName` with the nearest names for anything else.
    """
    card = reranker_called(name)
    if card is not None:
        revision = name.partition("@")[2]
        return replace(card, revision=revision) if revision else card
    if name in shipped_cards():
        raise BadInput(
            f"{name!r} embeds texts one by one and is no reranker",
            fix=f"Measure it with `rebench eval --model {name}`; {LISTING}",
        )
    if name.endswith(".toml") and os.path.isfile(user_path(name)):
        return read_reranker(read_text(user_path(name)), name)
    folder = named_folder(name)
    if folder is not None:
        return RerankerCard(folder.resolve().name, CROSS_ENCODER, folder=str(folder))
    hub_id, _, revision = name.partition("@")
    if hub_id.count("/") == 1 and not hub_id.startswith((".", "/", "~")):
        return RerankerCard(
            hub_id.rpartition("/")[2], CROSS_ENCODER, hub_id=hub_id, revision=revision
        )
    raise UnknownName("reranker", name, shipped_rerankers(), listing=LISTING)
