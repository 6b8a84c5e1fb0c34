"""The card of a reranker: one TOML file each, read into a frozen value and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from harness.core.errors import BadInput
from harness.core.types import Json
from models.card import ModelCard

CROSS_ENCODER, YES_NO, OWN_CODE, SERVED = "cross-encoder", "yes-no", "own-code", "served"
JUDGE, SCORE, LISTWISE, GROUPS = "chat-yes-no", "chat-score", "chat-listwise", "chat-groups"

METHODS: Mapping[str, str] = {
    CROSS_ENCODER: "one logit of a model that reads query and document together",
    YES_NO: "logit of yes minus logit of no, after the model's own template",
    OWN_CODE: "the scores of a method `rerank` that comes with the weights",
    SERVED: "the scores of a server, since nothing here runs the model",
    JUDGE: "a chat model says yes or no: difference of the log-probabilities",
    SCORE: "a chat model gives a number for each document",
    LISTWISE: "a chat model orders a sliding window of documents",
    GROUPS: "a chat model gives numbers to a group of documents side by side",
}
"""How a reranker scores -> what its scores are."""

CHAT_METHODS = frozenset((JUDGE, SCORE, LISTWISE, GROUPS))
_SCORE_FIELDS = ("instruction", "query", "document")


@dataclass(frozen=True, slots=True)
class RerankerSampling:
    """How the authors draw replies; 0 tokens leaves the length to the method."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class RerankerCard:
    """What is known of a reranker and how its authors run it.

    `method` is one of `METHODS`. `max_length` counts tokens of query and document together (0: the
    model's own limit). `template` is the text that a yes/no model reads, with `{instruction}`,
    `{query}` and `{document}`; `answers` are the tokens that speak for and against. `hf_overrides`
    is what vLLM must be told to serve it. `prompt` names the wording of a chat model: a prompt file
    of ours, or, if it was trained on one, where `own_prompt` says that one lies; then it must be
    given. `highest` is the top of a score's scale. `sources` names where each fact comes from.
    Raises `BadInput` for a method that does not exist and a template that lacks a field.
    """

    name: str
    method: str
    title: str = ""
    hub_id: str = ""
    revision: str = ""
    folder: str = ""
    max_length: int = 0
    parameters: int = 0
    licence: str = "unknown"
    family: str = ""
    languages: tuple[str, ...] = ()
    remote_code: bool = False
    notes: str = ""
    instruction: str = ""
    template: str = ""
    answers: tuple[str, ...] = ()
    hf_overrides: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    own_prompt: str = ""
    highest: int = 0
    sampling: RerankerSampling = field(default_factory=RerankerSampling)
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the method and what it needs."""
        if self.method not in METHODS:
            raise BadInput(f"method = {self.method!r}", fix=f"It is one of {', '.join(METHODS)}.")
        if self.method != YES_NO:
            return
        if len(self.answers) != 2:
            raise BadInput(f"answers = {self.answers!r}", fix='Name two tokens: ["yes", "no"].')
        missing = [each for each in _SCORE_FIELDS[1:] if f"{{{each}}}" not in self.template]
        if missing:
            raise BadInput(
                f"the template lacks {{{missing[0]}}}", fix="Query and document must stand in it."
            )

    @property
    def weights_card(self) -> ModelCard:
        """Return the card under which the weights are looked for."""
        options: dict[str, Json] = {"folder": self.folder} if self.folder else {}
        return ModelCard(
            self.name, "cross-encoder", hub_id=self.hub_id, revision=self.revision, options=options
        )

    @property
    def jinja(self) -> str:
        """Return the template as libraries take it: over messages of system, query and document.

        The system message is the instruction; without one it is the card's.
        """
        text = self.template
        parts = []
        while text:
            found = [(text.find(f"{{{each}}}"), each) for each in _SCORE_FIELDS]
            first = min((pair for pair in found if pair[0] >= 0), default=(len(text), ""))
            place, name = first
            if place:
                parts.append(f"{{{{ {json.dumps(text[:place])} }}}}")
            if name:
                parts.append(_message(name, self.instruction))
            text = text[place + len(name) + 2 :] if name else ""
        return "".join(parts)

    def rendered(self, query: str, document: str, instruction: str = "") -> str:
        """Return what a yes/no model reads."""
        values = {
            "instruction": instruction or self.instruction, "query": query, "document": document,
        }  # fmt: skip
        parts, text = [], self.template
        while text:
            before, mark, rest = text.partition("{")
            name = rest.partition("}")[0]
            if mark and name in values:
                parts += [before, values[name]]
                text = rest[len(name) + 1 :]
            else:
                parts += [before, mark]
                text = rest
        return "".join(parts)


def reranker_json(card: RerankerCard) -> dict[str, Any]:
    """Return a card as plain values, what is empty left out."""
    values: dict[str, Any] = {}
    for each in fields(card):
        value = getattr(card, each.name)
        if each.name == "sampling":
            value = {key: getattr(value, key) for key in value.__dataclass_fields__}
            value = value if card.method in CHAT_METHODS else {}
        value = list(value) if isinstance(value, tuple) else value
        if value or each.name in ("name", "method"):
            values[each.name] = dict(value) if isinstance(value, Mapping) else value
    return values


def _message(name: str, instruction: str) -> str:
    """Return the expression of one field."""
    role = "system" if name == "instruction" else name
    found = f'messages | selectattr("role", "eq", "{role}") | map(attribute="content") | first'
    if role == "system":
        return f"{{{{ {found} | default({json.dumps(instruction)}, true) }}}}"
    return f"{{{{ {found} }}}}"
