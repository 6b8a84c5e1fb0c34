"""Looking after the store: what it holds, what is damaged, and what may go."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from harness.cache.shard import DamagedShard, NewerShard, ShardHead, read_head, read_vectors
from harness.cache.store import PART_SUFFIX, SPACE_FILE, EmbeddingStore, SpaceFolder, read_note
from harness.core.checksums import DamagedFile
from harness.core.errors import BadInput, StoreError
from harness.core.protocols import Reporter
from harness.core.types import VectorKind

LEFTOVER_SECONDS = 3600.0
"""Age at which an unfinished file is a killed writer's: writing one takes seconds."""
TRASH_PREFIX = ".dropped-"

Problem = Literal["damaged", "newer schema", "other space", "bad space.json", "bad note of use"]


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """One space: `description` is its `space.json` (empty if that cannot be trusted).

    `vectors` counts rows of readable shards (a text that two processes encoded at once counts
    twice), `bytes` all files. `models` and `tasks` are those that used it, `last_used` in UTC.
    """

    fingerprint: str
    description: Mapping[str, Any]
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    kind: VectorKind
    dimension: int
    shards: int
    vectors: int
    bytes: int
    last_used: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that `verify` does not trust; `dropped` if it was removed."""

    path: Path
    problem: Problem
    detail: str
    dropped: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """How many shards and bytes were read, and what was wrong with them."""

    shards: int
    bytes: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class GcRule:
    """Which spaces go: those of `model` not used for `older_than` days (each if given).

    With neither, only what killed writers left unfinished goes. Raises `BadInput` for a
    negative age.
    """

    model: str | None = None
    older_than: float | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Check the age."""
        if self.older_than is not None and self.older_than < 0:
            raise BadInput(
                f"an age of {self.older_than} days", fix="Give 0 or more: --older-than 30"
            )


@dataclass(frozen=True, slots=True)
class Dropped:
    """What `gc` removed, or would: a space's folder or an unfinished file."""

    path: Path
    what: str
    bytes: int


def space_infos(store: EmbeddingStore) -> tuple[SpaceInfo, ...]:
    """Return what each space holds; reads the shards' heads only."""
    return tuple(space_info(folder) for folder in store.spaces())


def space_info(folder: SpaceFolder) -> SpaceInfo:
    """Return what one space holds, leaving out what cannot be read."""
    heads = list(_heads(folder))
    uses = folder.uses()
    description: Mapping[str, Any] = {}
    with contextlib.suppress(StoreError):
        description = folder.description()
    files = [path for path in folder.folder.rglob("*") if path.is_file()]
    return SpaceInfo(
        fingerprint=folder.fingerprint,
        description=description,
        models=tuple(sorted({str(use["model"]) for use in uses})),
        tasks=tuple(sorted({str(use["task"]) for use in uses})),
        kind=heads[0].kind if heads else description.get("kind", "dense"),
        dimension=heads[0].layout.dimension if heads else 0,
        shards=len(heads),
        vectors=sum(head.rows for head in heads),
        bytes=sum(_stat(path)[0] for path in files),
        last_used=_last_used(files),
    )


def verify_store(store: EmbeddingStore, reporter: Reporter, *, repair: bool) -> Verified:
    """Read every shard to its last byte; with `repair` drop the damaged ones and only those.

    A damaged `space.json` is dropped too (the next run of that space writes it again), and a
    damaged note of which task used a space (the next use writes it again). Intact
    shards of a later schema or of another space are reported and left alone.
    """
    findings: list[Finding] = []
    work = [(folder, path) for folder in store.spaces() for path in folder.shard_paths()]
    size = 0
    with reporter.bar("verifying shards", len(work), "shards") as advance:
        for folder, path in work:
            size += _stat(path)[0]
            found = _check_shard(folder, path)
            if found is not None:
                findings.append(_settle(found, repair=repair))
            advance()
    for folder in store.spaces():
        found = _check_description(folder)
        for each in (found, *_check_notes(folder)):
            if each is not None:
                findings.append(_settle(each, repair=repair))
    return Verified(len(work), size, tuple(findings))


