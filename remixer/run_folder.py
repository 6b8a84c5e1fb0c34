"""A run's folder: a file per stage, and a manifest of what each was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.checksums import (
    DamagedFile,
    expecting_fields,
    read_document,
    write_document,
)
from harness.core.errors import BadInput
from harness.core.files import write_jsonl
from harness.core.hashing import sha256_file, sha256_json
from harness.core.types import Json
from remixer.rows import LabelRow, MinedRow, QueryRow, R, SourceRow, read_stage, row_values

FILES = {
    "select": "1-select.jsonl",
    "generate": "2-generate.jsonl",
    "reason": "3-reason.jsonl",
    "mine": "4-mine.jsonl",
    "annotate": "5-annotate.jsonl",
    "format": "training.jsonl.gz",
}
"""Stage -> its file, in order."""

JOURNAL = "journal.jsonl"
MANIFEST = "manifest.json"
_VERSION = 1
_MANIFEST_FIX = (
    "Remove it and run the same command again: the stages are made anew, and no reply of the "
    "journal is asked for again."
)


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What a finished stage was: its settings, the hashes of what went in and out, counts."""

    settings: Mapping[str, Json]
    inputs: Mapping[str, str]
    output: str
    counts: Mapping[str, int]


class RemixFolder:
    """The folder of one run. A stage is done when its file is what the manifest says."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, stage: str) -> Path:
        """Return where a stage's rows are."""
        return self.path / FILES[stage]

    @property
    def journal(self) -> Path:
        """Return where requests and replies are."""
        return self.path / JOURNAL

    def claim(self, identity: Mapping[str, Json]) -> None:
        """Say which task and corpus the folder is for; raises `BadInput` if it is another's."""
        manifest = self._load()
        known = manifest.get("run")
        if not isinstance(known, dict | None):
            raise DamagedFile(f"{self.path / MANIFEST}: run is {known!r}", fix=_MANIFEST_FIX)
        if known is None:
            self._save({**manifest, "version": _VERSION, "run": dict(identity)})
            return
        for key in identity:
            if known.get(key) != identity[key]:
                raise BadInput(
                    f"{self.path} was begun with {key} {known.get(key)!r}, now it is "
                    f"{identity[key]!r}",
                    fix="Give a new folder with --out, or what this one was begun with.",
                )

    def record(self, stage: str) -> StageRecord | None:
        """Return what the manifest says of a stage."""
        manifest = self._load()
        with expecting_fields(self.path / MANIFEST, fix=_MANIFEST_FIX):
            found = manifest.get("stages", {}).get(stage)
            return None if found is None else StageRecord(**found)

    def records(self) -> dict[str, StageRecord]:
        """Return stage -> record, for the stages that were done, in order."""
        found = {stage: self.record(stage) for stage in FILES}
        return {stage: record for stage, record in found.items() if record is not None}

    def done(self, stage: str, settings: Mapping[str, Json], inputs: Iterable[str]) -> bool:
        """Tell whether a stage's file was made with these settings from these stages' files."""
        record = self.record(stage)
        return (
            record is not None
            and sha256_json(record.settings) == sha256_json(settings)
            and dict(record.inputs) == self._hashes(inputs)
            and self.file(stage).is_file()
            and sha256_file(self.file(stage)) == record.output
        )

    def rows(self, stage: str, kind: type[R]) -> tuple[R, ...]:
        """Return a stage's rows.

        Raises `BadInput` when the stage has not been done, `DamagedFile` when its file is not what
        the stage wrote.
        """
        self.require(stage)
        record = self.record(stage)
        if record is not None and sha256_file(self.file(stage)) != record.output:
            raise DamagedFile(
                f"{self.file(stage)} is not what {MANIFEST} says: it was changed or damaged",
                fix=f"Run `rebench remix {_command(stage)}` again: it makes the file anew.",
            )
        return tuple(read_stage(self.file(stage), kind))

    def require(self, stage: str) -> None:
        """Raise `BadInput` when a stage has not been done."""
        if not self.file(stage).is_file():
            command = _command(stage)
            raise BadInput(
                f"{self.path} has no {FILES[stage]} yet",
                fix=f"Run `rebench remix {command}` first, or `rebench remix run` for all stages.",
            )

    def write(self, stage: str, rows: Iterable[SourceRow | QueryRow | MinedRow | LabelRow]) -> None:
        """Write a stage's rows, whole or not at all."""
        write_jsonl(self.file(stage), (row_values(row) for row in rows))

    def finish(
        self,
        stage: str,
        settings: Mapping[str, Json],
        inputs: Iterable[str],
        counts: Mapping[str, int],
    ) -> None:
        """Record a stage as done: the last thing that is written of it."""
        manifest = self._load()
        record = {
            "settings": dict(settings),
            "inputs": self._hashes(inputs),
            "output": sha256_file(self.file(stage)),
            "counts": dict(counts),
        }
        self._save({**manifest, "stages": {**manifest.get("stages", {}), stage: record}})

    def _hashes(self, stages: Iterable[str]) -> dict[str, str]:
        """Return stage -> hash of its file."""
        hashes = {}
        for stage in stages:
            self.require(stage)
            hashes[stage] = sha256_file(self.file(stage))
        return hashes

    def _load(self) -> dict[str, Any]:
        """Return the manifest (empty without a file).

        Raises `DamagedFile`, and `BadInput` for another version.
        """
        path = self.path / MANIFEST
        if not path.is_file():
            return {}
        manifest = read_document(path, fix=_MANIFEST_FIX)
        if manifest.get("version") != _VERSION:
            raise BadInput(
                f"{path} is not a manifest of version {_VERSION}",
                fix="Give a new folder with --out.",
            )
        return manifest

    def _save(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest whole."""
        write_document(self.path / MANIFEST, manifest)


def _command(stage: str) -> str:
    """Return the command that runs a stage."""
    return "clean" if stage == "select" else stage
