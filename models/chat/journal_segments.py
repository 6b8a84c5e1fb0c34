"""Sealed parts of a journal: compressed, indexed, and checked when they are read.

Beside `journal.jsonl`, which grows line by line, are `journal-000001.jsonl.gz`, … Each is a
sequence of gzip members of some lines, so `zcat` reads it whole, and one reply is found by
unpacking its member alone. `journal-000001.idx` beside it says where each key is; it is made again
from the segment if it is absent or damaged.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.core.errors import BadInput
from harness.core.files import atomic_file, write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMBER_BYTES = 1 << 18
"""Lines are packed together up to this size: what is unpacked to read one of them (a millisecond).
Prompts of one stage resemble each other, so more lines pack better."""

_LEVEL = 6
_MAGIC = b"rebench journal index 1\n"
_HELD = 16
"""Unpacked members in memory: replies are mostly read in the order in which they arrived."""

_ENTRY = np.dtype([("high", "<u8"), ("low", "<u8"), ("place", "<u8"), ("prompt", "<u4"),
                   ("reply", "<u4")])  # fmt: skip
"""Of a line: the first 16 bytes of its key, where it is, and its tokens. The place is the offset of
its member, times 2**16, plus its number in the member."""

_LINES = 1 << 16


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of a journal: its key (32 bytes), its tokens, and its bytes, newline included."""

    key: bytes
    prompt_tokens: int
    reply_tokens: int
    data: bytes


def segment_files(journal: Path) -> list[Path]:
    """Return the sealed segments of a journal, oldest first."""
    name = re.compile(rf"{re.escape(journal.stem)}-\d{{6,}}\.jsonl\.gz")
    folder = journal.parent
    return sorted(path for path in folder.glob("*.jsonl.gz") if name.fullmatch(path.name))


LineParser: TypeAlias = Callable[[bytes], JournalLine]


class SealedSegments:
    """All sealed segments of a journal under one index: some 40 bytes of memory a line.

    `parse` makes a `JournalLine` of a line's bytes or raises `ValueError`; it is used only if an
    index is made again. Raises `BadInput` for a segment that is damaged or cut short.
    """

    def __init__(self, journal: Path, parse: LineParser) -> None:
        self._journal = journal
        self._paths = segment_files(journal)
        self._entries = np.empty(0, dtype=_ENTRY)
        self._owners = np.empty(0, dtype=np.uint32)
        self._members: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._merge([_index_of(path, parse) for path in self._paths], 0)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        return self._find(key) is not None

    @property
    def tokens(self) -> tuple[int, int]:
        """Return the sums of prompt and of reply tokens."""
        prompt, reply = (self._entries[name].sum(dtype=np.int64) for name in ("prompt", "reply"))
        return int(prompt), int(reply)

    def line(self, key: bytes) -> bytes:
        """Return the line of a key; raises `KeyError` without one, `BadInput` for damage."""
        row = self._find(key)
        if row is None:
            raise KeyError(key.hex())
        offset, number = divmod(int(self._entries["place"][row]), _LINES)
        owner = int(self._owners[row])
        lines = self._members.get((owner, offset))
        if lines is None:
            lines = self._members[owner, offset] = _read_member(self._paths[owner], offset)
            if len(self._members) > _HELD:
                self._members.popitem(last=False)
        if number >= len(lines):
            raise _damaged(self._paths[owner], "its index names a line that it does not hold")
        return lines[number]

    def seal(self, lines: Iterable[JournalLine]) -> None:
        """Write lines as a new segment and its index, each whole or not at all."""
        last = self._paths[-1].name.removesuffix(".jsonl.gz") if self._paths else "0"
        number = int(last.rpartition("-")[2]) + 1
        path = self._journal.with_name(f"{self._journal.stem}-{number:06}.jsonl.gz")
        entries: list[tuple[int, int, int, int, int]] = []
        with atomic_file(path) as temporary, temporary.open("wb") as handle:
            for member in _members(lines):
                offset = handle.tell()
                handle.write(gzip.compress(b"".join(each.data for each in member), _LEVEL, mtime=0))
                entries += [_entry(each, offset, at) for at, each in enumerate(member)]
        table = np.array(entries, dtype=_ENTRY)
        _write_index(path, table)
        self._paths.append(path)
        self._merge([table], len(self._paths) - 1)

    def _merge(self, tables: Sequence[NDArray[np.void]], first: int) -> None:
        """Add the indexes of segments from number `first` on; a key's first line stands."""
        owners = [np.full(len(each), first + at, np.uint32) for at, each in enumerate(tables)]
        entries = np.concatenate((self._entries, *tables))
        order = np.argsort(entries["high"], kind="stable")
        entries, owner = entries[order], np.concatenate((self._owners, *owners))[order]
        new = np.ones(len(entries), dtype=bool)
        new[1:] = (entries["high"][1:] != entries["high"][:-1]) | (
            entries["low"][1:] != entries["low"][:-1]
        )
        self._entries, self._owners = entries[new], owner[new]

    def _find(self, key: bytes) -> int | None:
        """Return the row of a key."""
        high, low = _halves(key)
        column = self._entries["high"]
        row = int(np.searchsorted(column, np.uint64(high)))
        while row < len(column) and int(column[row]) == high:
            if int(self._entries["low"][row]) == low:
                return row
            row += 1
        return None


