"""Rows that contradict each other: a negative that is positive for the same query elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from remixer.audit_duplicates import Groups, RowFacts
from remixer.audit_file import AuditRow
from remixer.audit_minhash import NEAR, jaccard
from remixer.audit_passages import Passages
from remixer.audit_tally import Tally
from remixer.audit_texts import prepare

_CROWD = 64
"""In a larger group of rows only equal texts are looked for."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A negative of `row` (by its place there) that may be near-equal to a positive of `other`."""

    row: int
    negative: int
    other: int
    positive: int


def count_elsewhere(
    rows: Sequence[RowFacts], groups: Groups, passages: Passages, tally: Tally,
    again: Callable[[], Iterable[AuditRow]],
) -> None:  # fmt: skip
    """Count rows with a negative that another row of their group holds as a positive.

    Equal texts are known by their keys. `again` reads the rows once more, in the same order, where
    texts must be compared: of them only the pairs in doubt are held.
    """
    several = groups.several()
    found = {row for group in several for row in _equal(group, rows, passages)}
    doubts = [
        doubt
        for group in several if len(group) <= _CROWD
        for doubt in _doubts(group, rows, passages) if doubt.row not in found
    ]  # fmt: skip
    if doubts:
        found |= _settled(doubts, again())
    for number, row in enumerate(rows):
        tally.add("negative_positive_elsewhere", row.task, row.place, int(number in found))


def _equal(group: Sequence[int], rows: Sequence[RowFacts], passages: Passages) -> Iterator[int]:
    """Yield the rows of a group with a negative equal to another's positive."""
    holders: defaultdict[int, set[int]] = defaultdict(set)
    for number in group:
        for key in passages.keys[rows[number].positives].tolist():
            holders[key].add(number)
    for number in group:
        keys = passages.keys[rows[number].negatives].tolist()
        if any(holders.get(key, set()) - {number} for key in keys):
            yield number


def _doubts(group: Sequence[int], rows: Sequence[RowFacts], passages: Passages) -> Iterator[Doubt]:
    """Yield the pairs of a group that share a band."""
    for number in group:
        for other in group:
            if other != number:
                shared = passages.sharing(rows[number].negatives, rows[other].positives)
                for negative, positive in np.argwhere(shared).tolist():
                    yield Doubt(number, negative, other, positive)


def _settled(doubts: Sequence[Doubt], every: Iterable[AuditRow]) -> set[int]:
    """Return the rows of those doubts that an exact comparison confirms."""
    wanted = {row for doubt in doubts for row in (doubt.row, doubt.other)}
    held = {number: each.row for number, each in enumerate(every) if number in wanted}
    found = set()
    for doubt in doubts:
        if doubt.row not in found:
            negative = held[doubt.row].neg[doubt.negative]
            pair = prepare([negative, held[doubt.other].pos[doubt.positive]])
            if jaccard(pair.runs_of(0), pair.runs_of(1)) >= NEAR:
                found.add(doubt.row)
    return found
