"""A language model behind an OpenAI-compatible HTTP server (vLLM, SGLang, llama.cpp, hosted)."""

from __future__ import annotations

import email.utils
import http.client
import json
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.core.errors import BadInput, ModelError
from models.chat.protocol import (
    CONTEXT_OVERFLOW,
    LENGTH,
    STOP,
    ChatReply,
    ChatRequest,
    Replies,
    Sampling,
)
from models.chat.wire import CONNECTION_ERRORS, Answer, Wire, parse_url

DIALECTS = ("vllm", "openai")
_RETRIED = {408, 409, 425, 429}
_FATAL = {401, 402, 403, 404, 405}
_OVERFLOW = ("context length", "context_length", "context window", "max_model_len", "too long")
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class ChatServerOptions:
    """How a server is asked.

    `concurrency` requests at once; `timeout` seconds for a whole reply (60 in the released code);
    `tries` at a request before it is given up, with waits from `first_wait` seconds doubling up
    to `longest_wait`, each cut by chance to between half and all of it; a server's `Retry-After`
    replaces the wait. `dialect` is `vllm` (top_k, repetition penalty, thinking off, choices) or
    `openai` (the standard settings only). Raises `BadInput` for other values.
    """

    concurrency: int = 64
    timeout: float = 60.0
    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    dialect: str = "vllm"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.dialect not in DIALECTS:
            raise BadInput(f"dialect {self.dialect!r}", fix=f"Give one of {', '.join(DIALECTS)}.")
        if self.concurrency < 1 or self.tries < 1 or self.timeout <= 0:
            raise BadInput(f"{self}", fix="Concurrency, tries and time-out must be above 0.")


@dataclass(frozen=True, slots=True)
class _Again:
    """A try that failed in a way that another may not; `wait` is what the server asks for."""

    reason: str
    wait: float | None = None