def segment_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a segment; raises `BadInput` if it is damaged or cut short."""
    offset = 0
    size = path.stat().st_size
    while offset < size:
        lines, offset = _unpack(path, offset)
        yield from lines


def _halves(key: bytes) -> tuple[int, int]:
    return int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")


def _entry(line: JournalLine, offset: int, number: int) -> tuple[int, int, int, int, int]:
    return (*_halves(line.key), offset * _LINES + number, line.prompt_tokens, line.reply_tokens)


def _members(lines: Iterable[JournalLine]) -> Iterator[list[JournalLine]]:
    """Yield lines in groups of about `MEMBER_BYTES`."""
    group: list[JournalLine] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line.data)
        if size >= MEMBER_BYTES or len(group) == _LINES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _read_member(path: Path, offset: int) -> list[bytes]:
    return _unpack(path, offset)[0]


def _unpack(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Return the lines of the member at an offset, and the offset of the next one."""
    unpacker = zlib.decompressobj(wbits=31)
    data = b""
    try:
        with path.open("rb") as handle:
            handle.seek(offset)
            while not unpacker.eof:
                piece = handle.read(MEMBER_BYTES)
                if not piece:
                    raise _damaged(path, "it is cut short")
                data += unpacker.decompress(piece)
            end = handle.tell() - len(unpacker.unused_data)
    except (OSError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    return data.splitlines(keepends=True), end


def _index_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".jsonl.gz") + ".idx")


def _index_of(path: Path, parse: LineParser) -> NDArray[np.void]:
    """Return a segment's index as it is stored, or made again from the segment."""
    stored = _read_index(path)
    if stored is not None:
        return stored
    entries = []
    offset, size = 0, path.stat().st_size
    if not size:
        raise _damaged(path, "it is empty")
    while offset < size:
        lines, end = _unpack(path, offset)
        for number, line in enumerate(lines):
            try:
                entries.append(_entry(parse(line), offset, number))
            except ValueError as error:
                raise _damaged(path, str(error)) from error
        offset = end
    table = np.array(entries, dtype=_ENTRY)
    _write_index(path, table)
    return table


def _write_index(path: Path, table: NDArray[np.void]) -> None:
    """Write an index: its segment's size, the entries, and a checksum of both."""
    body = path.stat().st_size.to_bytes(8, "little") + table.tobytes()
    write_atomic(_index_path(path), _MAGIC + body + zlib.crc32(body).to_bytes(4, "little"))


def _read_index(path: Path) -> NDArray[np.void] | None:
    """Return a stored index, or `None` if there is none that belongs to this segment.

    Raises `BadInput` for a segment that has lost its end.
    """
    index = _index_path(path)
    if not index.is_file():
        return None
    data = index.read_bytes()
    body, check = data[len(_MAGIC) : -4], data[-4:]
    whole = data.startswith(_MAGIC) and zlib.crc32(body).to_bytes(4, "little") == check
    if not whole or (len(body) - 8) % _ENTRY.itemsize:
        return None
    indexed, size = int.from_bytes(body[:8], "little"), path.stat().st_size
    if indexed > size:
        raise _damaged(path, f"it is cut short, {size:,} of {indexed:,} bytes are left")
    if indexed != size:
        return None
    return np.frombuffer(body[8:], dtype=_ENTRY)


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{path} is damaged: {why}",
        fix="Restore it, or remove it and its .idx: its requests will then be asked again.",
    )
