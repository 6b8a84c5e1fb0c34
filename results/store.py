"""The folder of measured entries: `root/<model>/<task>/<query set>-<identity>/`, kept whole.

An `entry.json` names the run and the per-query file beside it. Those two are written first, under
names that no other save uses; the rename of `entry.json` is the last step and the only one that
counts. So whenever a writer dies, a reader sees the old entry or the new one, each with its own
files. The files of an entry that was replaced stay for an hour, so that a reader who has it goes
on with one consistent state. They and what a dead writer leaves behind are swept later.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from harness.core.errors import BadInput, StoreError
from harness.core.files import fsync_folder, read_text, write_atomic, write_text
from harness.core.hashing import sha256_text
from results.per_query import PerQuery, all_metrics, damaged, one_metric, parsed
from results.schema import SCHEMA, Entry, NewerSchema, StoredFiles, from_json, to_json

ENTRY = "entry.json"
PROBE = ".probe-"
LONGEST_NAME = 255
"""Bytes in the name of one folder that common file systems allow."""
OWN_FILES = 2
"""What lies beside an `entry.json`: its run and its per-query values."""
ORPHAN_SECONDS = 3600.0
"""How old a file that no entry names must be before it is swept.

Younger ones may belong to a writer that is between its first file and its `entry.json`, or to
readers of the entry that has just been replaced.
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a store holds: sound entries in path order, and one error per unusable one."""

    entries: tuple[Entry, ...]
    problems: tuple[StoreError, ...]


def safe_name(text: str) -> str:
    """Return a text as one file name, percent-encoded (`urllib.parse.unquote` undoes it).

    Dots at either end are encoded too, so that `.`, `..` and hidden names cannot come out.
    Raises `ValueError` for an empty text.
    """
    if not text:
        raise ValueError("an empty text has no file name")
    name = quote(text, safe="", errors="surrogatepass")
    if name.startswith("."):
        name = "%2E" + name[1:]
    return name[:-1] + "%2E" if name.endswith(".") else name


class ResultStore:
    """Measured entries under one root folder; any number of processes may read and save.

    Reading methods raise `StoreError` for what is damaged and `NewerSchema` for what a later
    release wrote.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def check_writable(self, *names: str) -> None:
        """Make the root if it is absent and write a file into it, before costly work starts.

        `names` are of models and tasks that will be stored. Raises `StoreError` for a root that
        cannot be written, `BadInput` for a name that no folder can have.
        """
        for name in names:
            _check_name(name)
        probe = self.root / f"{PROBE}{uuid4().hex}"
        write_atomic(probe, b"")
        probe.unlink(missing_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what dead writers and replaced entries left, once it is old enough."""
        limit = time.time() - ORPHAN_SECONDS
        for path in self.root.glob(f"{PROBE}*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()
        for folder in self.root.glob("*/*/*"):
            with contextlib.suppress(StoreError, OSError):
                old = tuple(_old_orphans(folder))
                if len(old) > OWN_FILES:
                    _drop(folder, old)

    def folder(self, entry: Entry) -> Path:
        """Return the folder that an entry lives in."""
        name = f"{safe_name(entry.task.query_set)}-{entry.identity_hash[:12]}"
        return self.root / safe_name(entry.model) / safe_name(entry.task.stored_name) / name

    def save(self, entry: Entry, per_query: PerQuery, run_text: str) -> Entry:
        """Store an entry with its run, in place of an older one of the same identity.

        Returns the entry as a reader will see it, `files` filled in. A crash, a full disk or a
        kill at any point leaves the older entry untouched. Raises `StoreError` when the folder
        cannot be written or the entry could not be read back, `NewerSchema` rather than
        overwriting what a later release wrote, `ValueError` for values that are not finite.
        """
        folder = self.folder(entry)
        values = json.dumps(per_query, allow_nan=False, separators=(",", ":"))
        files = _new_files(run_text, values)
        complete = replace(entry, files=files, schema=SCHEMA)
        document = json.dumps(to_json(complete), indent=1, allow_nan=False)
        stored = from_json(json.loads(document), folder / ENTRY)
        _named(folder)
        try:
            write_text(folder / files.run, run_text)
            write_text(folder / files.per_query, values)
            self._fsync_above(folder)
            before = _named(folder)
            write_text(folder / ENTRY, document + "\n")
        except StoreError:
            _drop(folder, (files.run, files.per_query))
            raise
        _touch(folder, before or ())
        _drop(folder, _old_orphans(folder))
        return stored

    def _fsync_above(self, folder: Path) -> None:
        """Make new folders last; the files in them are of no use otherwise."""
        with contextlib.suppress(OSError):
            for parent in (folder.parent, folder.parent.parent, self.root, self.root.parent):
                fsync_folder(parent)

    def find(self, model: str, task: str, identity_hash: str) -> Entry | None:
        """Return the sound entry of that identity, or `None` if there is work to do.

        A damaged entry counts as absent, so that measuring again mends it; one that a later
        release wrote raises `NewerSchema`.
        """
        above = self.root / safe_name(model) / safe_name(task)
        for path in sorted(above.glob(f"*-{identity_hash[:12]}/{ENTRY}")):
            try:
                entry = _load(path)
            except NewerSchema:
                raise
            except StoreError:
                continue
            if entry.identity_hash == identity_hash:
                return entry
        return None

    def entries(self) -> Loaded:
        """Return all sound entries, and an error naming the file for each of the others.

        A root that does not exist holds nothing; raises `StoreError` if it is not a folder.
        """
        if os.path.exists(self.root) and not os.path.isdir(self.root):
            raise StoreError(f"{self.root} is not a folder", fix="Choose another results folder.")
        entries: list[Entry] = []
        problems: list[StoreError] = []
        for path in sorted(self.root.glob(f"*/*/*/{ENTRY}")):
            try:
                entry = _load(path)
                if self.folder(entry) != path.parent:
                    raise StoreError(
                        f"{path}: holds the entry of {self.folder(entry)}",
                        fix="Move the folder back, or remove it.",
                    )
            except StoreError as error:
                problems.append(error)
            else:
                entries.append(entry)
        return Loaded(tuple(entries), tuple(problems))

    def run_path(self, entry: Entry) -> Path:
        """Return where a stored entry's run lies: TREC lines, gzipped."""
        return self.folder(entry) / _stored(entry).run

    def run_text(self, entry: Entry) -> str:
        """Return a stored entry's run; its hash is checked."""
        files = _stored(entry)
        path = self.folder(entry) / files.run
        self._refuse_replaced(entry, path)
        return _checked_text(path, files.run_sha256)

    def per_query(self, entry: Entry) -> PerQuery:
        """Return a stored entry's values per metric and query, exactly as they were saved."""
        return all_metrics(*self._values_text(entry))

    def values(self, entry: Entry, metric: str) -> Mapping[str, float]:
        """Return a stored entry's value of one metric per query; the others are not parsed."""
        text, path = self._values_text(entry)
        return one_metric(text, metric, path)

    def _refuse_replaced(self, entry: Entry, path: Path) -> None:
        """Raise `StoreError` if a file is gone since its entry was measured again long ago."""
        if os.path.exists(path):
            return
        now = self.find(entry.model, entry.task.name, entry.identity_hash)
        if now is not None and now.files != entry.files:
            raise StoreError(
                f"{path} belongs to an entry that was measured again since it was read",
                fix="Run the command again: it reads the new entry.",
            )

    def add_checksum(self, entry: Entry) -> bool:
        """Write a stored entry of an earlier release again with a checksum.

        Returns whether it was written: not if it has one, or was replaced meanwhile. Raises
        `StoreError` when the folder cannot be written.
        """
        path = self.folder(entry) / ENTRY
        if entry.has_checksum or _read(path) != entry:
            return False
        complete = replace(entry, schema=SCHEMA)
        write_text(path, json.dumps(to_json(complete), indent=1, allow_nan=False) + "\n")
        return True

    def _values_text(self, entry: Entry) -> tuple[str, Path]:
        """Return what the per-query file holds, its hash checked, and where it lies."""
        files = _stored(entry)
        path = self.folder(entry) / files.per_query
        self._refuse_replaced(entry, path)
        return _checked_text(path, files.per_query_sha256), path


def _check_name(name: str) -> None:
    """Raise `BadInput` for a name that is too long for a folder's, percent-encoded."""
    long = len(safe_name(name)) if name else 0
    if not 0 < long <= LONGEST_NAME:
        raise BadInput(
            f"{name!r} cannot name results: its folder's name would have {long} characters",
            fix=f"Choose a name of at most {LONGEST_NAME} (a letter beyond ASCII takes 3 to 12).",
        )


def _stored(entry: Entry) -> StoredFiles:
    if entry.files is None:
        raise ValueError("this entry has not been stored")
    return entry.files


def _new_files(run_text: str, values: str) -> StoredFiles:
    """Name the files of one save: by content, and by a token that no other save shares.

    Without the token, two writers with equal runs would share a file, and the one could remove
    as outdated what the other is about to name.
    """
    token = uuid4().hex[:12]
    run, per_query = sha256_text(run_text), sha256_text(values)
    return StoredFiles(
        run=f"run-{run[:12]}-{token}.trec.gz",
        run_sha256=run,
        per_query=f"per_query-{per_query[:12]}-{token}.json.gz",
        per_query_sha256=per_query,
    )


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except BadInput as error:
        again = "Measure again with --force."
        fix = f"Remove it. {again}" if path.is_dir() else again
        raise StoreError(error.message, fix=fix) from error


def _checked_text(path: Path, sha256: str) -> str:
    text = _text(path)
    if sha256_text(text) != sha256:
        raise damaged(path, "its contents do not have the hash that entry.json gives")
    return text


def _load(path: Path) -> Entry:
    """Read an entry and make sure that its files are there.

    A writer may replace the entry between the two looks; then the new one is read.
    """
    entry = _read(path)
    while missing := [name for name in _names(entry) if not os.path.isfile(path.parent / name)]:
        again = _read(path)
        if again.files == entry.files:
            raise damaged(path, f"names {missing[0]}, which is not there")
        entry = again
    return entry


def _read(path: Path) -> Entry:
    return from_json(parsed(_text(path), path), path)


def _names(entry: Entry) -> tuple[str, ...]:
    files = _stored(entry)
    return (files.run, files.per_query)


def _named(folder: Path) -> tuple[str, ...] | None:
    """Return the files that a folder's entry names: none if there is no entry, `None` if damaged.

    Raises `NewerSchema`.
    """
    path = folder / ENTRY
    if not os.path.exists(path):  # unlike Path.exists, no error for a folder that is closed to us
        return ()
    try:
        return _names(_read(path))
    except NewerSchema:
        raise
    except StoreError:
        return None


def _old_orphans(folder: Path) -> Iterator[str]:
    """Yield the names of files as a save writes them that have not changed for an hour."""
    limit = time.time() - ORPHAN_SECONDS
    for pattern in ("run-*.trec.gz", "per_query-*.json.gz", ".*.part"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    yield path.name


def _touch(folder: Path, names: Iterable[str]) -> None:
    """Start the time that the files of a replaced entry stay for those who are reading it."""
    for name in names:
        with contextlib.suppress(OSError):
            os.utime(folder / name)


def _drop(folder: Path, names: Iterable[str]) -> None:
    """Remove files, save those that the folder's entry names at this moment."""
    candidates = tuple(names)
    current = _named(folder)
    if current is None:
        return
    for name in candidates:
        if name not in current:
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)
