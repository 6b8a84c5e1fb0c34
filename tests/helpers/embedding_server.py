"""A real server on the loopback interface that embeds by hashing and fails on request."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSION = 8
MODEL = "org/toy-embedder"


def vector(text: str) -> np.ndarray:
    """The vector of a text: float32 [8], any norm."""
    digest = hashlib.sha256(text.encode()).digest()
    return np.frombuffer(digest, dtype=np.uint8)[:DIMENSION].astype(np.float32) - 127.5


def expected(texts: list[str]) -> np.ndarray:
    """The normalised vectors an embedder should return, by float64 arithmetic."""
    raw = np.stack([vector(text) for text in texts]).astype(np.float64)
    return raw / np.sqrt((raw * raw).sum(axis=1, keepdims=True))


def good_reply(body: dict[str, Any]) -> dict[str, Any]:
    """What a sound server answers: each token a word, vectors in the order of the texts."""
    texts = body["input"]
    return {
        "object": "list",
        "model": body["model"],
        "data": [
            {"object": "embedding", "index": place, "embedding": [float(x) for x in vector(text)]}
            for place, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": sum(len(text.split()) for text in texts)},
    }


Answer = Callable[["Handler", dict[str, Any]], None]


@dataclass
class Server:
    """What the test sees: the address, every request, and the faults that are still to come.

    `faults` are used up one a request; then `always` answers, if set, else a good reply is sent.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: deque[Answer] = field(default_factory=deque)
    always: Answer | None = None
    at_once: int = 0
    most_at_once: int = 0
    gave_up: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    """Answers POST /v1/embeddings as the test's `Server` says."""

    protocol_version = "HTTP/1.1"
    state: Server

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        state = self.state
        with state.lock:
            state.bodies.append(body)
            state.headers.append(dict(self.headers))
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
            answer = state.faults.popleft() if state.faults else state.always
        try:
            if self.path != "/v1/embeddings":
                self.send(404, {"detail": "Not Found"})
            elif answer is not None:
                answer(self, body)
            else:
                self.send(200, good_reply(body))
        finally:
            with state.lock:
                state.at_once -= 1

    def send(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON, or with a text as it stands."""
        content = (payload if isinstance(payload, str) else json.dumps(payload)).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def status(code: int, payload: Any = None, **headers: str) -> Answer:
    """Answer with this status; header names have `_` for `-`."""
    message = {"error": {"message": f"injected {code}"}} if payload is None else payload
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, body: handler.send(code, message, named)


def changed(change: Callable[[dict[str, Any]], Any]) -> Answer:
    """Answer with a good reply after `change` (which edits it, or returns another)."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        reply = good_reply(body)
        other = change(reply)
        handler.send(200, reply if other is None else other)

    return answer


def hang(handler: Handler, body: dict[str, Any]) -> None:
    """Answer nothing until the test is over, or has waited far too long."""
    handler.state.gave_up = not handler.state.released.wait(20)
    handler.close_connection = True


def half_a_body(handler: Handler, body: dict[str, Any]) -> None:
    """Promise a whole reply, send half of it, hang up."""
    content = json.dumps(good_reply(body)).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def reset(handler: Handler, body: dict[str, Any]) -> None:
    """Reset the connection before a byte is sent."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.close_connection = True
    # The base class flushes these afterwards; the socket is gone.
    handler.wfile = _Nowhere()  # type: ignore[assignment]


class _Nowhere:
    """Takes what the base class still writes after a reset."""

    closed = True

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class QuietServer(ThreadingHTTPServer):
    """Takes it calmly that clients hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server until the block ends."""
    state = Server()
    handler = type("BoundHandler", (Handler,), {"state": state})
    with QuietServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_port}/v1"
        try:
            yield state
        finally:
            state.released.set()
            http.shutdown()
            thread.join()
