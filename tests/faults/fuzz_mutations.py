"""Changes to a file's bytes: of its values, its lines, its fields, and its bytes themselves.

A file is opened before it is changed and closed again afterwards (`Form`): what is packed or
carries a checksum would otherwise only ever be refused at its door.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.core.checksums import with_checksum

RAW = "\x01RAW{}\x01"
RAW_VALUES = (
    "1" * 5000, "1e999", "-1e999", "NaN", "-Infinity", "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000, '"\\ud800"', "1" * 400, "9223372036854775808", "0.1e-999",
)  # fmt: skip
"""JSON texts that no Python value stands for, or that no reader is written for."""
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 1.5, -0.0, 1e308, "", " ", "\0", "\n", "\t", "a\tb\nc",
    "\ufeff", "é", "x" * 5000, "../../x", "/", "~", "~nosuchuser", "nan", "1e999", [], {}, [[]],
    [None], [1, "a"], {"": 0}, {"a": {"b": []}}, "{{query}}", "{query", "\u2028", "%s%n", "=1+1",
    *(RAW.format(at) for at in range(len(RAW_VALUES))),
)  # fmt: skip
ODD_TOKENS: tuple[bytes, ...] = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\t", b"\x1b[31m", b'"', b"{",
    b"}", b"[", b"]", b",", b":", b"=", b"null", b"nan", b"inf", b"1e999", b"-1", b"1" * 5000,
    b"[" * 3000, b"\\ud800", b"\xc2\x85", b"\xe2\x80\xa8", b"'''", b"#", b"1979-05-27", b"true",
    b"{{", b"---\n", b"! !x", b"&a [*a]", b"\\", b"\x1f\x8b",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How a file is opened into a text that can be changed, and closed again.

    Either may raise `ValueError` for a text that cannot be: the bytes are changed then.
    """

    open: Callable[[bytes], bytes]
    close: Callable[[bytes], bytes]


def _sealed(text: bytes) -> bytes:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("only an object carries a checksum")
    value.pop("checksum", None)
    return json.dumps(with_checksum(value)).encode()


def _rows(data: bytes) -> bytes:
    from pyarrow import parquet

    rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parquet(text: bytes) -> bytes:
    import pyarrow
    from pyarrow import parquet

    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("only objects are rows")
    sink = io.BytesIO()
    try:
        parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    except (pyarrow.ArrowException, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return sink.getvalue()


def _header(data: bytes) -> bytes:
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


PLAIN = Form(bytes, bytes)
PACKED = Form(gzip.decompress, lambda text: gzip.compress(text, 1, mtime=0))
SEALED = Form(bytes, _sealed)
PARQUET = Form(_rows, _parquet)
SAFETENSORS = Form(_header, lambda text: len(text).to_bytes(8, "little") + text + bytes(64))


def mutated(data: bytes, form: Form, rng: random.Random) -> bytes:
    """Return a changed file: one to three changes, of its text mostly, of its bytes sometimes."""
    if rng.random() < 0.85:
        with contextlib.suppress(ValueError, RecursionError, OverflowError, EOFError, OSError):
            text = form.open(data)
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                text = rng.choice(TEXT_CHANGES)(text, rng)
            return form.close(text)
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(BYTE_CHANGES)(data, rng)
    return data


# Bytes ---------------------------------------------------------------------------------------


def _flip(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(ODD_TOKENS) + data[at:]


def _drop(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 2, 8, 64)) :]


def _double(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    piece = data[at : at + rng.choice((1, 8, 64, 512))]
    return data[:at] + piece + data[at:]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _number(data: bytes, rng: random.Random) -> bytes:
    """Write an odd integer over four or eight bytes, as binary headers hold them."""
    size = rng.choice((4, 8))
    value = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)) % 256**size
    at = rng.randrange(max(1, len(data) - size))
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


BYTE_CHANGES = (_flip, _insert, _drop, _double, _cut, _number)


# Lines and fields ----------------------------------------------------------------------------


