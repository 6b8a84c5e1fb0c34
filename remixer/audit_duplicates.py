"""Repetitions: of queries and lists between rows, and of passages within one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from remixer.audit_file import AuditRow, Place
from remixer.audit_minhash import NEAR, jaccard, self_candidates
from remixer.audit_passages import Passages
from remixer.audit_tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from remixer.audit_minhash import Bands


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What is kept of a row when its texts are let go.

    `positives` and `negatives` are numbers of `Passages`, int32; `runs` are the query's distinct
    word runs, ascending, their upper 32 bits.
    """

    place: Place
    task: str
    query_key: int
    runs: NDArray[np.uint32]
    positives: NDArray[np.int32]
    negatives: NDArray[np.int32]
    source_id: str
    positive_ids: tuple[str, ...]


def count_within(
    audited: AuditRow, numbers: tuple[NDArray[np.int64], NDArray[np.int64]], passages: Passages,
    tally: Tally,
) -> None:  # fmt: skip
    """Count what one row repeats; `numbers` are those of its positives and negatives."""
    task, place = audited.task, audited.place
    positives, negatives = (passages.keys[side] for side in numbers)
    both = bool(np.isin(positives, negatives).any())
    tally.add("passage_on_both_sides", task, place, int(both))
    repeated = any(len(np.unique(side)) < len(side) for side in (positives, negatives))
    tally.add("passage_repeated", task, place, int(repeated))
    near = passages.near(*numbers, (audited.row.pos, audited.row.neg))
    tally.add("negative_nears_positive", task, place, int(near))


def count_between(
    rows: Sequence[RowFacts], bands: Bands, passages: Passages, tally: Tally
) -> Groups:
    """Count rows that repeat an earlier row's query or positives; return rows by their query.

    A group holds the rows whose queries are equal or near-equal, directly or through others.
    """
    groups = Groups(len(rows))
    _count_equal(rows, groups, tally)
    _count_near(rows, bands, groups, tally)
    lists: set[bytes] = set()
    for row in rows:
        keys = np.unique(passages.keys[row.positives]).tobytes()
        if keys:
            tally.add("positives_equal_earlier", row.task, row.place, int(keys in lists))
        lists.add(keys)
    return groups


class Groups:
    """Rows joined into groups, directly or through others."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, row: int) -> int:
        """Return the row that stands for a row's group."""
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, first: int, second: int) -> None:
        """Make two rows' groups one."""
        first, second = sorted((self.find(first), self.find(second)))
        self._parent[second] = first

    def several(self) -> list[list[int]]:
        """Return the groups of two rows and more."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for row in range(len(self._parent)):
            found[self.find(row)].append(row)
        return [group for group in found.values() if len(group) > 1]


def _count_equal(rows: Sequence[RowFacts], groups: Groups, tally: Tally) -> None:
    """Count queries that are an earlier row's."""
    first: dict[int, int] = {}
    for number, row in enumerate(rows):
        known = row.query_key in first
        tally.add("query_equals_earlier", row.task, row.place, int(known))
        if known:
            groups.join(first[row.query_key], number)
        else:
            first[row.query_key] = number


def _count_near(rows: Sequence[RowFacts], bands: Bands, groups: Groups, tally: Tally) -> None:
    """Count queries that are near-equal, and not equal, to an earlier row's.

    Of rows with one query only the first is compared.
    """
    seen: set[int] = set()
    distinct = []
    for number, row in enumerate(rows):
        if row.query_key not in seen:
            distinct.append(number)
            seen.add(row.query_key)
    near: set[int] = set()
    earlier, later = self_candidates(bands[distinct])
    for one, other in zip(earlier.tolist(), later.tolist(), strict=True):
        first, second = distinct[one], distinct[other]
        if jaccard(rows[first].runs, rows[second].runs) >= NEAR:
            groups.join(first, second)
            near.add(second)
    for number, row in enumerate(rows):
        tally.add("query_nears_earlier", row.task, row.place, int(number in near))
