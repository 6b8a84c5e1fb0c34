"""A chat server that answers by a fixed rule, counts what it is asked, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.core.retry import RetryPolicy
from models.chat.http import ChatServerOptions, HttpChat

QUICK_RETRY = RetryPolicy(attempts=4, first_delay=0.01, longest_delay=0.05)
QUICK = ChatServerOptions(concurrency=8, timeout=0.4, retry=QUICK_RETRY)

QUERY = (
    "At work number {n} keeps slipping: whenever two of our night jobs meet, the later one waits "
    "for ever, and nobody can say why that happens only on machine {n}."
)
REASONING = (
    "The asker wants to know why job {n} waits. One has to know locking, deadlocks and queues. A "
    "helpful text would define mutual exclusion. Needed: how lock order number {n} is kept."
)


def number_of(text: str) -> int:
    """Return a number that depends on a prompt alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def rule(prompt: str) -> str:
    """Return the reply to a prompt of any stage."""
    n = number_of(prompt)
    if "<score>number</score>" in prompt:
        return f"Query analysis: x. Document analysis: y.\n<score>{n % 5 + 1}</score>"
    if "Answer with one word" in prompt:
        return "Yes" if n % 4 else "No"
    return (REASONING if "The need, restated" in prompt else QUERY).format(n=n)


@dataclass
class Fault:
    """What goes wrong with a reply: a status, or one of the kinds that `_Handler` knows."""

    kind: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class ChatServer:
    """The server's state: how often each (prompt, seed) was asked and answered, and its faults.

    `fault(prompt, seed, number)` says what goes wrong the `number`-th time (from 1) something is
    asked; `reply(prompt)` gives the text of a good reply.
    """

    url: str = ""
    fault: Callable[[str, int, int], Fault | None] = lambda prompt, seed, number: None
    reply: Callable[[str], str] = rule
    delay: float = 0.0
    asked: Counter[tuple[str, int]] = field(default_factory=Counter)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Run a server on a free local port."""
    state = ChatServer()

    class Handler(_Handler):
        server_state = state

    server = _Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up or are killed leave broken pipes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_state: ChatServer

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt, seed = body["messages"][-1]["content"], body["seed"]
        with state.lock:
            state.asked[prompt, seed] += 1
            number = state.asked[prompt, seed]
            state.headers.append(dict(self.headers))
            state.bodies.append(body)
            state._at_once += 1
            state.most_at_once = max(state.most_at_once, state._at_once)
        try:
            time.sleep(state.delay)
            fault = state.fault(prompt, seed, number)
            if fault is None:
                self._good(prompt, seed, state)
            else:
                self._bad(fault, prompt)
        finally:
            with state.lock:
                state._at_once -= 1

    def _good(self, prompt: str, seed: int, state: ChatServer) -> None:
        self._send(200, completion(state.reply(prompt)), {})
        with state.lock:
            state.answered[prompt, seed] += 1

    def _bad(self, fault: Fault, prompt: str) -> None:
        if fault.kind == "status":
            self._send(fault.status, fault.body or '{"error": "no"}', fault.headers)
        elif fault.kind == "hang":
            time.sleep(1.0)
            self.close_connection = True
        elif fault.kind == "close":
            self.close_connection = True
        elif fault.kind == "half":
            whole = completion("never to be seen")
            self._send(200, whole[: len(whole) // 2], {"Content-Length": str(len(whole) + 9)})
            self.close_connection = True
        elif fault.kind == "short":
            whole = completion("never to be seen")
            self._send(200, whole, {"Content-Length": str(len(whole) + 9)})
            self.close_connection = True
        elif fault.kind == "drip":
            self._drip()
        elif fault.kind == "chunked":
            self._chunked(completion(rule(prompt)))
        else:  # "body": an answer with status 200 and whatever text
            self._send(200, fault.body, fault.headers)

    def _drip(self) -> None:
        """Send a good reply so slowly that it takes far longer than any client here waits."""
        data = completion("never to be seen").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), 8):
            try:
                self.wfile.write(data[at : at + 8])
                self.wfile.flush()
            except OSError:
                break
            time.sleep(0.05)
        self.close_connection = True

    def _chunked(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(text), 37):
            piece = text[at : at + 37].encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, text: str, headers: dict[str, str]) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def completion(text: str, finish: str = "stop") -> str:
    """Return the body of a completion."""
    tokens = len(re.findall(r"\w+", text))
    return json.dumps(
        {
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish,
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens},
        }
    )


def http_chat(url: str, **changes: object) -> HttpChat:
    """Return a client that does not wait long."""
    return HttpChat(url, "test-model", replace(QUICK, **changes))