def collect_garbage(store: EmbeddingStore, rule: GcRule) -> tuple[Dropped, ...]:
    """Drop what the rule names and what killed writers left; return what went (or would)."""
    dropped = []
    if rule.model is not None or rule.older_than is not None:
        for folder in store.spaces():
            info = space_info(folder)
            if _matches(info, rule):
                what = f"space of {info.description.get('model', 'an unknown model')}"
                dropped.append(Dropped(folder.folder, what, info.bytes))
                if not rule.dry_run:
                    _drop_folder(folder.folder)
    for path in _leftovers(store.folder):
        dropped.append(Dropped(path, "unfinished file", _stat(path)[0]))
        if not rule.dry_run:
            _remove(path)
    if not rule.dry_run and store.folder.is_dir():
        # What an interrupted collection had already taken out of use.
        for path in store.folder.glob(f"{TRASH_PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)
    return tuple(dropped)


def _heads(folder: SpaceFolder) -> Iterator[ShardHead]:
    """Yield the heads of a space's shards, without those that cannot be read."""
    for path in folder.shard_paths():
        with contextlib.suppress(StoreError, OSError):
            yield read_head(path)


def _check_shard(folder: SpaceFolder, path: Path) -> Finding | None:
    """Return what is wrong with a shard, if anything; one that is gone is no finding."""
    try:
        head = read_head(path)
        read_vectors(head)
    except DamagedShard as error:
        return Finding(path, "damaged", error.reason, dropped=False)
    except NewerShard as error:
        return Finding(path, "newer schema", f"schema {error.version}", dropped=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"cannot read {path}: {error.strerror or error}", fix="Make it readable."
        ) from error
    if head.space != folder.fingerprint:
        return Finding(path, "other space", f"belongs to {head.space}", dropped=False)
    return None


def _check_notes(folder: SpaceFolder) -> Iterator[Finding]:
    """Yield the damaged notes of use of a space."""
    for path in folder.note_paths():
        try:
            read_note(path)
        except DamagedFile as error:
            if path.exists():
                yield Finding(path, "bad note of use", error.message, dropped=False)


def _check_description(folder: SpaceFolder) -> Finding | None:
    """Return what is wrong with a space's `space.json`, if anything."""
    path = folder.folder / SPACE_FILE
    if not path.exists():
        return None
    try:
        folder.description()
    except StoreError as error:
        return Finding(path, "bad space.json", error.message, dropped=False)
    return None


def _settle(found: Finding, *, repair: bool) -> Finding:
    """Drop the file if it is damaged and repair is wanted."""
    if not repair or found.problem not in ("damaged", "bad space.json"):
        return found
    _remove(found.path)
    return Finding(found.path, found.problem, found.detail, dropped=True)


def _matches(info: SpaceInfo, rule: GcRule) -> bool:
    """Tell whether a space falls under a rule; a model is named as in its card or its space."""
    if rule.model is not None:
        names = {*info.models, str(info.description.get("model", ""))}
        if rule.model not in names:
            return False
    if rule.older_than is None:
        return True
    age = datetime.now(UTC) - info.last_used
    return age.total_seconds() >= rule.older_than * 86_400


def _leftovers(folder: Path) -> list[Path]:
    """Return unfinished files too old to be still in the writing."""
    if not folder.is_dir():
        return []
    before = time.time() - LEFTOVER_SECONDS
    found = (path for path in folder.rglob(f"*{PART_SUFFIX}") if path.name.startswith("."))
    return sorted(path for path in found if 0 < _stat(path)[1] < before)


def _last_used(files: list[Path]) -> datetime:
    """Return the newest change among a space's files: shards and notes of use."""
    newest = max((_stat(path)[1] for path in files), default=0.0)
    return datetime.fromtimestamp(newest, UTC)


def _stat(path: Path) -> tuple[int, float]:
    """Return a file's bytes and time of change; zeros if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0.0
    return found.st_size, found.st_mtime


def _drop_folder(folder: Path) -> None:
    """Take a space out of use at once, by a rename, and then remove its files."""
    trash = folder.with_name(f"{TRASH_PREFIX}{uuid4().hex}")
    try:
        folder.rename(trash)
        shutil.rmtree(trash)
    except OSError as error:
        raise StoreError(
            f"cannot drop {folder}: {error.strerror or error}", fix="Make the folder writable."
        ) from error


def _remove(path: Path) -> None:
    """Remove a file; raises `StoreError` when the folder does not allow it."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot remove {path}: {error.strerror or error}", fix="Make its folder writable."
        ) from error
