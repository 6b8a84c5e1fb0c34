"""The embedding store on disk: one folder a vector space, immutable shards within."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic
from urllib.parse import quote
from uuid import uuid4

import numpy as np

from harness.cache.codecs.codec import Codec, V
from harness.cache.shard import shard_bytes
from harness.core.checksums import (
    DamagedFile,
    check_document,
    read_document,
    with_checksum,
    write_document,
)
from harness.core.errors import BadInput, StoreError
from harness.core.files import parse_json, write_atomic
from harness.core.hashing import canonical_json, sha256_json, space_fields, space_fingerprint
from harness.core.types import VectorSpace

if TYPE_CHECKING:
    from harness.cache.batches import Batch
    from harness.cache.keys import KeyMatrix
    from harness.core.types import IntVector


SPACE_SCHEMA = 1
SPACE_FILE = "space.json"
SHARD_SUFFIX = ".shard"
PART_SUFFIX = ".part"


class EmbeddingStore:
    """All spaces under `cache_dir/embeddings`.

    Several processes and machines may read and write at once without locks: shards have unique
    names, appear whole by a rename, and never change.
    """

    def __init__(self, cache_dir: Path) -> None:
        self.folder = cache_dir / "embeddings"

    def space(self, space: VectorSpace) -> SpaceFolder:
        """Return the folder of a space, its `space.json` written or compared.

        Raises `StoreError` if the folder cannot be written or describes another space.
        """
        folder = SpaceFolder(self.folder / space_fingerprint(space))
        folder.describe(space)
        return folder

    def spaces(self) -> tuple[SpaceFolder, ...]:
        """Return the folders of all spaces that are there, in name order.

        A cache that does not exist holds none; raises `StoreError` for one that is a file.
        """
        for place in (self.folder.parent, self.folder):
            if place.exists() and not place.is_dir():
                raise StoreError(f"{place} is not a folder", fix="Choose another cache folder.")
        if not self.folder.is_dir():
            return ()
        return tuple(
            SpaceFolder(path)
            for path in sorted(self.folder.iterdir())
            if path.is_dir() and not path.name.startswith(".")
        )


class SpaceFolder:
    """One space's `space.json`, `shards/` and `served/`; `created` if this object made it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.created = False

    @property
    def fingerprint(self) -> str:
        """Return the hash of the space: the folder's name."""
        return self.folder.name

    @property
    def shards_folder(self) -> Path:
        """Return where the shards lie."""
        return self.folder / "shards"

    @property
    def claims_folder(self) -> Path:
        """Return where processes say which batches they are encoding."""
        return self.folder / "claims"

    def describe(self, space: VectorSpace) -> None:
        """Write `space.json`, or compare it with `space` if it is there."""
        if not (self.folder / SPACE_FILE).exists():
            self.created = self._make_folder()
            document = with_checksum({"schema": SPACE_SCHEMA, "space": space_fields(space)})
            text = json.dumps(document, indent=1, ensure_ascii=False)
            write_atomic(self.folder / SPACE_FILE, text.encode("utf-8", "surrogatepass"))
        elif canonical_json(self.description()) != canonical_json(space_fields(space)):
            raise _space_error(self.folder, "describes another space than the one asked for")

    def description(self) -> Mapping[str, Any]:
        """Return the fields of `space.json`, checked against the folder's name.

        Raises `StoreError` if it is absent, unreadable, of a later schema, or does not have the
        folder's hash.
        """
        try:
            data = (self.folder / SPACE_FILE).read_bytes()
            text = data.decode("utf-8", "surrogatepass")
            # An instruction may hold half of a surrogate pair.
            value = parse_json(text, SPACE_FILE, finite=False)
            schema, space = int(value["schema"]), dict(value["space"])
            check_document(value, SPACE_FILE, fix="", needed=False)
        except DamagedFile as error:
            raise _space_error(self.folder, "does not have its checksum") from error
        except (BadInput, OSError, ValueError, KeyError, TypeError) as error:
            raise _space_error(self.folder, f"cannot be read: {error!r}") from error
        if schema > SPACE_SCHEMA:
            raise StoreError(
                f"{self.folder / SPACE_FILE} has schema {schema}; this rebench reads up to "
                f"{SPACE_SCHEMA}",
                fix="Upgrade rebench, or use another cache folder (REBENCH_CACHE).",
            )
        if sha256_json(space)[:32] != self.fingerprint:
            raise _space_error(self.folder, "does not have the hash that names its folder")
        return space

    def shard_paths(self) -> list[Path]:
        """Return the shards in name order: oldest first."""
        try:
            found = [p for p in self.shards_folder.iterdir() if p.name.endswith(SHARD_SUFFIX)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"cannot list {self.shards_folder}: {error.strerror or error}",
                fix="Make it readable, or use another cache folder (REBENCH_CACHE).",
            ) from error
        return sorted(path for path in found if not path.name.startswith("."))

    def write_shard(self, keys: KeyMatrix, tokens: IntVector, vectors: V, codec: Codec[V]) -> Path:
        """Write one shard whole under a name of its own; raises `StoreError` when it cannot."""
        name = f"{time.time_ns():016x}-{uuid4().hex[:16]}{SHARD_SUFFIX}"
        path = self.shards_folder / name
        write_atomic(path, shard_bytes(self.fingerprint, keys, tokens, vectors, codec))
        return path

    def check_writable(self) -> None:
        """Raise `StoreError` unless a file can be written here, before costly work starts."""
        probe = self.shards_folder / f".probe-{uuid4().hex}{PART_SUFFIX}"
        write_atomic(probe, b"")
        with contextlib.suppress(OSError):
            probe.unlink()

    def record_use(self, task: str, model: str, texts: int) -> None:
        """Note that a task used this space; what cannot be written is left out."""
        path = self.folder / "served" / f"{quote(task, safe='')}.json"
        row: dict[str, Any] = {
            "task": task,
            "model": model,
            "texts": texts,
            "last_used": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        # A read-only cache still serves; only the note of its use is missing then.
        with contextlib.suppress(StoreError):
            write_document(path, row)

    def uses(self) -> list[dict[str, Any]]:
        """Return the notes of use, in task order; a damaged one is left out."""
        rows = []
        for path in self.note_paths():
            with contextlib.suppress(DamagedFile):
                rows.append(read_note(path))
        return rows

    def note_paths(self) -> list[Path]:
        """Return the notes of use, in the order of their names."""
        return sorted((self.folder / "served").glob("*.json"))

    def _make_folder(self) -> bool:
        """Make the folder; exactly one of several processes is told that it was the first."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir()
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(
                f"cannot make the cache folder {self.folder}: {error.strerror or error}",
                fix="Make the folder writable, or choose another (REBENCH_CACHE).",
            ) from error
        return True


def read_note(path: Path) -> dict[str, Any]:
    """Return a note of use: task, model, texts and when; raises `DamagedFile`."""
    note = read_document(path, fix="`rebench cache verify --repair` drops it.")
    texts = (note.get(key) for key in ("task", "model", "last_used"))
    if not all(isinstance(text, str) for text in texts) or not isinstance(note.get("texts"), int):
        raise DamagedFile(f"{path} is no note of use", fix="Remove it.")
    return note


def _space_error(folder: Path, problem: str) -> StoreError:
    """Return the error for a `space.json` that cannot be trusted."""
    return StoreError(
        f"{folder / SPACE_FILE} {problem}",
        fix="`rebench cache verify --repair` drops a damaged one; the next run writes it again.",
    )


FLUSH_SECONDS = 30.0
"""Work that a kill may cost at most, next to the batch that is running."""
FLUSH_BYTES = 64 * 1024 * 1024
"""Vectors in one shard at most (plus one batch): read back in one piece."""


class ShardWriter(Generic[V]):
    """A context that writes whole batches; leaving it, by an error too, writes what is pending.

    Raises `StoreError` when a shard cannot be written; `kept` counts the texts that were.
    """

    def __init__(self, folder: SpaceFolder, codec: Codec[V]) -> None:
        self._folder = folder
        self._codec = codec
        self._pending: list[tuple[Batch, V]] = []
        self._bytes = 0
        self._due = time.monotonic() + FLUSH_SECONDS
        self.kept = 0

    def __enter__(self) -> ShardWriter[V]:
        """Start the clock."""
        self._due = time.monotonic() + FLUSH_SECONDS
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is pending, whatever ended the work."""
        self.flush()

    def add(self, batch: Batch, vectors: V) -> None:
        """Take a finished batch; writes a shard when it is time or there is enough."""
        self._pending.append((batch, vectors))
        self._bytes += self._codec.nbytes(vectors)
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
                self._codec.concatenate([vectors for _, vectors in pending]),
                self._codec,
            )
            self.kept += sum(len(batch) for batch, _ in pending)
        self._due = time.monotonic() + FLUSH_SECONDS
