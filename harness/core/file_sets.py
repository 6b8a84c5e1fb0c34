"""Files that belong together, such as a report's: a manifest tells a whole set from a mix of two.

All files are written under temporary names first. Only when each of them is whole are they renamed,
one after the other; then what the former set held and this one does not is removed; the manifest
is written last. Whoever dies in between leaves a manifest that does not fit the files.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from harness.core.checksums import DamagedFile, check_file, read_manifest, write_document
from harness.core.files import atomic_file

MANIFEST_SUFFIX = ".manifest.json"
"""Ends a manifest's name where a set is called by its main file: `report.manifest.json`."""


def write_file_set(manifest: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files whole, by name relative to the manifest's folder, and their manifest last.

    Returns the files' paths. Of what was there, only files that the former manifest lists are
    removed. Pipes and devices are written to and not listed. Raises `StoreError` where a file
    cannot be written; if that is known before the first rename, nothing has changed.
    """
    folder = manifest.parent
    former = _listed(manifest)
    with ExitStack() as renames:
        for name, data in reversed(tuple(files.items())):  # the first name is renamed last
            renames.enter_context(atomic_file(folder / name)).write_bytes(data)
    for name in former - files.keys():
        _remove(folder, name)
    hashes = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if (folder / name).is_file()
    }
    write_document(manifest, {"files": hashes})
    return tuple(folder / name for name in files)


def file_set_problems(manifest: Path, *, fix: str) -> tuple[DamagedFile, ...]:
    """Return what is wrong with a written set: one error, saying `fix`, per file that does not fit.

    A folder without a manifest has nothing to be held against.
    """
    if not manifest.is_file():
        return ()
    try:
        listed = read_manifest(manifest, fix=fix).files
    except DamagedFile as error:
        return (error,)
    problems = []
    for name, expected in listed.items():
        try:
            check_file(manifest, name, expected, fix=fix)
        except DamagedFile as error:
            problems.append(error)
    return tuple(problems)


def _listed(manifest: Path) -> set[str]:
    """Return the files that a sound manifest lists; none where there is no such manifest."""
    if not manifest.is_file():
        return set()
    try:
        return set(read_manifest(manifest, fix="").files)
    except DamagedFile:
        return set()


def _remove(folder: Path, name: str) -> None:
    """Remove a file of the former set, and its folder if that is empty then.

    A name that leads out of the folder is no file of the set, whoever listed it.
    """
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        return
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent != folder:
            path.parent.rmdir()
