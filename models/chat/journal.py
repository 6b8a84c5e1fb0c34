"""Every request and reply of a run, appended to one file: resume store, audit trail, replay file.

A line is `{"key": …, "tokens": [prompt, reply], "estimated": …, "request": {…}, "reply": {…},
"checksum": …}`; lines that an earlier release wrote have no checksum.
It holds what was asked and answered, and nothing of how the server was reached. Packed replies
say in `request.about` which document they are on, in the place of the messages.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.core.checksums import checked_line, line_checksum
from harness.core.errors import BadInput, StoreError
from harness.core.files import read_lines
from harness.core.types import Json
from models.chat.protocol import ChatReply, ChatRequest, request_json
from models.chat.thinking import without_surrogates

SYNC_SECONDS = 2.0
"""A line is handed to the system at once, so a killed process loses none of it; it is forced to
the disk when the last time is this long ago, so a power cut costs at most as much."""

_SIZES = 1 << 32
"""No line is as long as that."""

_HEAD = re.compile(
    rb'\{"key": "([0-9a-f]{64})", "tokens": \[(\d+), (\d+)\], '
    rb'"estimated": (?:true|false), "request": '
)


@dataclass(frozen=True, slots=True)
class TokenTotals:
    """What the replies of a journal add up to, in tokens."""

    replies: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0

    def together(self, other: TokenTotals) -> TokenTotals:
        """Return the sum of two totals."""
        return TokenTotals(
            self.replies + other.replies,
            self.prompt_tokens + other.prompt_tokens,
            self.reply_tokens + other.reply_tokens,
        )

    def plus(self, prompt_tokens: int, reply_tokens: int) -> TokenTotals:
        """Return the totals with one more reply."""
        return TokenTotals(
            self.replies + 1, self.prompt_tokens + prompt_tokens, self.reply_tokens + reply_tokens
        )


class Journal:
    """An append-only store of replies by key, for one process at a time.

    Only places are held in memory (some 200 bytes a reply); replies are read back from the file.
    A torn last line (the process died in it) is cut off; a damaged line elsewhere raises
    `BadInput`. A second process on the same file, or a full disk, raises `StoreError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[bytes, int] = {}  # offset and size in one number, for memory's sake
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise _cannot_write(path, error) from error
        try:
            _lock(self._file, path)
            self.totals, self._end = self._scan()
            os.ftruncate(self._file, self._end)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, key: str) -> ChatReply:
        """Return the reply to a request; raises `KeyError` when it has none yet."""
        offset, size = divmod(self._places[bytes.fromhex(key)], _SIZES)
        line = os.pread(self._file, size, offset)
        if line_checksum(line) is False:
            raise _damaged_line(self.path, None, False)
        return reply_of(json.loads(line))

    def append(self, request: ChatRequest, reply: ChatReply) -> None:
        """Keep a reply; one that is kept already, or that is an error, raises `ValueError`."""
        if reply.error or reply.key in self:
            raise ValueError(f"not to be kept: {reply}")
        line = record_line(request, reply)
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(28, "No space left on device")
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise _cannot_write(self.path, error) from error
        self._places[bytes.fromhex(reply.key)] = self._end * _SIZES + len(line)
        self._end += len(line)
        self.totals = self.totals.plus(reply.prompt_tokens, reply.reply_tokens)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Force what is written to the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Force the file to the disk and let it go."""
        self.sync()
        os.close(self._file)

    def _scan(self) -> tuple[TokenTotals, int]:
        """Index the lines of the file; return their totals and where the last whole one ends."""
        totals = TokenTotals()
        offset = 0
        with os.fdopen(os.dup(self._file), "rb") as handle:
            handle.seek(0)
            for number, line in enumerate(handle, start=1):
                if not line.endswith(b"\n"):
                    break
                head = _HEAD.match(line)
                sound = line_checksum(line)
                if head is None or not (sound or (sound is None and line.endswith(b"}}\n"))):
                    raise _damaged_line(self.path, number, sound)
                key, prompt_tokens, reply_tokens = head.groups()
                # The first reply stands, whatever a file glued together from two says later.
                place = offset * _SIZES + len(line)
                self._places.setdefault(bytes.fromhex(key.decode()), place)
                totals = totals.plus(int(prompt_tokens), int(reply_tokens))
                offset += len(line)
        return totals, offset


def record_line(
    request: ChatRequest, reply: ChatReply, about: Mapping[str, Json] | None = None
) -> bytes:
    """Return the line of one request and its reply, newline included.

    With `about`, that stands in the place of the messages: the key answers for them, and texts
    that belong to others need not be passed on with the replies.
    """
    asked = request_json(request)
    if about is not None:
        asked = {"about": about, **{key: asked[key] for key in asked if key != "messages"}}
    record: dict[str, Json] = {
        "key": reply.key,
        "tokens": [reply.prompt_tokens, reply.reply_tokens],
        "estimated": reply.estimated,
        "request": asked,
        "reply": {"text": reply.text, "finish": reply.finish},
    }
    return checked_line(record)


def reply_of(record: Mapping[str, Any]) -> ChatReply:
    """Return the reply that a parsed line holds; raises `KeyError` or `TypeError` for another."""
    prompt_tokens, reply_tokens = record["tokens"]
    return ChatReply(
        key=record["key"],
        # Journals of earlier versions may hold halves of surrogate pairs.
        text=without_surrogates(record["reply"]["text"]),
        finish=record["reply"]["finish"],
        prompt_tokens=prompt_tokens,
        reply_tokens=reply_tokens,
        estimated=record["estimated"],
    )


def read_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line number, record) of a journal, plain or `.gz`, a torn last line left out.

    Raises `BadInput` naming file and line for any other line that is no record.
    """
    torn: tuple[int, str] | None = None
    for number, line in read_lines(path):
        if torn is not None:
            raise BadInput(
                f"{path}, line {torn[0]}: {torn[1]}", fix="Fix or remove that line of the journal."
            )
        try:
            if line_checksum(line.encode("utf-8")) is False:
                raise ValueError("its contents do not have its checksum")
            record = json.loads(line)
            reply_of(record)
            torn = None
        except (RecursionError, KeyError, TypeError, ValueError) as error:
            torn = (number, f"not a record of a request and its reply ({error!r})")
            continue
        yield number, record


def _damaged_line(path: Path, number: int | None, sound: bool | None) -> BadInput:
    """Return the error of a line that is no record, or whose checksum is wrong."""
    where = f"{path}, line {number}" if number is not None else str(path)
    damaged = "its contents do not have its checksum"
    says = damaged if sound is False else "not a record of a request and its reply"
    return BadInput(
        f"{where}: {says}",
        fix="Remove that line; its request will be asked again.",
    )


def _lock(file: int, path: Path) -> None:
    """Take the file for this process; raises `StoreError` when another has it."""
    try:
        import fcntl
    except ImportError:  # a system without it has no such lock, and loses only the warning
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StoreError(
            f"{path} is in use by another process",
            fix="Wait for it to end, or give this run a folder of its own with --out.",
        ) from error


def _cannot_write(path: Path, error: OSError) -> StoreError:
    """Return the error of a journal that cannot be written."""
    return StoreError(
        f"cannot write {path}: {error.strerror or error}",
        fix="Make room or make it writable, then run the same command again: "
        "every reply so far is kept.",
    )
