"""The `ChatModel` protocol, its requests and replies, and the key that names a request."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from harness.core.hashing import sha256_json
from harness.core.types import Json

STOP = "stop"
LENGTH = "length"
CONTEXT_OVERFLOW = "context_overflow"
"""How a reply ended: by itself, cut at `max_tokens`, or never begun since the prompt was too long
(the server's refusal, which is as final as a reply and is kept like one)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn.

    `temperature` 0 or more, `top_p` in (0, 1], `max_tokens` of the reply, `top_k` 0 for all,
    `repetition_penalty` 1 for none. `choices` (the only texts allowed) and `pattern` (a regular
    expression the whole reply must match) hold an engine to a form where it can do that; others
    leave them out, so replies are parsed all the same. `answers` asks for the log-probabilities of
    these words in the place of the last of them that the reply holds.
    """

    temperature: float
    top_p: float
    max_tokens: int
    top_k: int = 0
    repetition_penalty: float = 1.0
    choices: tuple[str, ...] = ()
    pattern: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a model, by the name it answers to there."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int

    @property
    def key(self) -> str:
        """Return the hash of model, messages, sampling and seed: 64 hex digits."""
        return sha256_json(request_json(self))


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What came back for the request `key`.

    `finish` is `stop`, `length`, `context_overflow`, or the server's own name of another end
    (`content_filter`, …): only after `stop` is the text whole. Token counts are the server's
    (`estimated` where it gave none: a token per four characters). A reply with an `error` is no
    reply: the request was tried and given up, is not kept, and may be asked again. `logprobs` maps
    the asked `answers` to their natural logarithms of probability, as far as the server lists
    them, and an empty text to the least that it lists.
    """

    key: str
    text: str
    finish: str = STOP
    prompt_tokens: int = 0
    reply_tokens: int = 0
    estimated: bool = False
    error: str = ""
    logprobs: Mapping[str, float] = field(default_factory=dict)


Replies: TypeAlias = Generator[ChatReply, None, None]


class ChatModel(Protocol):
    """Answers requests, in whatever order suits it."""

    @property
    def name(self) -> str:
        """Return the model's name, which is part of every key."""

    def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
        """Yield one reply for each (key, request), each as soon as it is there.

        Requests are taken only as they can be worked on, so that a caller who stops giving them
        gets back what is under way and no more; closing the generator drops that too. Raises
        `ModelError` when no request at all can be answered (a wrong address, key or model name).
        """


def user_request(model: str, text: str, sampling: Sampling, seed: int) -> ChatRequest:
    """Return a request of a single user turn."""
    return ChatRequest(model, (Message("user", text),), sampling, seed)


def request_json(request: ChatRequest) -> dict[str, Json]:
    """Return a request as JSON; settings at their neutral value are left out of `sampling`."""
    own = request.sampling
    sampling: dict[str, Json] = {
        "temperature": own.temperature, "top_p": own.top_p, "max_tokens": own.max_tokens
    }  # fmt: skip
    if own.top_k:
        sampling["top_k"] = own.top_k
    if own.repetition_penalty != 1.0:
        sampling["repetition_penalty"] = own.repetition_penalty
    if own.choices:
        sampling["choices"] = own.choices
    if own.pattern:
        sampling["pattern"] = own.pattern
    if own.answers:
        sampling["answers"] = own.answers
    return {
        "model": request.model,
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
        "sampling": sampling,
        "seed": request.seed,
    }