def _lines(data: bytes, rng: random.Random) -> bytes:
    """Drop, double, join, empty or exchange lines."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return rng.choice(ODD_TOKENS)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    change = rng.randrange(5)
    if change == 0:
        del lines[at]
    elif change == 1:
        lines.insert(other, lines[at])
    elif change == 2:
        lines[at] = lines[at].rstrip(b"\n")
    elif change == 3:
        lines[at] = b"\n"
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def _field(data: bytes, rng: random.Random) -> bytes:
    """Replace, drop or double a field of a line that tabs or spaces part."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    mark = b"\t" if b"\t" in lines[at] else b" "
    fields = lines[at].split(mark)
    place = rng.randrange(len(fields))
    fields[place : place + 1] = rng.choice(
        ([rng.choice(ODD_TOKENS)], [], [fields[place]] * 2, [b""], [rng.choice(fields)])
    )
    lines[at] = mark.join(fields)
    return b"\n".join(lines)


def _assignment(data: bytes, rng: random.Random) -> bytes:
    """Replace the value of a TOML line, or a line of a card, by an odd one."""
    lines = data.split(b"\n")
    places = [at for at, line in enumerate(lines) if b"=" in line or b": " in line]
    if not places:
        return data
    at = rng.choice(places)
    mark = b"=" if b"=" in lines[at] else b": "
    key = lines[at].partition(mark)[0]
    lines[at] = key + mark + b" " + rng.choice(TOML_VALUES)
    return b"\n".join(lines)


TOML_VALUES = (
    b"nan", b"inf", b"-inf", b"1e400", b"[]", b"{}", b"true", b"''", b'"\\u0000"', b"9" * 400,
    b"1979-05-27", b"07:32:00", b"-1", b"0", b"[[1]]", b"{a = {b = 1}}", b"'x'", b"1.5",
    b"[1, 'a']", b"[" * 2000 + b"]" * 2000, b'"{{"', b'"{"', b'"../.."', b"'" + b"x" * 5000 + b"'",
    b"[{}]",
    b"0x" + b"f" * 300, b"9223372036854775808", b"['']", b"1e-400",
)  # fmt: skip


# Values --------------------------------------------------------------------------------------


def _json_value(data: bytes, rng: random.Random) -> bytes:
    """Change one value of a JSON text, or of one line of JSON lines."""
    try:
        return _changed_json(data.decode(), rng).encode("utf-8", "surrogatepass")
    except ValueError:
        lines = data.decode("utf-8", "replace").split("\n")
        at = rng.randrange(len(lines))
        with contextlib.suppress(ValueError):
            lines[at] = _changed_json(lines[at], rng)
        return "\n".join(lines).encode("utf-8", "surrogatepass")


def _changed_json(text: str, rng: random.Random) -> str:
    value = json.loads(text)
    places = list(_places(value))
    if not places or rng.random() < 0.03:
        value = rng.choice(ODD_VALUES)
    else:
        _change(*rng.choice(places), rng)
    changed = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    for at, raw in enumerate(RAW_VALUES):
        changed = changed.replace(json.dumps(RAW.format(at)), raw)
    return changed


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a decoded JSON value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found += [(item, key) for key in item]
            waiting += item.values()
        elif isinstance(item, list):
            found += [(item, at) for at in range(len(item))]
            waiting += item
    return found


def _change(container: Any, key: Any, rng: random.Random) -> None:
    """Replace, drop, rename, wrap or double a value where it stands."""
    change = rng.randrange(9)
    if change == 0:
        del container[key]
    elif change == 1 and isinstance(container, dict):
        container[rng.choice(("", "x", f"{key}x", "_id", "id", "text", "\0"))] = container.pop(key)
    elif change == 1:
        container.append(container[key])
    elif change == 2:
        container[key] = rng.choice(([container[key]], {"x": container[key]}, str(container[key])))
    elif change == 3 and isinstance(container[key], str) and container[key]:
        text = container[key]
        at = rng.randrange(len(text))
        container[key] = (
            text[:at] + rng.choice(("", "\0", "\t", "\n", "é", "{", "}", " ")) + text[at:]
        )
    elif change == 3 and isinstance(container[key], int | float):
        container[key] = rng.choice((-container[key], container[key] + 1, container[key] * 1e10))
    else:
        container[key] = rng.choice(ODD_VALUES)


TEXT_CHANGES = (
    _json_value, _json_value, _json_value, _json_value, _assignment, _assignment, _lines, _field,
    _field, _insert, _drop, _double, _flip, _cut,
)  # fmt: skip
