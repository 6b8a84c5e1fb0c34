"""Rerankers by the names that users give them: a card, a folder, a hub id, or a server's URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.local_rerankers import how_to_run, local_reranker
from harness.api.named_models import ChatFlags, chat_model
from harness.core.errors import BadInput
from harness.core.hashing import sha256_json
from harness.pipelines.chat_rerank.asking import ChatSettings, ChatTools
from models.chat.dispatch import Budget, FailureLimits

if TYPE_CHECKING:
    from harness.core.secrets import Secret
    from harness.pipelines.chat_rerank.reranker import ChatReranker
    from harness.pipelines.rerank_ports import Scorer
    from models.backends.cross_encoder import LocalOptions
    from models.backends.rerank_server import ServerReranker
    from models.chat.protocol import Sampling
    from models.rerankers.card import RerankerCard

REPLY_TOKENS: Mapping[str, int] = {
    "chat-yes-no": 16,
    "chat-score": 1_024,
    "chat-listwise": 2_048,
    "chat-groups": 2_048,
}
"""Tokens of a reply, unless the card or the caller says: ours, room for an answer with a reason."""

PROMPT_FILES: Mapping[str, str] = {
    "chat-yes-no": "yes_no",
    "chat-score": "score",
    "chat-listwise": "listwise",
    "chat-groups": "groups",
}
"""Method -> the prompt file of a card that names none."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How a chat model is asked to rerank; what is `None` or 0 is the card's.

    `prompts` is a folder whose files replace ours; `journal` is where replies are kept (`None`: in
    the cache, under all that changes a reply).
    """

    flags: ChatFlags = field(default_factory=ChatFlags)
    settings: ChatSettings = field(default_factory=ChatSettings)
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 0
    prompts: Path | None = None
    journal: Path | None = None
    budget: Budget = field(default_factory=Budget)
    limits: FailureLimits = field(default_factory=FailureLimits)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server is told: the model it serves, and the variable that holds its key."""

    model: str = ""
    key_variable: str = ""


@dataclass(frozen=True, slots=True)
class RerankerOptions:
    """How a reranker is run, wherever it is; only what its kind can follow may be given."""

    local: LocalOptions | None = None
    server: ServerOptions = field(default_factory=ServerOptions)
    chat: ChatOptions | None = None


def reranker_named(name: str, cache: Path, options: RerankerOptions | None = None) -> Scorer:
    """Return the reranker of a name, a card file, a folder, a hub id or a server's URL.

    Nothing is loaded or asked yet. Raises `BadInput` for an embedder, and for an option that this
    kind of reranker cannot follow, `UnknownName` with the nearest names.
    """
    from models.rerankers.find import find_reranker

    how = options or RerankerOptions()
    if name.startswith(("http://", "https://")):
        _refuse(how.chat is not None, "the options of chat models", "names a rerank server")
        return _served(name, how)
    if how.server != ServerOptions():
        raise BadInput(
            "--server-model and --api-key-env are for a server, and --with names none",
            fix="Leave them out, or name the server: --with http://HOST:PORT/v1/rerank",
        )
    return reranker_of_card(find_reranker(name), cache, how)


def reranker_of_card(
    card: RerankerCard, cache: Path, options: RerankerOptions | None = None
) -> Scorer:
    """Return the reranker that a card describes; raises `BadInput` as `reranker_named` does."""
    from models.rerankers.card import CHAT_METHODS, OWN_CODE

    how = options or RerankerOptions()
    if card.method in CHAT_METHODS:
        _refuse(how.local is not None, _LOCAL_FLAGS, "names a chat model, which --llm runs")
        return _chat(card, cache, how.chat or ChatOptions())
    _refuse(
        how.chat is not None, "--llm and its options", f"names {card.name}, which is no chat model"
    )
    if card.method == OWN_CODE:
        from harness.api.live_rerankers import own_code_reranker

        return own_code_reranker(card, how.local)
    return local_reranker(card, how.local)


_LOCAL_FLAGS = "--max-length, --device, --dtype, --instruction and --trust-remote-code"


def _refuse(given: bool, flags: str, why: str) -> None:
    """Raise `BadInput` for flags that do not fit what --with names."""
    if given:
        raise BadInput(f"{flags} do not go with --with, which {why}", fix="Leave them out.")


def _chat(card: RerankerCard, cache: Path, options: ChatOptions) -> ChatReranker:
    """Return the chat model of `--llm` as the reranker of a card."""
    from harness.pipelines.chat_rerank.reranker import ChatReranker
    from harness.pipelines.chat_rerank.wording import RerankPrompts, Wording

    llm_model = options.flags.model or card.hub_id
    model = chat_model(replace(options.flags, model=llm_model))
    if model is None:
        raise BadInput(f"{card.name} needs a chat model", fix=f"Try: {how_to_run(card)[0]}")
    prompts = RerankPrompts(options.prompts)
    name = card.prompt or PROMPT_FILES[card.method]
    if card.own_prompt and not prompts.replaces(name):
        raise BadInput(
            f"{card.name} was trained on a prompt of its own, which does not come with rebench",
            fix=f"Write it to DIR/{name}.txt (from {card.own_prompt}), and pass --prompts DIR.",
        )
    tools = ChatTools(model, Path(), options.budget, options.limits)
    title = card.name if card.own_prompt else f"{_short(model.name)}-{card.name[len('llm-') :]}"
    made = ChatReranker(
        title,
        card.method,
        Wording(name, prompts.text(name), card.highest),
        _sampling(card, options),
        tools,
        options.settings,
    )
    folder = cache / "rerank" / sha256_json(made.identity)[:32]
    journal = options.journal or folder / "journal.jsonl"
    return replace(made, tools=replace(tools, journal=journal))


def _short(model: str) -> str:
    """Return a model's name without its owner or folders."""
    return model.rstrip("/").rpartition("/")[2]


def _sampling(card: RerankerCard, options: ChatOptions) -> Sampling:
    """Return how replies are drawn: as asked for, else as the card says."""
    from models.chat.protocol import Sampling

    own = card.sampling
    temperature = own.temperature if options.temperature is None else options.temperature
    top_p = own.top_p if options.top_p is None else options.top_p
    if not 0 <= temperature <= 2 or not 0 < top_p <= 1:
        raise BadInput(
            f"--temperature is {temperature} and --top-p {top_p}",
            fix="A temperature is from 0 to 2, top-p above 0 up to 1.",
        )
    return Sampling(
        temperature,
        top_p,
        options.max_tokens or own.max_tokens or REPLY_TOKENS[card.method],
        top_k=own.top_k,
        # Models that were trained to reason first must not be held to the bare answer.
        choices=card.answers if card.prompt else (),
        answers=card.answers,
    )


def _served(url: str, options: RerankerOptions) -> ServerReranker:
    """Return the reranker behind a URL; what only a local model takes is refused."""
    from models.backends.rerank_server import ServerReranker

    if options.local is not None:
        raise BadInput(
            f"{_LOCAL_FLAGS} are for models that run here, and --with names a server",
            fix="Leave them out; the server decides them.",
        )
    return ServerReranker(url, options.server.model, key_in(options.server.key_variable))


def key_in(variable: str, environment: Mapping[str, str] = os.environ) -> Secret:
    """Return the key in an environment variable; raises `BadInput` if one is named and empty."""
    from harness.core.secrets import NO_KEY, key_from

    key = key_from(environment, [variable]) if variable else NO_KEY
    if variable and not key:
        raise BadInput(
            f"the environment variable {variable} holds no API key",
            fix=f"Set {variable}, or leave --api-key-env out for a server without keys.",
        )
    return key
