"""The texts of queries, for the pages of entries: of tasks that are on this machine anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.errors import RebenchError
from harness.core.hashing import task_fingerprint
from harness.core.types import Task
from harness.data.bright_tasks import ORIGINAL, TASKS
from harness.data.registry import STDLIB, TaskOptions, load_task
from harness.leaderboard.rows import Board

LONGEST = 500
"""Characters of a query that a page shows: enough to know it again, and 1,384 stay below 1 MB."""


def query_texts(boards: Iterable[Board], bright: Path | None) -> Mapping[str, Mapping[str, str]]:
    """Return task -> query id -> original wording, for the measured tasks of boards.

    Nothing is fetched: the embedded task is read, and BRIGHT's from a local folder. A task that
    is not there, or there with other judgements than the entries', has no texts.
    """
    grounds: dict[str, set[str]] = {}
    for board in boards:
        for row in board.rows:
            for entry in row.entries:
                grounds.setdefault(entry.task.name, set()).add(entry.task.fingerprint)
    found = {}
    for name, fingerprints in grounds.items():
        task = _local(name, bright)
        if task is not None and fingerprints == {task_fingerprint(task)}:
            found[name] = {query.id: _cut(query.text) for query in task.queries}
    return found


def _local(name: str, bright: Path | None) -> Task | None:
    """Return a task that can be read here, or `None`."""
    if name != STDLIB and (name not in TASKS or bright is None):
        return None
    try:
        return load_task(name, TaskOptions(bright, ORIGINAL, with_corpus=False))
    except RebenchError:
        return None


def _cut(text: str) -> str:
    """Return a text, cut with a mark where it is long."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
