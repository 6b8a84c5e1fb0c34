"""Tasks that can be read on this machine without a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import DataUnavailable
from harness.core.protocols import Reporter
from harness.core.types import Task
from harness.data.bright_tasks import ORIGINAL, TASKS
from harness.data.embedded import TASKS as EMBEDDED
from harness.data.registry import TaskOptions, load_task


@dataclass(frozen=True, slots=True)
class DataLocations:
    """Where data lies here: BRIGHT's folder, and folders in BEIR layout by task name."""

    bright: Path | None = None
    folders: Mapping[str, Path] = field(default_factory=dict)


def local_task(
    name: str,
    locations: DataLocations,
    reporter: Reporter | None = None,
    *,
    with_corpus: bool = True,
) -> Task | None:
    """Return a task with its original queries, `None` if its data are not on this machine.

    A task whose documents are absent comes without them. Raises `RebenchError` for data that are
    here and cannot be read.
    """
    spec = str(locations.folders.get(name, name))
    embedded_or_folder = name in locations.folders or name in EMBEDDED
    if not embedded_or_folder and (name not in TASKS or locations.bright is None):
        return None
    with_documents = TaskOptions(locations.bright, ORIGINAL, with_corpus=True)
    without = TaskOptions(locations.bright, ORIGINAL, with_corpus=False)
    if with_corpus:
        try:
            return load_task(spec, with_documents, reporter)
        except DataUnavailable:
            pass
    return load_task(spec, without, reporter)
