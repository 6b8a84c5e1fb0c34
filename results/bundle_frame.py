"""The frame of a bundle: a zip archive that can be laid out in one way only.

Any tool can unpack it. Our reader does not believe its headers: it takes the sizes from the first
member, which lists the others, builds the frame again and compares every byte.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MIB = 1 << 20
MAX_BYTES = 64 * MIB
"""The largest bundle, in bytes."""

MAX_EXPANSION = 100
"""How many times as large as the bundle all that is in it may be, at most."""

STORED, DEFLATED = 0, 8
"""Zip's names for the two ways in which a member may be held."""

_LEVEL = 6
_VERSION = 20
_UNIX = 3
_FIRST_OF_1980 = 0x21
_READABLE = 0o100644 << 16
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_SIZES = struct.Struct("<2I")
_SIZES_AT = 18


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, packed; `size`, `crc` and `sha256` are of the unpacked bytes."""

    name: str
    packed: bytes
    size: int
    crc: int
    sha256: str
    method: int


def stored(name: str, data: bytes) -> Member:
    """Return a member that is held as it is."""
    sha256 = hashlib.sha256(data).hexdigest()
    return Member(name, data, len(data), zlib.crc32(data), sha256, STORED)


def deflated(name: str, data: bytes) -> Member:
    """Return a member that is compressed; its bytes depend on the data and the zlib library."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    return replace(stored(name, data), packed=packed, method=DEFLATED)


def inflated(packed: bytes, size: int) -> bytes | None:
    """Return exactly `size` bytes, `None` if the stream holds fewer, more, or is damaged.

    Never more than one byte beyond `size` is unpacked.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = unpacker.decompress(packed, size + 1)
    except zlib.error:
        return None
    whole = unpacker.eof and not unpacker.unused_data and len(data) == size
    return data if whole else None


def framed(members: Sequence[Member]) -> bytes:
    """Return the archive of members in their order: no times, no comments, no extra fields."""
    body, directory, offset = [], [], 0
    for each in members:
        name = each.name.encode("ascii")
        sizes = (each.crc, len(each.packed), each.size)
        common = (_VERSION, 0, each.method, 0, _FIRST_OF_1980, *sizes, len(name), 0)
        local = _LOCAL.pack(b"PK\x03\x04", *common) + name
        body += [local, each.packed]
        made_by = _UNIX << 8 | _VERSION
        entry = _CENTRAL.pack(b"PK\x01\x02", made_by, *common, 0, 0, 0, _READABLE, offset)
        directory.append(entry + name)
        offset += len(local) + len(each.packed)
    listing = b"".join(directory)
    count = len(members)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listing), offset, 0)
    return b"".join((*body, listing, end))


def _header_length(name: str) -> int:
    """Return the bytes that stand before the data of a member of that name."""
    return _LOCAL.size + len(name.encode("ascii"))


def first_member(data: bytes, name: str, most: int) -> bytes | None:
    """Return the first member's bytes, which must be stored; `None` for any other file.

    The member has at most `most` bytes. Only its length is read from the header: `framed` tells
    later whether the rest is right.
    """
    start = _header_length(name)
    if not data.startswith(b"PK\x03\x04") or data[_LOCAL.size : start] != name.encode("ascii"):
        return None
    packed, size = _SIZES.unpack_from(data, _SIZES_AT)
    if packed != size or size > most or start + size > len(data):
        return None
    return data[start : start + size]


def sliced(data: bytes, first: str, size: int, lengths: Mapping[str, int]) -> dict[str, bytes]:
    """Return the packed bytes of the members behind the `first` one, by their lengths.

    A part of a file that is too short is short; its hash tells.
    """
    at = _header_length(first) + size
    parts = {}
    for name, length in lengths.items():
        at += _header_length(name)
        parts[name] = data[at : at + length]
        at += length
    return parts
