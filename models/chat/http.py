"""A language model behind an OpenAI-compatible HTTP server (vLLM, SGLang, llama.cpp, hosted)."""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import BadInput, ModelError
from harness.core.http import Answer, Endpoint, Failure, HttpClient, Trouble
from harness.core.retry import RetryPolicy
from harness.core.secrets import NO_KEY, Secret
from models.chat.defaults import CONCURRENCY, DIALECTS, KEY_VARIABLES, TIMEOUT
from models.chat.protocol import (
    CONTEXT_OVERFLOW,
    LENGTH,
    STOP,
    ChatReply,
    ChatRequest,
    Replies,
    Sampling,
)

_OVERFLOW = ("context length", "context_length", "context window", "max_model_len", "too long")
_FATAL = (Trouble.KEY, Trouble.CREDIT, Trouble.ADDRESS)
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class ChatServerOptions:
    """How a server is asked.

    `concurrency` requests at once; `timeout` seconds for a whole reply (60 in the released code);
    `retry` says how often and how patiently a request is repeated. `dialect` is `vllm` or `sglang`
    (top_k, repetition penalty, thinking off, choices and patterns in that server's names) or
    `openai` (the standard settings only). Raises `BadInput` for other values.
    """

    concurrency: int = CONCURRENCY
    timeout: float = TIMEOUT
    dialect: str = "vllm"
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.dialect not in DIALECTS:
            raise BadInput(f"dialect {self.dialect!r}", fix=f"Give one of {', '.join(DIALECTS)}.")
        if self.concurrency < 1 or self.retry.attempts < 1 or self.timeout <= 0:
            raise BadInput(f"{self}", fix="Concurrency, attempts and timeout must be above 0.")


