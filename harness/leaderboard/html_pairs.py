"""Pairs of a board's rows as the page shows them: picked by a reader, computed beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.types import Json

MOST_ROWS = 60
"""Rows of which each pair is on the page, the best by mean: 1,770 pairs, about a megabyte."""


@dataclass(frozen=True, slots=True)
class PairChange:
    """What one row has over another on a task, fractions of 1; `task` is empty for all of them.

    `interval` is the lowest and the highest end, `p` corrected over the pair's own tests,
    `detectable` the smallest true difference that would be seen; `None` where queries are too few.
    `better`, `equal` and `worse` count queries, or situations where tasks share them.
    """

    task: str
    change: float
    interval: tuple[float, float] | None
    p: float
    detectable: float | None
    better: int
    equal: int
    worse: int


@dataclass(frozen=True, slots=True)
class RowPair:
    """Two rows of a board by place, and what the first has over the second.

    `changes` begins with that over all tasks, if there are several.
    """

    one: int
    other: int
    changes: tuple[PairChange, ...]


@dataclass(frozen=True, slots=True)
class BoardPairs:
    """All pairs of a board that were computed, and how, in a sentence or two."""

    pairs: tuple[RowPair, ...] = ()
    note: str = ""


def pairs_data(found: BoardPairs, tasks: Sequence[str]) -> Json:
    """Return a board's pairs as the script reads them; a task is its place, -1 for all."""
    place = {task: at for at, task in enumerate(tasks)}
    return {
        "note": found.note,
        "changes": {
            f"{pair.one}-{pair.other}": [
                _change(each, place.get(each.task, -1)) for each in pair.changes
            ]
            for pair in found.pairs
        },
    }


def _change(change: PairChange, place: int) -> list[Json]:
    low, high = change.interval or (None, None)
    numbers = (change.change, low, high, change.p, change.detectable)
    shown: list[Json] = [None if number is None else float(f"{number:.5g}") for number in numbers]
    return [place, *shown, change.better, change.equal, change.worse]
