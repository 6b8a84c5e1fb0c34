"""The process that holds one device's embedder: encodes what it is sent, writes its own shards."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from harness.cache.plan import Batch
from harness.cache.runner import BatchEncoder, Input
from harness.cache.store import SpaceFolder
from harness.cache.writer import ShardWriter
from harness.core.errors import RebenchError, StoreError
from harness.core.protocols import Embedder


class EmbedderFactory(Protocol):
    """Makes the embedder of one device, in that device's process: it must be picklable."""

    def __call__(self, device: str) -> Embedder:
        """Return the embedder for a device such as `cuda:1` or `cpu`."""


@dataclass(frozen=True, slots=True)
class Order:
    """What opens one encoding: what its texts have in common, and the space's folder.

    Batches follow, then None.
    """

    source: Input
    folder: Path


@dataclass(frozen=True, slots=True)
class Done:
    """A worker's word that a batch went through; `tokens` after truncation."""

    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A worker's word that an order is finished and all of it written."""


@dataclass(frozen=True, slots=True)
class Failed:
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
    embedder: Embedder | None = None
    try:
        for order in _incoming(connection):
            embedder = embedder or factory(device)
            _fulfil(connection, order, embedder)
    except RebenchError as error:
        connection.send(Failed(error.message, error.fix, isinstance(error, StoreError)))
    except (BrokenPipeError, ConnectionResetError):
        pass  # The parent is gone; what was finished has been written on the way here.


def _fulfil(connection: Connection, order: Order, embedder: Embedder) -> None:
    """Encode one order's batches and say so; what is finished is written whatever happens."""
    with ShardWriter(SpaceFolder(order.folder)) as writer:
        encoder = BatchEncoder(embedder, order.source)
        batch: Batch
        for batch in _incoming(connection):
            before = encoder.tokens
            writer.add(batch, encoder.encode(batch))
            connection.send(Done(len(batch), encoder.tokens - before))
    connection.send(Closed())


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