class HttpChat:
    """A `ChatModel` over HTTP; `key` goes into the Authorization header and nowhere else."""

    def __init__(
        self,
        url: str,
        model: str,
        options: ChatServerOptions,
        key: Secret = NO_KEY,
    ) -> None:
        self._endpoint = Endpoint(url, options.timeout, options.concurrency, key)
        self._model = model
        self._options = options

    @property
    def name(self) -> str:
        """Return the model's name on the server."""
        return self._model

    def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
        """Yield replies as they come; see `ChatModel`.

        A few requests beyond `concurrency` are taken in advance, so that no worker waits for the
        next while a reply is being written down.
        """
        work = _Work(self._options.concurrency, HttpClient(self._endpoint, self._options.retry))
        ahead = self._options.concurrency + max(1, self._options.concurrency // 8)
        under_way = 0
        try:
            while True:
                while under_way < ahead and (item := next(requests, None)) is not None:
                    work.inbox.put(item)
                    under_way += 1
                    work.start(self._answer, under_way)
                if not under_way:
                    return
                outcome = work.outbox.get()
                under_way -= 1
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            work.end(close=not under_way)

    def _answer(
        self, client: HttpClient, key: str, request: ChatRequest, stop: threading.Event
    ) -> ChatReply:
        """Return the reply to one request, or why it was given up."""
        body = json.dumps(request_body(request, self._options.dialect)).encode()
        outcome = client.post(
            "chat/completions", body, lambda answer: _reply(key, request, answer), stop
        )
        return self._given_up(key, outcome) if isinstance(outcome, Failure) else outcome

    def _given_up(self, key: str, failure: Failure) -> ChatReply:
        """Return the reply that stands for a failure; raises if no request could be answered."""
        if failure.trouble in _FATAL:
            raise ModelError(
                f"{self._endpoint.host} {failure.reason} (model {self._model!r})",
                fix="Check the address, --llm-model, and the key in "
                f"{self._endpoint.key.variable or KEY_VARIABLES[0]}.",
            )
        if failure.trouble is Trouble.REFUSED:
            if any(word in failure.reason.lower() for word in _OVERFLOW):
                return ChatReply(key=key, text="", finish=CONTEXT_OVERFLOW)
            hint = " (--llm-dialect openai leaves out settings that only vLLM knows)"
            return ChatReply(key=key, text="", error=f"the server {failure.reason}{hint}")
        return ChatReply(key=key, text="", error=f"after {failure.tries} tries: {failure.reason}")


class _Work:
    """Threads that answer requests from `inbox` into `outbox`, one request at a time each."""

    def __init__(self, most: int, client: HttpClient) -> None:
        self.inbox: queue.SimpleQueue[tuple[str, ChatRequest] | None] = queue.SimpleQueue()
        self.outbox: queue.SimpleQueue[ChatReply | BaseException] = queue.SimpleQueue()
        self._client = client
        self._most = most
        self._stop = threading.Event()
        self._threads = 0

    def start(
        self,
        answer: Callable[[HttpClient, str, ChatRequest, threading.Event], ChatReply],
        wanted: int,
    ) -> None:
        """Start another thread if fewer than `wanted` run; each ends with its process."""
        if self._threads >= min(wanted, self._most):
            return

        def work() -> None:
            while (item := self.inbox.get()) is not None and not self._stop.is_set():
                try:
                    self.outbox.put(answer(self._client, *item, self._stop))
                except BaseException as error:  # noqa: BLE001 - raised again by `replies`
                    self.outbox.put(error)

        self._client.open()
        threading.Thread(target=work, name="chat-http", daemon=True).start()
        self._threads += 1

    def end(self, *, close: bool) -> None:
        """Stop the threads; with `close`, when no request is under way, the connections too."""
        self._stop.set()
        for _ in range(self._threads):
            self.inbox.put(None)
        if close:
            self._client.close()


def request_body(request: ChatRequest, dialect: str) -> dict[str, Any]:
    """Return the body of a chat completion request."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed,
    }
    if dialect == "openai":
        return {**body, "max_completion_tokens": sampling.max_tokens}
    return {**body, "max_tokens": sampling.max_tokens, **_extras(sampling, dialect)}


def _extras(sampling: Sampling, dialect: str) -> dict[str, Any]:
    """Return settings beyond the standard, as vLLM's or SGLang's server names them.

    Templates that know thinking are told to leave it. vLLM takes `structured_outputs` with `choice`
    or `regex` (0.12 and newer), SGLang a `regex` of its own and no choices.
    """
    extras: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
    if sampling.top_k:
        extras["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1.0:
        extras["repetition_penalty"] = sampling.repetition_penalty
    if dialect == "sglang":
        choices = "|".join(re.escape(choice) for choice in sampling.choices)
        pattern = f"({choices})" if choices else sampling.pattern
        if pattern:
            extras["regex"] = pattern
    elif sampling.choices:
        extras["structured_outputs"] = {"choice": list(sampling.choices)}
    elif sampling.pattern:
        extras["structured_outputs"] = {"regex": sampling.pattern}
    return extras


def _reply(key: str, request: ChatRequest, answer: Answer) -> ChatReply | Failure:
    """Return the reply in a completion's body; anything else is worth another try."""
    try:
        value = answer.json()
        choice = value["choices"][0]
        text = choice["message"].get("content") or ""
        usage = value.get("usage") or {}
        asked, given = usage.get("prompt_tokens"), usage.get("completion_tokens")
        finish = LENGTH if choice.get("finish_reason") == "length" else STOP
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return _unreadable(f"no chat completion in {answer.text[:_SHOWN]!r} ({error!r:.100})")
    if not isinstance(text, str):
        return _unreadable(f"the content is {text!r:.100}")
    if isinstance(asked, int) and isinstance(given, int) and min(asked, given) >= 0:
        return ChatReply(key, text, finish, asked, given)
    characters = sum(len(each.content) for each in request.messages)
    return ChatReply(key, text, finish, -(-characters // 4), -(-len(text) // 4), estimated=True)


def _unreadable(reason: str) -> Failure:
    return Failure(Trouble.REPLY, reason, attempts=0)
