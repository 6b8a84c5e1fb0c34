"""ReMixer's generate stage against a local server that answers every call in 50 ms.

    python benchmarks/remix_generate.py                  # 10,000 calls, 64 at once
    python benchmarks/remix_generate.py --calls 2000     # a quick look

The server is a process of its own that parses each request and sends a fixed completion 50 ms
later; its ceiling is `concurrency / 0.05` calls a second. The stage runs as in a pipeline: prompts
made from documents, requests hashed, replies checked and journalled. Memory is this process'
resident size, with the documents in it: after the first tenth of the calls, and its peak. The other
rows are bare calls without any of that, to compare HTTP clients: processor time is this process'.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.types import PromptFields
from models.chat.dispatch import Dispatcher
from models.chat.http import ChatServerOptions, HttpChat
from models.chat.journal import Journal
from remixer.prompt_builder import PromptBuilder
from remixer.rows import SourceRow
from remixer.stages.generate import generate_queries
from remixer.task_profiles import load_profile

RESULTS = Path(__file__).parent / "results" / "remix_generate.md"
DELAY = 0.05
WORDING = PromptFields("notes", "Notes", "question", "question", "documents")
QUERY = "Why does the later of two night jobs wait for ever, and only on one machine? " * 12


async def serve(port: int) -> None:
    """Answer on a port until killed: each request 50 ms after its last byte."""
    body = json.dumps(
        {
            "object": "chat.completion",
            "choices": [
                {"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": QUERY + "%012d"}}
            ],
            "usage": {"prompt_tokens": 420, "completion_tokens": 190, "total_tokens": 610},
        }
    )  # fmt: skip
    answered = 0

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.buffer = b""

        def data_received(self, data: bytes) -> None:
            nonlocal answered
            self.buffer += data
            while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
                head = self.buffer[:end].lower()
                size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                if len(self.buffer) < end + 4 + size:
                    return
                self.buffer = self.buffer[end + 4 + size :]
                answered += 1
                text = (body % answered).encode()
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                reply = b"%sContent-Length: %d\r\n\r\n%s" % (head, len(text), text)
                asyncio.get_running_loop().call_later(DELAY, self.transport.write, reply)

    server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def running_server() -> Iterator[int]:
    """Run the server as a process; give its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender: seconds of wall and processor time; memory in MiB where it is measured."""

    name: str
    calls: int
    wall: float
    processor: float
    early: float = 0.0
    peak: float = 0.0


def resident() -> float:
    """Return this process' resident size in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watching:
    """A reporter that notes the resident size after a tenth of the calls."""

    def __init__(self, calls: int) -> None:
        self.after = calls // 10
        self.early = 0.0

    @contextlib.contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
        """Count the replies."""
        done = 0

        def advance(count: int = 1, /, *, tokens: int = 0) -> None:
            nonlocal done
            done += count
            if done == self.after:
                self.early = resident()

        yield advance

    def note(self, message: str) -> None:
        """Drop it."""

    def warn(self, message: str) -> None:
        """Drop it."""


def stage(port: int, calls: int, concurrency: int) -> Measured:
    """Measure the generate stage as a pipeline runs it."""
    text_of = {f"d{n}": f"Document {n}. " + "A sentence about locks and queues. " * 30
               for n in range(calls)}  # fmt: skip
    sources = [SourceRow(key, "200 to 300 words", "college") for key in text_of]
    prompts = PromptBuilder(load_profile("general", WORDING), "m", "m")
    chat = HttpChat(f"http://127.0.0.1:{port}/v1", "m", ChatServerOptions(concurrency=concurrency))
    reporter = Watching(calls)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "j.jsonl") as journal:
        dispatcher = Dispatcher(chat, journal, reporter)
        start, used = time.perf_counter(), time.process_time()
        rows, _ = generate_queries(dispatcher, prompts, sources, text_of)
        wall, processor = time.perf_counter() - start, time.process_time() - used
    if len(rows) != calls:
        raise SystemExit(f"{len(rows)} queries of {calls}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured("remix generate, whole stage", calls, wall, processor, reporter.early, peak)


def bare_threads(port: int, calls: int, concurrency: int) -> None:
    """Make the calls with the standard library's client, a thread each."""
    body, lock, left = _body(), threading.Lock(), iter(range(calls))

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                if next(left, None) is None:
                    return
            connection.request("POST", "/v1/chat/completions", body, _HEADERS)
            json.loads(connection.getresponse().read())

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bare_openai(port: int, calls: int, concurrency: int) -> None:
    """Make the calls with the openai package's asyncio client."""
    from openai import AsyncOpenAI

    async def drive() -> None:
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0)
        left = iter(range(calls))
        messages = json.loads(_body())["messages"]

        async def work() -> None:
            for _ in left:
                await client.chat.completions.create(model="m", messages=messages)

        await asyncio.gather(*(work() for _ in range(concurrency)))

    asyncio.run(drive())


def _body() -> bytes:
    """Return a request's body, as long as the stage's."""
    text = "A sentence about locks and queues. " * 50
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


_HEADERS = {"Content-Type": "application/json"}


def bare(
    name: str, work: Callable[[int, int, int], None], port: int, calls: int, width: int
) -> Measured:
    """Measure calls without a stage around them."""
    start, used = time.perf_counter(), time.process_time()
    work(port, calls, width)
    return Measured(name, calls, time.perf_counter() - start, time.process_time() - used)


def one(name: str, calls: int, concurrency: int) -> Measured:
    """Measure one contender in this process, against a server of its own."""
    with running_server() as port:
        if name == "stage":
            return stage(port, calls, concurrency)
        label, work = {
            "threads": ("http.client, a thread each, bare calls", bare_threads),
            "openai": ("openai package, asyncio, bare calls", bare_openai),
        }[name]
        return bare(label, work, port, calls, concurrency)


def report(rows: list[Measured], concurrency: int) -> str:
    """Return the result page."""
    ceiling = concurrency / DELAY
    first = rows[0]
    lines = [
        "# ReMixer: calls a second against a server that answers in 50 ms",
        "",
        f"{first.calls:,} calls, {concurrency} at once; the server's ceiling is "
        f"{ceiling:,.0f} calls a second. Client and server share {os.cpu_count()} CPU cores "
        f"({platform.machine()}), Python {platform.python_version()}.",
        "",
        "| | seconds | calls a second | share of the ceiling | processor ms a call |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        rate = row.calls / row.wall
        lines.append(
            f"| {row.name} | {row.wall:.2f} | {rate:,.0f} | {100 * rate / ceiling:.1f} % | "
            f"{1000 * row.processor / row.calls:.3f} |"
        )
    lines += [
        "",
        f"Resident memory of the stage's process, its documents included: {first.early:.0f} MiB "
        f"after {first.calls // 10:,} calls, {first.peak:.0f} MiB at its peak.",
        "",
        f"Load average of the machine when this was made: {os.getloadavg()[0]:.1f}. "
        "Made by `python benchmarks/remix_generate.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark, each contender in a process of its own, and write the result page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    if options.one:
        found = one(options.one, options.calls, options.concurrency)
        print(json.dumps([getattr(found, name) for name in Measured.__slots__]))
        return
    rows = []
    for name in ("stage", "threads", "openai"):
        command = [sys.executable, __file__, "--one", name, "--calls", str(options.calls),
                   "--concurrency", str(options.concurrency)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(Measured(*json.loads(done.stdout)))
        print(rows[-1])
    page = report(rows, options.concurrency)
    print(page)
    if options.calls == 10_000:
        RESULTS.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
