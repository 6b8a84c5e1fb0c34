"""The shard file: keys, token counts and vectors of one space, every byte under a checksum.

Layout, little-endian (bytes 0-31 and the rule for their checksum hold for all later schemas):

    0   8   magic `rbshard` and a newline
    8   4   schema version
    12  4   length of the JSON header, padded with spaces so that the next section is aligned
    16  16  XXH3-128 of bytes 0-15 and of the JSON header
    32  …   JSON header: space, rows, dimension, storage, checksum of each section; for other
            kinds than dense also the kind and the number of items in all rows
    …   …   keys, 32 bytes a row; token counts, 8 bytes a row; zeros up to the next 64 bytes
    …   …   vectors to the end of the file, as the kind's codec packs them

XXH3-128 reads memory some fifteen times faster than SHA-256 does, so every load can afford it;
it guards against damage, not against forgery.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import xxhash

from harness.cache.codecs.codec import Codec, Layout
from harness.cache.codecs.table import CODECS
from harness.cache.keys import KEY_BYTES
from harness.core.errors import StoreError
from harness.core.hashing import canonical_json
from harness.core.types import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.cache.keys import KeyMatrix
    from harness.core.types import IntVector, VectorKind


MAGIC = b"rbshard\n"
SCHEMA = max(codec.schema for codec in CODECS.values())
"""The latest schema that is read: each kind of vector has the one that brought it."""
ALIGN = 64
ROW_INDEX_BYTES = KEY_BYTES + 8
MAX_HEADER = 1 << 16
_PREFIX = struct.Struct("<8sII")
_HEADER_AT = _PREFIX.size + 16


class DamagedShard(StoreError):
    """A shard that is torn, cut short or flipped; readers go on without it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the cache shard {path} is damaged ({reason})",
            fix="`rebench cache verify --repair` drops damaged shards; their texts are encoded "
            "again when they are next needed.",
        )
        self.path = path
        self.reason = reason


class NewerShard(StoreError):
    """An intact shard of a later schema; encoding its texts once more would be a silent cost."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"the cache shard {path} has schema {version}; this rebench reads up to {SCHEMA}",
            fix="Upgrade rebench, or use another cache folder (REBENCH_CACHE).",
        )
        self.path = path
        self.version = version


@dataclass(frozen=True, slots=True)
class ShardHead:
    """All of a shard but its vectors, checked.

    `keys` is uint8 `[rows, 32]`, `tokens` int64 `[rows]`; the vectors lie at byte `vectors_at`
    as `kind` and `layout` say, and must have the checksum `vectors_hash`.
    """

    path: Path
    space: str
    kind: VectorKind
    layout: Layout
    vectors_at: int
    vectors_hash: str
    keys: KeyMatrix
    tokens: IntVector

    @property
    def rows(self) -> int:
        """Return the number of texts."""
        return self.layout.rows

    @property
    def vector_bytes(self) -> int:
        """Return the size of the vectors' section."""
        return CODECS[self.kind].body_bytes(self.layout)


def shard_bytes(
    space: str, keys: KeyMatrix, tokens: IntVector, vectors: Any, codec: Codec[Any]
) -> bytes:
    """Return a whole shard file: keys uint8 `[n, 32]`, tokens `[n]`, the codec's vectors of n.

    Raises `ValueError` for no rows or parts that differ in length.
    """
    rows = len(keys)
    if rows == 0 or len(tokens) != rows or codec.rows(vectors) != rows:
        raise ValueError(f"{rows} keys, {len(tokens)} counts, {codec.rows(vectors)} vectors")
    index = keys.tobytes() + np.asarray(tokens).astype("<i8").tobytes()
    index += bytes(-len(index) % ALIGN)
    layout, body = codec.pack(vectors)
    described: dict[str, Json] = {
        "space": space,
        "rows": rows,
        "dimension": layout.dimension,
        "storage": layout.storage,
        "index": xxhash.xxh3_128_hexdigest(index),
        "vectors": xxhash.xxh3_128_hexdigest(body),
    }
    if codec.kind != "dense":
        described |= {"kind": codec.kind, "items": layout.items}
    header = canonical_json(described).encode("ascii")
    header += b" " * (-(_HEADER_AT + len(header)) % ALIGN)
    prefix = _PREFIX.pack(MAGIC, codec.schema, len(header))
    return b"".join((prefix, xxhash.xxh3_128_digest(prefix + header), header, index, body))


def read_head(path: Path) -> ShardHead:
    """Read and check a shard up to its vectors.

    Raises `DamagedShard`, `NewerShard`, and `OSError` (`FileNotFoundError` where another process
    has dropped it).
    """
    with path.open("rb") as handle:
        header, index_at = _read_header(handle, path)
        index_bytes = header["rows"] * ROW_INDEX_BYTES
        index = handle.read(index_bytes + -index_bytes % ALIGN)
        size = handle.seek(0, 2)
    if xxhash.xxh3_128_hexdigest(index) != header["index"]:
        raise DamagedShard(path, "its keys do not match their checksum")
    rows = header["rows"]
    head = ShardHead(
        path=path,
        space=header["space"],
        kind=header.get("kind", "dense"),
        layout=Layout(rows, header["dimension"], header["storage"], header.get("items", rows)),
        vectors_at=index_at + len(index),
        vectors_hash=header["vectors"],
        keys=np.frombuffer(index, np.uint8, rows * KEY_BYTES).reshape(rows, KEY_BYTES),
        tokens=np.frombuffer(index, "<i8", rows, rows * KEY_BYTES).astype(np.int64),
    )
    if size != head.vectors_at + head.vector_bytes:
        raise DamagedShard(
            path, f"it has {size:,} bytes and should have {head.vectors_at + head.vector_bytes:,}"
        )
    return head


def read_vectors(head: ShardHead, buffer: NDArray[np.uint8] | None = None) -> Any:
    """Read and check a shard's vectors, of its kind; raises as `read_head`.

    The bytes that were checked are the bytes returned: the file is read, not mapped. They are
    read into `buffer` (uint8 `[b]`) where it is large enough, and then last until its next use.
    """
    size = head.vector_bytes
    if buffer is None or len(buffer) < size:
        buffer = np.empty(size, dtype=np.uint8)
    body = buffer[:size]
    with head.path.open("rb") as handle:
        handle.seek(head.vectors_at)
        got = handle.readinto(body.data)
    if got != size:
        raise DamagedShard(head.path, "it ends before its last vector")
    if xxhash.xxh3_128_hexdigest(body.data) != head.vectors_hash:
        raise DamagedShard(head.path, "its vectors do not match their checksum")
    return CODECS[head.kind].unpack(body, head.layout)


def _read_header(handle: BinaryIO, path: Path) -> tuple[dict[str, Any], int]:
    """Return the checked JSON header and the place where it ends."""
    start = handle.read(_HEADER_AT)
    if len(start) < _HEADER_AT or not start.startswith(MAGIC):
        raise DamagedShard(path, "it does not begin as a shard")
    _, version, length = _PREFIX.unpack_from(start)
    data = handle.read(length) if length <= MAX_HEADER else b""
    digest = xxhash.xxh3_128_digest(start[: _PREFIX.size] + data)
    if len(data) != length or digest != start[_PREFIX.size :]:
        raise DamagedShard(path, "its header does not match its checksum")
    if version > SCHEMA:
        raise NewerShard(path, version)
    header: dict[str, Any] = json.loads(data)
    return header, _HEADER_AT + length
