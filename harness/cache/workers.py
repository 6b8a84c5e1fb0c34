"""Several devices on one machine: one process each, fed interleaved slices of the batches."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing.util
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from harness.cache.batches import Batch, BatchEncoder, EncodingCallbacks, EncodingInput
from harness.cache.codecs.table import CODECS
from harness.cache.store import ShardWriter, SpaceFolder
from harness.core.errors import BadInput, ModelError, RebenchError, StoreError
from harness.core.name_clash import hidden_from_workers
from harness.core.protocols import VectorEncoder


class EmbedderFactory(Protocol):
    """Makes the embedder of one device, in that device's process: it must be picklable."""

    def __call__(self, device: str) -> VectorEncoder[Any]:
        """Return the embedder for a device such as `cuda:1` or `cpu`."""


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """What opens one encoding: what its texts have in common, and the space's folder.

    Batches follow, then None.
    """

    source: EncodingInput
    folder: Path


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A worker's word that a batch went through; `tokens` after truncation."""

    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class JobDone:
    """A worker's word that an order is finished and all of it written."""


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A worker's last word where it could not go on; what it had finished is written."""

    message: str
    fix: str
    in_store: bool


def serve(connection: Connection, factory: EmbedderFactory, device: str) -> None:
    """Be a worker until the parent closes the connection or an order fails.

    The embedder is made for the first order and serves all later ones.
    """
    # Ctrl-C reaches every process of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    embedder: VectorEncoder[Any] | None = None
    try:
        for order in _incoming(connection):
            embedder = embedder or factory(device)
            _fulfil(connection, order, embedder)
    except RebenchError as error:
        connection.send(JobFailed(error.message, error.fix, isinstance(error, StoreError)))
    except (BrokenPipeError, ConnectionResetError):
        pass  # The parent is gone; what was finished has been written on the way here.


def _fulfil(connection: Connection, order: EncodeJob, embedder: VectorEncoder[Any]) -> None:
    """Encode one order's batches and say so; what is finished is written whatever happens."""
    codec = CODECS[order.source.space.kind]
    with ShardWriter(SpaceFolder(order.folder), codec) as writer:
        encoder = BatchEncoder(embedder, order.source)
        batch: Batch
        for batch in _incoming(connection):
            before = encoder.tokens
            writer.add(batch, encoder.encode(batch))
            connection.send(BatchDone(len(batch), encoder.tokens - before))
    connection.send(JobDone())


def _incoming(connection: Connection) -> Iterator[Any]:
    """Yield what the parent sends until it sends None or is gone."""
    while True:
        try:
            message = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        if message is None:
            return
        yield message


IN_FLIGHT = 2
"""Batches a worker holds: one running and one waiting, so that no device idles."""


class Workers:
    """One process for each of `devices` (a device may be named twice), made by `factory`.

    Processes are spawned when they are first needed, keep their model for later calls, and end
    with `close` or with this process, however it ends. A script that uses this needs
    `if __name__ == "__main__":`. Raises `BadInput` without a device.
    """

    def __init__(self, factory: EmbedderFactory, devices: Sequence[str]) -> None:
        if not devices:
            raise BadInput("no device is named", fix="Name at least one: --device cuda:0,cuda:1")
        self._workers = [_Worker(factory, device) for device in devices]
        # Registered after multiprocessing's own handler, hence run before it: that one waits for
        # children, and ours would wait for a connection that is still open.
        atexit.register(self.close)

    def encode(
        self,
        source: EncodingInput,
        folder: SpaceFolder,
        batches: Sequence[Batch],
        feed: EncodingCallbacks,
    ) -> None:
        """Encode batches into `folder`; no more processes than batches are started.

        A worker that fails or dies stops the others, which write what they have finished; then
        its error is raised: `StoreError` for a store that cannot be written, else `ModelError`.
        """
        used = self._workers[: len(batches)]
        if not used:
            return
        stop = threading.Event()
        order = EncodeJob(source, folder.folder)
        locked = _one_at_a_time(feed)
        with ThreadPoolExecutor(len(used)) as pool:
            futures = [
                pool.submit(worker.encode, order, batches[number :: len(used)], locked, stop)
                for number, worker in enumerate(used)
            ]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                # Reached on Ctrl-C too: each worker finishes what it holds and writes it.
                stop.set()
        for future in futures:
            future.result()

    def close(self) -> None:
        """End the processes; they are started again if they are needed again."""
        for worker in self._workers:
            worker.close()
        atexit.unregister(self.close)


