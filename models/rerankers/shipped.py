"""The cards of rerankers that ship with rebench, by name."""

from __future__ import annotations

from functools import cache
from importlib import resources

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput
from harness.core.files import parse_toml
from models.rerankers.card import RerankerCard

KIND = "reranker"
"""What the field `kind` of a reranker's card says."""


@cache
def shipped_rerankers() -> dict[str, RerankerCard]:
    """Return the cards by name; the file's name is the reranker's."""
    cards = {}
    folder = resources.files("models").joinpath("rerankers", "cards")
    for entry in sorted(folder.iterdir(), key=str):
        if entry.name.endswith(".toml"):
            card = read_reranker(entry.read_text(encoding="utf-8"), entry.name)
            if f"{card.name}.toml" != entry.name:
                raise BadInput(f"the card {entry.name} is named {card.name!r}", fix="Rename one.")
            cards[card.name] = card
    return cards


def read_reranker(text: str, where: str) -> RerankerCard:
    """Return the card in a TOML text; raises `BadInput` naming `where` and the key."""
    table = parse_toml(text, where)
    if table.pop("kind", None) != KIND:
        raise BadInput(f"{where} is no reranker's card", fix=f'Write kind = "{KIND}" into it.')
    return dataclass_from_table(RerankerCard, table, where)


def reranker_called(name: str) -> RerankerCard | None:
    """Return the card of a name or of a hub id, with or without `@REVISION`, or `None`."""
    cards = shipped_rerankers()
    hub_id = name.partition("@")[0].lower()
    return cards.get(name) or next(
        (card for card in cards.values() if card.hub_id and card.hub_id.lower() == hub_id), None
    )
