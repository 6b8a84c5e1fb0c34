"""Floors of all named tasks: written down for BRIGHT, computed for the embedded task."""

from __future__ import annotations

from harness.data.registry import STDLIB, task_rows
from harness.metrics.floor import floor


def task_floors() -> dict[str, float]:
    """Return named task -> nDCG@10 of one fixed list for all its queries.

    The embedded task's is that of its queries as written, whatever the interpreter documents.
    """
    return {
        row.name: _stdlib_floor() if row.name == STDLIB or row.floor is None else row.floor
        for row in task_rows()
    }


def _stdlib_floor() -> float:
    """Return the floor of the embedded task."""
    from harness.data.stdlib.task import read_rows

    qrels = {row.id: dict.fromkeys(row.gold, 1) for row in read_rows()}
    return floor(qrels, {}).means["ndcg@10"]
