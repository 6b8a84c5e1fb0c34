"""Floors of all named tasks: written down for BRIGHT, computed for the embedded tasks."""

from __future__ import annotations

from harness.data.registry import task_rows
from harness.metrics.floor import floor


def task_floors() -> dict[str, float]:
    """Return named task -> nDCG@10 of one fixed list for all its queries.

    The embedded tasks' is that of their judgements as written, whatever the interpreter documents:
    one value, since the wordings share them.
    """
    embedded = _stdlib_floor()
    return {row.name: embedded if row.floor is None else row.floor for row in task_rows()}


def _stdlib_floor() -> float:
    """Return the floor of the embedded tasks."""
    from harness.data.stdlib.situations import read_situations

    qrels = {each.id: each.grades for each in read_situations()}
    return floor(qrels, {}).means["ndcg@10"]
