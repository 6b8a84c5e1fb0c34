"""Chat models that were trained to rewrite queries: a card each, and what a stage takes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from harness.core.config import dataclass_from_table
from harness.core.errors import UnknownName
from harness.core.files import parse_toml

_CARDS = "rewriter_cards"


@dataclass(frozen=True, slots=True)
class RewriterCard:
    """What is known of a rewriter and how its authors run it.

    `method` names the prompt file (`METHOD.txt`) that holds its wording. A model that was trained
    on a prompt gets that one or none: `own_prompt` says where its authors keep it. `max_tokens` of
    a reply and `window`, of prompt and reply together, are in tokens. `sources` names where each
    fact comes from.
    """

    name: str
    title: str
    hub_id: str
    method: str
    own_prompt: str
    max_tokens: int
    window: int = 0
    licence: str = "unknown"
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> dict[str, Any]:
        """Return the settings of a rewrite stage that follow from the card."""
        return {"method": self.method, "llm_model": self.hub_id, "max_tokens": self.max_tokens}

    @property
    def example(self) -> str:
        """Return a rewrite stage that runs it."""
        return (
            f'kind = "rewrite", rewriter = "{self.name}", llm = "http://HOST:PORT/v1", '
            f'prompts = "DIR"    # with its prompt in DIR/{self.method}.txt'
        )

    @property
    def json(self) -> dict[str, Any]:
        """Return the card as plain values."""
        return {**asdict(self), "sources": dict(self.sources)}


@cache
def shipped_rewriters() -> dict[str, RewriterCard]:
    """Return the cards by name; the file's name is the rewriter's."""
    folder = resources.files("models.chat").joinpath(_CARDS)
    cards = {}
    for entry in sorted(folder.iterdir(), key=str):
        name = entry.name.removesuffix(".toml")
        table = parse_toml(entry.read_text(encoding="utf-8"), entry.name)
        cards[name] = dataclass_from_table(RewriterCard, {**table, "name": name}, entry.name)
    return cards


def find_rewriter(name: str) -> RewriterCard:
    """Return the card of a name or a hub id; raises `UnknownName`."""
    cards = shipped_rewriters()
    by_id = {card.hub_id.lower(): card for card in cards.values()}
    found = cards.get(name) or by_id.get(name.lower())
    if found is None:
        listing = f"Rewriters are {', '.join(cards)}; any chat model takes method and llm."
        raise UnknownName("rewriter", name, cards, listing=listing)
    return found
