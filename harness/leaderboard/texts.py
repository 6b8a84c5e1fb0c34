"""The texts of queries, for the pages of entries: of tasks that are on this machine anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.errors import RebenchError
from harness.core.hashing import task_fingerprint
from harness.core.types import Task
from harness.data.local_tasks import DataLocations, local_task
from harness.leaderboard.rows import Board

LONGEST = 500
"""Characters of a query that a page shows: enough to know it again, and 1,384 stay below 1 MB."""


def query_texts(boards: Iterable[Board], bright: Path | None) -> Mapping[str, Mapping[str, str]]:
    """Return task -> query id -> original wording, for the measured tasks of boards.

    Nothing is fetched: the embedded task is read, and BRIGHT's from a local folder. A task that
    is not on this machine, or has other judgements here than in the entries, has no texts.
    """
    fingerprints: dict[str, set[str]] = {}
    for board in boards:
        for row in board.rows:
            for entry in row.entries:
                fingerprints.setdefault(entry.task.name, set()).add(entry.task.fingerprint)
    texts = {}
    for name, stored in fingerprints.items():
        task = _readable(name, bright)
        if task is not None and stored == {task_fingerprint(task)}:
            texts[name] = {query.id: _cut(query.text) for query in task.queries}
    return texts


def _readable(name: str, bright: Path | None) -> Task | None:
    try:
        return local_task(name, DataLocations(bright), with_corpus=False)
    except RebenchError:
        return None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
