"""A language model behind an OpenAI-compatible HTTP server (vLLM, SGLang, llama.cpp, hosted)."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.core.errors import BadInput, ModelError
from harness.core.http import Endpoint, Failure, HttpClient, Trouble
from harness.core.retry import RetryPolicy
from harness.core.secrets import NO_KEY, Secret
from models.chat.completion import read_completion, request_body, says_overflow
from models.chat.defaults import CONCURRENCY, DIALECTS, KEY_VARIABLES, TIMEOUT
from models.chat.protocol import (
    CONTEXT_OVERFLOW,
    ChatReply,
    ChatRequest,
    Replies,
)

_REFUSING = (400, 413, 422, 500)
"""Statuses with which servers answer a prompt that is too long (llama.cpp, LM Studio: 500)."""
_FATAL = (Trouble.KEY, Trouble.CREDIT, Trouble.ADDRESS)


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
        client = HttpClient(self._endpoint, self._options.retry)
        work = _RequestThreads(self._options.concurrency, client)
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
            "chat/completions",
            body,
            lambda answer: read_completion(key, request, answer),
            stop,
            attempts_of=lambda failure: 1 if _is_overflow(failure) else failure.attempts,
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
        if _is_overflow(failure):
            return ChatReply(key=key, text="", finish=CONTEXT_OVERFLOW)
        if failure.trouble is Trouble.REFUSED:
            hint = " (--llm-dialect openai leaves out settings that only vLLM knows)"
            return ChatReply(key=key, text="", error=f"the server {failure.reason}{hint}")
        if failure.trouble is Trouble.REPLY and failure.attempts == 1:
            raise ModelError(
                f"{self._endpoint.host} {failure.reason}",
                fix="Use an endpoint that answers with one JSON object holding a text.",
            )
        return ChatReply(key=key, text="", error=f"after {failure.tries} tries: {failure.reason}")


def _is_overflow(failure: Failure) -> bool:
    """Return True if the server says that the prompt is too long: that is final."""
    return failure.status in _REFUSING and says_overflow(failure.reason)


class _RequestThreads:
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
