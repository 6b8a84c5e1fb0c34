"""A run's folder: what it was started with, which checkpoints are whole, where resuming starts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.checksums import (
    check_files,
    expecting_fields,
    line_checksum,
    read_document,
    read_manifest,
    write_document,
    write_manifest,
)
from harness.core.errors import BadInput, StoreError
from harness.core.file_sets import file_set_problems
from harness.core.files import fsync_folder, parse_json, write_text
from harness.core.weight_files import EXPORT_MANIFEST
from redapter.config import RunConfig
from redapter.config_file import config_json, differences, merged, without_places

RECORD = "run.json"
MARKER = "complete.json"
PREFIX = "checkpoint-"
MODEL = "model"
LOG = "log.jsonl"
CARD = "rebench-card.toml"


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """One run's output folder.

    Holds `run.json` (recipe, data hash, parent weights), `checkpoint-N` folders, `log.jsonl`,
    `tensorboard/`, `report.md` and, once finished, `model/`.
    """

    path: Path

    @property
    def model(self) -> Path:
        """Return the folder of the finished model."""
        return self.path / MODEL

    @property
    def log(self) -> Path:
        """Return the step log."""
        return self.path / LOG

    @property
    def finished(self) -> bool:
        """Return whether the exported model is whole; one of which a file was changed is not.

        It appears by a rename, card and manifest inside; earlier releases wrote no manifest.
        """
        there = (self.model / CARD).is_file()
        return there and not file_set_problems(self.model / EXPORT_MANIFEST, fix="")

    def open(self, record: Mapping[str, Any], *, resume: bool) -> None:
        """Start or take up the run that `record` describes.

        Raises `BadInput` when the folder holds a run and `resume` is off, and when what is there
        was started with something else (each difference is named; where data and base lie may
        change, what they hold may not). Half-written checkpoints are removed.
        """
        there = self.path / RECORD
        if not there.is_file():
            if self.path.is_dir() and any(self.path.glob(f"{PREFIX}*")):
                raise BadInput(
                    f"{self.path} holds checkpoints but no {RECORD}", fix="Choose another folder."
                )
            write_document(there, record)
            return
        if not resume:
            raise BadInput(
                f"{self.path} holds a run already",
                fix="Go on with it: --resume. Or choose another folder: --output DIR.",
            )
        changed = differences(_comparable(self.record()), _comparable(record))
        if changed:
            raise BadInput(
                f"{self.path} was started with something else: {'; '.join(changed)}",
                fix="Resume with what it was started with, or choose another folder: --output DIR.",
            )
        self.remove_incomplete()

    def record(self) -> dict[str, Any]:
        """Return what the run was started with; raises `DamagedFile`."""
        fix = "Start the run again in another folder: --output DIR."
        return read_document(self.path / RECORD, fix=fix)

    def remove_incomplete(self) -> None:
        """Remove checkpoint folders that a crash left without their marker."""
        for folder in self.path.glob(f"{PREFIX}*"):
            if not (folder / MARKER).is_file():
                shutil.rmtree(folder)

    def last_checkpoint(self) -> Path | None:
        """Return the newest whole checkpoint, if any.

        Raises `StoreError` when a file of it has not the size or the content that its marker names.
        """
        whole = [folder for folder in self.path.glob(f"{PREFIX}*") if (folder / MARKER).is_file()]
        if not whole:
            return None
        newest = max(whole, key=lambda folder: int(folder.name.removeprefix(PREFIX)))
        fix = f"Remove {newest} to go on from the checkpoint before it."
        manifest = read_manifest(newest / MARKER, fix=fix, needed=("step", "sizes"))
        with expecting_fields(newest / MARKER, fix=fix):
            sizes = dict(manifest.facts["sizes"].items())
        for name, size in sizes.items():
            path = newest / name
            found = path.stat().st_size if path.is_file() else None
            if found != size:
                raise StoreError(
                    f"{path} should hold {size} bytes and holds {found}",
                    fix=fix,
                )
        check_files(newest / MARKER, manifest, fix=fix)
        return newest

    def mark_complete(self, step: int) -> None:
        """Declare a checkpoint whole; nothing of it is written after this."""
        folder = self.path / f"{PREFIX}{step}"
        sizes = {
            str(path.relative_to(folder)): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        fsync_folder(folder)
        write_manifest(folder / MARKER, sizes, {"step": step, "sizes": sizes})

    def drop(self, step: int) -> None:
        """Remove a checkpoint that could not be written whole."""
        shutil.rmtree(self.path / f"{PREFIX}{step}", ignore_errors=True)

    def cut_log(self, step: int) -> None:
        """Keep the log's lines up to `step`; what a crash left after it will be run again."""
        if not self.log.is_file():
            return
        kept = []
        for line in self.log.read_bytes().splitlines():
            if line_checksum(line) is False:
                break  # damaged: it and all after it are run again
            try:
                text = line.decode("utf-8")
                at = parse_json(text, str(self.log), finite=False)["step"]
                past = at > step
            except (BadInput, UnicodeDecodeError, KeyError, TypeError):
                break  # a line that the crash cut off
            if not past:
                kept.append(text)
        write_text(self.log, "".join(f"{line}\n" for line in kept))


def _comparable(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a record that must not change between a run's start and its resuming.

    A key that the recipe did not have when the run was started counts as its default.
    """
    config = merged(config_json(RunConfig("")), record.get("config", {}))
    return {**record, "config": without_places(config)}
