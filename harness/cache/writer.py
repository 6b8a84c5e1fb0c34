"""Collects finished batches and writes them as shards, soon and not too small."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from harness.cache.store import SpaceFolder

if TYPE_CHECKING:
    from harness.cache.plan import Batch
    from harness.core.types import FloatMatrix

FLUSH_SECONDS = 30.0
"""Work that a kill may cost at most, next to the batch that is running."""
FLUSH_BYTES = 64 * 1024 * 1024
"""Vectors in one shard at most (plus one batch): read back in one piece."""


class ShardWriter:
    """A context that writes whole batches; leaving it, by an error too, writes what is pending.

    Raises `StoreError` when a shard cannot be written; `kept` counts the texts that were.
    """

    def __init__(self, folder: SpaceFolder) -> None:
        self._folder = folder
        self._pending: list[tuple[Batch, FloatMatrix]] = []
        self._bytes = 0
        self._due = time.monotonic() + FLUSH_SECONDS
        self.kept = 0

    def __enter__(self) -> ShardWriter:
        """Start the clock."""
        self._due = time.monotonic() + FLUSH_SECONDS
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is pending, whatever ended the work."""
        self.flush()

    def add(self, batch: Batch, vectors: FloatMatrix) -> None:
        """Take a finished batch; writes a shard when it is time or there is enough."""
        self._pending.append((batch, vectors))
        self._bytes += vectors.nbytes
        if self._bytes >= FLUSH_BYTES or time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Write the pending batches as one shard, if there are any."""
        # Taken out first: after a failed write the same batches are not tried on a full disk again.
        pending, self._pending, self._bytes = self._pending, [], 0
        if pending:
            self._folder.write_shard(
                np.concatenate([batch.keys for batch, _ in pending]),
                np.concatenate([batch.counts for batch, _ in pending]),
                np.concatenate([vectors for _, vectors in pending]),
            )
            self.kept += sum(len(batch) for batch, _ in pending)
        self._due = time.monotonic() + FLUSH_SECONDS