class HttpChat:
    """A `ChatModel` over HTTP. `key` goes into the Authorization header and nowhere else."""

    def __init__(self, url: str, model: str, key: str, options: ChatServerOptions) -> None:
        self._url = parse_url(url)
        self._path = self._url.path.rstrip("/") + "/chat/completions"
        self._model = model
        self._key = key
        self._options = options
        self._chance = random.Random()  # only waits depend on it

    @property
    def name(self) -> str:
        """Return the model's name on the server."""
        return self._model

    def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
        """Yield replies as they come; see `ChatModel`.

        A few requests beyond `concurrency` are taken in advance, so that no worker waits for the
        next while a reply is being written down.
        """
        inbox: queue.SimpleQueue[tuple[str, ChatRequest] | None] = queue.SimpleQueue()
        outbox: queue.SimpleQueue[ChatReply | BaseException] = queue.SimpleQueue()
        stop = threading.Event()
        workers = 0
        under_way = 0
        ahead = self._options.concurrency + max(1, self._options.concurrency // 8)
        try:
            while True:
                while under_way < ahead and (item := next(requests, None)) is not None:
                    inbox.put(item)
                    under_way += 1
                    if workers < min(under_way, self._options.concurrency):
                        self._start(inbox, outbox, stop)
                        workers += 1
                if not under_way:
                    return
                found = outbox.get()
                under_way -= 1
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            stop.set()
            for _ in range(workers):
                inbox.put(None)

    def _start(
        self,
        inbox: queue.SimpleQueue[tuple[str, ChatRequest] | None],
        outbox: queue.SimpleQueue[ChatReply | BaseException],
        stop: threading.Event,
    ) -> None:
        """Start a worker: one connection, one request at a time. It ends with its process."""

        def work() -> None:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            with Wire(self._url, headers) as wire:
                while (item := inbox.get()) is not None and not stop.is_set():
                    try:
                        outbox.put(self._answer(wire, *item, stop))
                    except BaseException as error:  # noqa: BLE001 - raised again by `replies`
                        outbox.put(error)

        threading.Thread(target=work, name="remix-http", daemon=True).start()

    def _answer(
        self, wire: Wire, key: str, request: ChatRequest, stop: threading.Event
    ) -> ChatReply:
        """Return the reply to one request, or what made it be given up."""
        body = json.dumps(request_body(request, self._options.dialect)).encode()
        reason = ""
        for number in range(self._options.tries):
            try:
                answer = wire.post(self._path, body, self._options.timeout)
                result = self._read(key, request, answer)
            except CONNECTION_ERRORS as error:
                result = _Again(f"{type(error).__name__}: {error}")
            if isinstance(result, ChatReply):
                return result
            reason = result.reason
            last = number == self._options.tries - 1
            if last or stop.wait(self._wait(number, result.wait)):
                break
        return ChatReply(key=key, text="", error=f"after {self._options.tries} tries: {reason}")

    def _wait(self, number: int, asked: float | None) -> float:
        """Return the seconds to wait after the try `number`, counted from 0."""
        longest = self._options.longest_wait
        if asked is not None:
            # A little later than asked, each by another bit, or all would come back at once.
            return min(asked, 10 * longest) + self._chance.random() * self._options.first_wait
        wait = min(self._options.first_wait * 2.0**number, longest)
        return wait * (0.5 + self._chance.random() / 2)

    def _read(self, key: str, request: ChatRequest, answer: Answer) -> ChatReply | _Again:
        """Return what an answer means; raises `ModelError` when no request could be answered."""
        if answer.status == http.client.OK:
            return _reply(key, request, answer.body)
        said = self._said(answer)
        if answer.status in _RETRIED or answer.status >= 500:
            return _Again(f"status {answer.status}: {said}", retry_seconds(answer.retry_after))
        if answer.status in _FATAL:
            raise ModelError(
                f"{self._url.netloc} refuses requests to {self._model!r} with status "
                f"{answer.status}: {said}",
                fix="Check the address, --llm-model, and the key in REBENCH_LLM_KEY.",
            )
        if any(word in said.lower() for word in _OVERFLOW):
            return ChatReply(key=key, text="", finish=CONTEXT_OVERFLOW)
        hint = " (--llm-dialect openai leaves out settings that only vLLM knows)"
        return ChatReply(
            key=key, text="", error=f"refused with status {answer.status}: {said}{hint}"
        )

    def _said(self, answer: Answer) -> str:
        """Return the start of an error's text, with the key struck out should it hold that."""
        text = " ".join(answer.body.decode("utf-8", "replace").split())
        return (text.replace(self._key, "[key]") if self._key else text)[:_SHOWN]


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
    return {**body, "max_tokens": sampling.max_tokens, **_extras(sampling)}


def _extras(sampling: Sampling) -> dict[str, Any]:
    """Return what vLLM's server takes beyond the standard; templates that know it do not think."""
    extras: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
    if sampling.top_k:
        extras["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1.0:
        extras["repetition_penalty"] = sampling.repetition_penalty
    if sampling.choices:
        extras["structured_outputs"] = {"choice": list(sampling.choices)}
    elif sampling.pattern:
        extras["structured_outputs"] = {"regex": sampling.pattern}
    return extras


def retry_seconds(header: str) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or a date), if any."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _reply(key: str, request: ChatRequest, body: bytes) -> ChatReply | _Again:
    """Return the reply in a completion's body; anything else is worth another try."""
    try:
        value = json.loads(body)
        choice = value["choices"][0]
        text = choice["message"].get("content") or ""
        usage = value.get("usage") or {}
        asked, given = usage.get("prompt_tokens"), usage.get("completion_tokens")
        finish = LENGTH if choice.get("finish_reason") == "length" else STOP
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return _Again(f"no chat completion in {body[:_SHOWN]!r} ({error!r})")
    if not isinstance(text, str):
        return _Again(f"the content is {text!r:.100}")
    if isinstance(asked, int) and isinstance(given, int) and min(asked, given) >= 0:
        return ChatReply(key, text, finish, asked, given)
    characters = sum(len(each.content) for each in request.messages)
    return ChatReply(key, text, finish, -(-characters // 4), -(-len(text) // 4), estimated=True)
