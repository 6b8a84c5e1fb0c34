"""Floors of named tasks: written down for BRIGHT, computed for the embedded tasks."""

from __future__ import annotations

from harness.data.embedded import GROUPS
from harness.data.registry import task_rows
from harness.data.situations import read_situations
from harness.metrics.floor import floor


def task_floors() -> dict[str, float | None]:
    """Return named task -> nDCG@10 of one fixed list for all its queries; `None` if not known.

    An embedded group's is that of its judgements as written, whatever is installed: one value,
    since the wordings share them.
    """
    floors = {row.name: row.floor for row in task_rows()}
    for group in GROUPS.values():
        qrels = {each.id: each.grades for each in read_situations(group.collection)}
        floors.update(dict.fromkeys(group.tasks, floor(qrels, {}).means["ndcg@10"]))
    return floors