class _Worker:
    """The parent's side of one worker process."""

    def __init__(self, factory: EmbedderFactory, device: str) -> None:
        self._factory = factory
        self._device = device
        self._connection: Connection | None = None
        self._process: multiprocessing.process.BaseProcess | None = None

    def encode(
        self,
        order: EncodeJob,
        batches: Iterable[Batch],
        feed: EncodingCallbacks,
        stop: threading.Event,
    ) -> None:
        """Hand over batches as they are finished, and wait until all is written."""
        complete = False
        try:
            self._feed(self._started(), order, batches, feed, stop)
            complete = True
        except (EOFError, OSError) as error:
            self._take_last_words(feed)
            raise ModelError(
                f"the process that encodes on {self._device!r} ended too soon "
                f"({self._ending()}); what was finished is kept",
                fix="See the lines above for its cause (a killed process often means too little "
                "memory), then repeat the command: it goes on where it stopped.",
            ) from error
        finally:
            if not complete:
                stop.set()
                self.close()

    def _take_last_words(self, feed: EncodingCallbacks) -> None:
        """Read what a process said before it ended; raises the error that it reports.

        A batch may be on its way to a worker that has just failed: then sending breaks first.
        """
        with contextlib.suppress(EOFError, OSError):
            while self._connection is not None and self._connection.poll():
                _receive(self._connection, feed)

    def close(self) -> None:
        """End the process: it sees the end of its input, writes what it has, and exits."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.pid is not None:
            self._process.join()
        self._connection = self._process = None

    def _feed(
        self,
        connection: Connection,
        order: EncodeJob,
        batches: Iterable[Batch],
        feed: EncodingCallbacks,
        stop: threading.Event,
    ) -> None:
        """Send what remains of each batch, two ahead of what is finished."""
        connection.send(order)
        flying = 0
        for batch in batches:
            if stop.is_set():
                break
            if flying == IN_FLIGHT:
                _receive(connection, feed)
                flying -= 1
            todo = feed.remaining(batch)
            if todo is None or len(todo) < len(batch):
                feed.finished(len(batch) - len(todo or ()), 0, False)
            if todo is not None:
                connection.send(todo)
                flying += 1
        connection.send(None)
        while _receive(connection, feed):
            pass

    def _started(self) -> Connection:
        """Return the connection to the process, started if it is not there."""
        if self._connection is None:
            if (clash := hidden_from_workers()) is not None:
                raise BadInput(str(clash), fix="Rename it, or change the folder.")
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=serve, args=(theirs, self._factory, self._device)
            )
            self._process.start()
            theirs.close()
        return self._connection

    def _ending(self) -> str:
        """Return how the process ended, in words."""
        if self._process is None or self._process.pid is None:
            return "it did not start"
        self._process.join()
        code = self._process.exitcode
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _receive(connection: Connection, feed: EncodingCallbacks) -> bool:
    """Take one message; False when the order is finished. Raises what the worker reports."""
    message = connection.recv()
    if isinstance(message, JobFailed):
        kind = StoreError if message.in_store else ModelError
        raise kind(message.message, fix=message.fix)
    if isinstance(message, BatchDone):
        feed.finished(message.texts, message.tokens, True)
    return not isinstance(message, JobDone)


def _one_at_a_time(feed: EncodingCallbacks) -> EncodingCallbacks:
    """Return the feed for use by several threads."""
    lock = threading.Lock()

    def remaining(batch: Batch) -> Batch | None:
        with lock:
            return feed.remaining(batch)

    def finished(texts: int, tokens: int, encoded: bool) -> None:
        with lock:
            feed.finished(texts, tokens, encoded)

    return EncodingCallbacks(remaining, finished)
