"""Every request and reply of a run in one journal: resume store, audit trail, replay file.

New replies are lines of `journal.jsonl`, each an object with `key`, `tokens` (of prompt and reply),
`estimated`, `request`, `reply` and `checksum`. Once these are many, they are sealed into compressed
segments beside it (`journal_segments`). A line holds what was asked and answered, and nothing of
how the server was reached. Packed replies say in `request.about` which document they are about,
instead of the messages. Lines of earlier versions have no checksum; they are read as they are.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.checksums import checked_line, line_checksum, line_numbers
from harness.core.errors import BadInput, StoreError
from harness.core.files import open_text
from harness.core.types import Json
from models.chat.journal_segments import (
    JournalLine,
    SealedSegments,
    segment_files,
    segment_lines,
)
from models.chat.protocol import ChatReply, ChatRequest, request_json
from models.chat.thinking import without_surrogates

SYNC_SECONDS = 2.0
"""A line is handed to the system at once, so a killed process loses none of it; it is forced to
the disk when the last time is this long ago, so a power cut costs at most as much."""

SEAL_BYTES = 1 << 25
"""`journal.jsonl` is sealed into a segment when it is larger: 32 MiB, packed in about a second."""

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

    Keys and places are held in memory (200 bytes a reply in `journal.jsonl`, 40 in a segment);
    replies are read back from the files. A torn last line (the process died in it) is cut off; a
    damaged line or segment raises `BadInput`. A second process on the same file, or a full disk,
    raises `StoreError`.
    """

    def __init__(self, path: Path, seal_bytes: int = SEAL_BYTES) -> None:
        self.path = path
        self._seal_bytes = seal_bytes
        self._places: dict[bytes, int] = {}  # offset and size in one number, for memory's sake
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise _cannot_write(path, error) from error
        try:
            _lock(self._file, path)
            self._sealed = SealedSegments(path, parse_line)
            self.totals, self._end = self._scan()
            os.ftruncate(self._file, self._end)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, key: str) -> bool:
        name = bytes.fromhex(key)
        return name in self._places or name in self._sealed

    def __len__(self) -> int:
        return len(self._places) + len(self._sealed)

    def read(self, key: str) -> ChatReply:
        """Return the reply to a request; raises `KeyError` when it has none yet."""
        name = bytes.fromhex(key)
        place = self._places.get(name)
        if place is None:
            line = self._sealed.line(name)
        else:
            offset, size = divmod(place, _SIZES)
            line = os.pread(self._file, size, offset)
        try:
            parse_line(line)
            return reply_of(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput(
                f"{self.path}: the reply to {key[:16]}… is damaged: {error}",
                fix="Remove its line; its request will be asked again.",
            ) from error

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
        if self._end > self._seal_bytes:
            self._seal()
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

    def _seal(self) -> None:
        """Move the lines of `journal.jsonl` into a segment, which is whole before they go."""
        self._sealed.seal(line for line, _ in self._lines())
        os.ftruncate(self._file, 0)
        self._places.clear()
        self._end = 0

    def _lines(self) -> Iterator[tuple[JournalLine, int]]:
        """Yield the whole lines of `journal.jsonl` with their offsets; raises `BadInput`."""
        offset = 0
        with os.fdopen(os.dup(self._file), "rb") as handle:
            handle.seek(0)
            for number, data in enumerate(handle, start=1):
                if not data.endswith(b"\n"):
                    return
                try:
                    yield parse_line(data), offset
                except ValueError as error:
                    lines = line_numbers(number, map(_is_damaged, handle))
                    raise BadInput(
                        f"{self.path}, {lines}: {error}",
                        fix=f"Remove {lines}; what they answer will be asked again.",
                    ) from error
                offset += len(data)

    def _scan(self) -> tuple[TokenTotals, int]:
        """Index `journal.jsonl`; return the totals of all, and where its last whole line ends.

        The first reply to a request stands, whatever a file glued together from two says later. If
        every line is in a segment, sealing was interrupted before the lines were removed: they go.
        """
        totals = TokenTotals(len(self._sealed), *self._sealed.tokens)
        end = 0
        for line, offset in self._lines():
            end = offset + len(line.data)
            if line.key not in self._places and line.key not in self._sealed:
                self._places[line.key] = offset * _SIZES + len(line.data)
                totals = totals.plus(line.prompt_tokens, line.reply_tokens)
        return totals, end if self._places else 0


def _is_damaged(data: bytes) -> bool:
    """Tell whether a line is no record of a request and its reply."""
    try:
        parse_line(data)
    except ValueError:
        return True
    return False


def parse_line(data: bytes) -> JournalLine:
    """Return a line taken apart; raises `ValueError` for one that is no record or is damaged."""
    head = _HEAD.match(data)
    sound = line_checksum(data)
    if sound is False:
        raise ValueError("its contents do not have its checksum")
    if head is None or not (sound or data.endswith(b"}}\n")):
        raise ValueError("not a record of a request and its reply")
    key, prompt_tokens, reply_tokens = head.groups()
    return JournalLine(bytes.fromhex(key.decode()), int(prompt_tokens), int(reply_tokens), data)


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
        "reply": {"text": reply.text, "finish": reply.finish, **_logprobs(reply)},
    }
    return checked_line(record)


def _logprobs(reply: ChatReply) -> dict[str, Json]:
    return {"logprobs": dict(reply.logprobs)} if reply.logprobs else {}


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
        logprobs=record["reply"].get("logprobs", {}),
    )


def read_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line number, record) of a journal with its segments, plain or `.gz`.

    A last line without its end, torn by a kill, is left out. Raises `BadInput` naming file and
    line for any other line that is no record or is damaged.
    """
    for segment in segment_files(path) if path.suffix == ".jsonl" else ():
        for number, data in enumerate(segment_lines(segment), start=1):
            yield number, _record(segment, number, data.decode("ascii", "replace").rstrip("\n"))
    with open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            try:
                record = _record(path, number, line.rstrip("\n").removesuffix("\r"))
            except BadInput:
                if line.endswith("\n"):
                    raise
                return
            yield number, record


def _record(path: Path, number: int, line: str) -> Mapping[str, Any]:
    """Return the record of a line; raises `BadInput`."""
    try:
        parsed = json.loads(line)
        reply_of(parsed)
        if line_checksum(line.encode("utf-8", "surrogatepass")) is False:
            raise ValueError("its contents do not have its checksum")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"{path}, line {number}: not a record of a request and its reply ({error!r})",
            fix="Fix or remove that line of the journal.",
        ) from error
    record: Mapping[str, Any] = parsed
    return record


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
