"""Which of the wanted texts are stored, where, and their vectors read back checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from harness.cache.codecs.table import CODECS
from harness.cache.keys import key_words
from harness.cache.shard import DamagedShard, ShardHead, read_head, read_vectors
from harness.core.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import KeyMatrix
    from harness.cache.store import SpaceFolder
    from harness.core.protocols import Reporter
    from harness.core.types import IntVector

    BoolVector: TypeAlias = NDArray[np.bool_]
    Put: TypeAlias = Callable[[IntVector, Any], None]

CLOCK_TICK_NS = 50_000_000
"""Longer than the coarsest tick of a kernel's file times (10 ms at 100 Hz), in ns."""


class Lookup:
    """The m wanted keys matched against a space's shards, kept up with what others write.

    `tokens` is int64 `[m]`, the stored token counts (-1: not stored). Damaged shards are named
    in a warning once and never used; `NewerShard` is raised.
    """

    def __init__(self, folder: SpaceFolder, keys: KeyMatrix, reporter: Reporter) -> None:
        self._folder = folder
        self._reporter = reporter
        words = key_words(keys)
        self._order = np.argsort(words[:, 0], kind="stable")
        self._words = words[self._order]
        self._heads: list[ShardHead | None] = []
        self._seen: set[str] = set()
        self._changed = -1
        self._buffer = np.empty(0, dtype=np.uint8)
        self._shard = np.full(len(keys), -1, dtype=np.int64)
        self._row = np.full(len(keys), -1, dtype=np.int64)
        self.tokens = np.full(len(keys), -1, dtype=np.int64)
        self.refresh()

    @property
    def stored(self) -> BoolVector:
        """Return which wanted keys are stored: bool `[m]`."""
        return self._shard >= 0

    def refresh(self) -> None:
        """Take in shards that have appeared; one `stat` where none has."""
        changed = self._folder_changed()
        if changed == self._changed:
            return
        for path in self._folder.shard_paths():
            if path.name not in self._seen:
                self._seen.add(path.name)
                self._take(len(self._heads), self._trusted_head(path))
        # Two changes within one tick of the file system's clock look like one.
        settled = time.time_ns() - changed > CLOCK_TICK_NS
        self._changed = changed if settled else -1

    def load(self, rows: IntVector, put: Put) -> None:
        """Hand over the vectors of those wanted rows that are stored, shard by shard.

        `put` gets row numbers `[r]` and their vectors. A shard that turns out damaged is
        dropped from view: its rows come from another shard or count as not stored.
        """
        pending = rows[self.stored[rows]]
        sizes = (self._vector_bytes(number) for number in np.unique(self._shard[pending]))
        # One buffer for all shards: fresh memory for each would cost more than reading does.
        self._buffer = np.empty(max(sizes, default=0), dtype=np.uint8)
        while len(pending):
            by_shard = pending[np.argsort(self._shard[pending], kind="stable")]
            borders = np.flatnonzero(np.diff(self._shard[by_shard])) + 1
            failed = [part for part in np.split(by_shard, borders) if not self._load_one(part, put)]
            lost = np.concatenate(failed) if failed else by_shard[:0]
            self._rematch(lost)
            pending = lost[self.stored[lost]]
        self._buffer = self._buffer[:0].copy()

    def _vector_bytes(self, number: int) -> int:
        """Return the size of a known shard's vectors; 0 if it is not to be used."""
        head = self._heads[number]
        return head.vector_bytes if head is not None else 0

    def _load_one(self, rows: IntVector, put: Put) -> bool:
        """Read one shard's share; False if the shard is damaged or gone."""
        number = int(self._shard[rows[0]])
        head = self._heads[number]
        if head is None:
            return False
        try:
            vectors = read_vectors(head, self._buffer)
        except DamagedShard as error:
            self._reporter.warn(f"{error.message}; it is left out. {error.fix}")
        except FileNotFoundError:
            pass  # Dropped by another process since it was listed.
        except OSError as error:
            raise _unreadable(head.path.name, error) from error
        else:
            put(rows, CODECS[head.kind].take(vectors, self._row[rows]))
            return True
        self._heads[number] = None
        return False

    def _rematch(self, rows: IntVector) -> None:
        """Forget where these rows are and look for them in the shards that are left."""
        if not len(rows):
            return
        self._shard[rows] = self._row[rows] = self.tokens[rows] = -1
        for number, head in enumerate(self._heads):
            if head is not None:
                self._match(number, head)

    def _take(self, number: int, head: ShardHead | None) -> None:
        """Add a shard to those known and match its keys."""
        self._heads.append(head)
        if head is not None:
            self._match(number, head)

    def _match(self, number: int, head: ShardHead) -> None:
        """Point wanted rows that have no place yet at this shard's rows."""
        if not len(self._words):
            return
        words = key_words(head.keys)
        place = np.searchsorted(self._words[:, 0], words[:, 0])
        place = np.minimum(place, len(self._words) - 1)
        # All 32 bytes are compared: two wanted keys that share their first 8 would at worst
        # leave one of them unfound and encoded again.
        found = (self._words[place] == words).all(axis=1)
        wanted = self._order[place[found]]
        row = np.flatnonzero(found)
        new = self._shard[wanted] < 0
        self._shard[wanted[new]] = number
        self._row[wanted[new]] = row[new]
        self.tokens[wanted[new]] = head.tokens[row[new]]

    def _trusted_head(self, path: Path) -> ShardHead | None:
        """Read a shard's head; None, with a warning, for one that is not to be trusted."""
        try:
            head = read_head(path)
        except DamagedShard as error:
            self._reporter.warn(f"{error.message}; it is left out. {error.fix}")
            return None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(str(path), error) from error
        if head.space != self._folder.fingerprint:
            self._reporter.warn(
                f"the cache shard {path} belongs to the space {head.space}; it is left out"
            )
            return None
        return head

    def _folder_changed(self) -> int:
        """Return the time of the last change to the shards' folder in ns; 0: no folder yet."""
        try:
            return self._folder.shards_folder.stat().st_mtime_ns
        except OSError:
            return 0


def _unreadable(name: str, error: OSError) -> StoreError:
    """Return the error for a shard that the system does not let us read."""
    return StoreError(
        f"cannot read the cache shard {name}: {error.strerror or error}",
        fix="Make it readable, or use another cache folder (REBENCH_CACHE).",
    )
