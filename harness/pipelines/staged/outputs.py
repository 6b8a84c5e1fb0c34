"""What stages gave, kept under what they were given and how they were set.

`root/stages/<identity>/` holds a run a system (`list-0.trec.gz`, …) or the rewrites
(`rewrites.json`), and `stage.json`, written last: the SHA-256 of each file, what they are and what
the stage took. A folder without it is not there; one whose files do not fit it is made again.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.checksums import (
    DamagedFile,
    check_files,
    expecting_fields,
    read_manifest,
    write_manifest,
)
from harness.core.errors import StoreError
from harness.core.files import read_json, write_atomic, write_text
from harness.core.hashing import sha256_json, sha256_text
from harness.core.protocols import Reporter
from harness.core.types import Json, Run
from harness.data.trec import read_run, write_run

FOLDER = "stages"
_FIX = "The stage is run again."
_NEEDED = ("systems", "seconds", "facts", "content")

Rewrites = Mapping[str, tuple[str, ...]]
"""Query id -> its rewrites; a query without any keeps its own words."""


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage gave: lists by system, or rewrites; what it took, when it ran.

    `content` is the hash of what it gave, `seconds` of wall time when it was made, `facts` what
    else is worth knowing (calls, tokens, cost, pairs scored). `reused`: nothing was run for it.
    """

    content: str
    seconds: float
    lists: Mapping[str, Run] = field(default_factory=dict)
    rewrites: Rewrites = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    reused: bool = False


def content_of(lists: Mapping[str, Run], rewrites: Rewrites) -> str:
    """Return the hash of what a stage gave, whatever its systems are called."""
    if rewrites:
        return sha256_json({qid: list(texts) for qid, texts in rewrites.items()})
    return sha256_json([sha256_text(write_run(run, "run")) for run in lists.values()])


def unanswered(facts: Mapping[str, Json]) -> int:
    """Return how many requests to a chat model were given up: asked again, they may succeed."""
    count = 0
    for key in ("refused_replies", "malformed"):
        kinds = facts.get(key)
        value = kinds.get("unanswered", 0) if isinstance(kinds, Mapping) else 0
        count += value if isinstance(value, int) else 0
    return count


class StageOutputs:
    """The outputs of stages under one root; several processes may write at once."""

    def __init__(self, root: Path, reporter: Reporter) -> None:
        self._root = root / FOLDER
        self._reporter = reporter

    def folder(self, identity: Mapping[str, Json]) -> Path:
        """Return where the output of a stage lies."""
        return self._root / sha256_json(identity)[:32]

    def find(self, identity: Mapping[str, Json]) -> StageOutput | None:
        """Return a stored output whose bytes are as they were written, `None` without one."""
        manifest_path = self.folder(identity) / "stage.json"
        if not manifest_path.is_file():
            return None
        try:
            manifest = read_manifest(manifest_path, fix=_FIX, needed=_NEEDED)
            check_files(manifest_path, manifest, fix=_FIX)
            with expecting_fields(manifest_path, fix=_FIX):
                return self._stored(manifest_path.parent, manifest.facts)
        except DamagedFile as error:
            self._reporter.warn(f"{error.message}. {_FIX}")
            return None

    def _stored(self, folder: Path, facts: Mapping[str, Any]) -> StageOutput:
        """Return what a stage's folder holds, by the facts of its manifest."""
        lists = {
            system: read_run(folder / f"list-{at}.trec.gz")
            for at, system in enumerate(facts["systems"])
        }
        rewrites: Rewrites = {}
        if not lists:
            stored = read_json(folder / "rewrites.json")
            rewrites = {qid: tuple(texts) for qid, texts in stored.items()}
        return StageOutput(
            facts["content"], facts["seconds"], lists, rewrites, facts["facts"], reused=True
        )

    def keep(self, identity: Mapping[str, Json], output: StageOutput) -> None:
        """Store an output whole: its files first, what vouches for them last."""
        folder = self.folder(identity)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = []
            for at, run in enumerate(output.lists.values()):
                names.append(f"list-{at}.trec.gz")
                data = write_run(run, "run").encode("utf-8")
                write_atomic(folder / names[-1], gzip.compress(data, mtime=0))
            if not output.lists:
                names.append("rewrites.json")
                texts = {qid: list(each) for qid, each in output.rewrites.items()}
                write_text(folder / names[-1], json.dumps(texts, ensure_ascii=False) + "\n")
            facts: dict[str, Json] = {
                "identity": dict(identity),
                "systems": list(output.lists),
                "content": output.content,
                "seconds": output.seconds,
                "facts": dict(output.facts),
            }
            write_manifest(folder / "stage.json", names, facts)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be written: {error.strerror or error}",
                fix="Free space, or name another folder with --cache.",
            ) from error

    def forget(self, identity: Mapping[str, Json]) -> None:
        """Remove a stored output, so that the stage runs again."""
        shutil.rmtree(self.folder(identity), ignore_errors=True)
