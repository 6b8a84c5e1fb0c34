"""Repetitions and contradictions: within a row, between rows, and between their labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from remixer.audit.measures import Tally
from remixer.audit.passages import Passages, RowPassages
from remixer.audit.reader import AuditRow, RowLocation
from remixer.near_duplicates.index import near_duplicate
from remixer.near_duplicates.minhash import NEAR, jaccard, self_candidates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from remixer.near_duplicates.minhash import Bands

_CROWD = 64
"""In a larger group of rows only equal texts are looked for."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What is kept of a row after its texts are dropped.

    `positives` and `negatives` are numbers of `Passages`, int32; `shingles` are the upper 32 bits
    of the query's distinct shingles, ascending.
    """

    location: RowLocation
    task: str
    query_key: int
    shingles: NDArray[np.uint32]
    positives: NDArray[np.int32]
    negatives: NDArray[np.int32]
    source_id: str
    positive_ids: tuple[str, ...]


def count_within(audited: AuditRow, row: RowPassages, passages: Passages, tally: Tally) -> None:
    """Count the repetitions of one row; `row` numbers its passages."""
    task, location = audited.task, audited.location
    positives, negatives = (passages.keys[side] for side in (row.positives, row.negatives))
    both = bool(np.isin(positives, negatives).any())
    tally.add("passage_on_both_sides", task, location, int(both))
    repeated = any(len(np.unique(side)) < len(side) for side in (positives, negatives))
    tally.add("passage_repeated", task, location, int(repeated))
    near = passages.has_near_duplicate(row, audited.row.pos, audited.row.neg)
    tally.add("negative_near_duplicate_of_positive", task, location, int(near))


def count_between(
    rows: Sequence[RowFacts], bands: Bands, passages: Passages, tally: Tally
) -> Groups:
    """Count rows that repeat an earlier row's query or positives; return rows grouped by query.

    A group holds the rows whose queries are near-duplicates, directly or through others.
    """
    groups = Groups(len(rows))
    _count_equal(rows, groups, tally)
    _count_near(rows, bands, groups, tally)
    lists: set[bytes] = set()
    for row in rows:
        keys = np.unique(passages.keys[row.positives]).tobytes()
        if keys:
            tally.add("positives_equal_earlier", row.task, row.location, int(keys in lists))
        lists.add(keys)
    return groups


class Groups:
    """A union-find over row numbers."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, row: int) -> int:
        """Return the first row of a row's group."""
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, first: int, second: int) -> None:
        """Merge two rows' groups."""
        first, second = sorted((self.find(first), self.find(second)))
        self._parent[second] = first

    def several(self) -> list[list[int]]:
        """Return the groups of two or more rows."""
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for row in range(len(self._parent)):
            groups[self.find(row)].append(row)
        return [group for group in groups.values() if len(group) > 1]


def _count_equal(rows: Sequence[RowFacts], groups: Groups, tally: Tally) -> None:
    first: dict[int, int] = {}
    for number, row in enumerate(rows):
        repeated = row.query_key in first
        tally.add("query_equals_earlier", row.task, row.location, int(repeated))
        if repeated:
            groups.join(first[row.query_key], number)
        else:
            first[row.query_key] = number


def _count_near(rows: Sequence[RowFacts], bands: Bands, groups: Groups, tally: Tally) -> None:
    """Count queries that are near-duplicates of an earlier row's query, but not equal to it.

    Of rows with equal queries only the first is compared.
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
        if jaccard(rows[first].shingles, rows[second].shingles) >= NEAR:
            groups.join(first, second)
            near.add(second)
    for number, row in enumerate(rows):
        tally.add("query_near_duplicate_of_earlier", row.task, row.location, int(number in near))


@dataclass(frozen=True, slots=True)
class CandidatePair:
    """A negative of `row` that may be a near-duplicate of a positive of `other`.

    `negative` and `positive` are indices into the rows' lists.
    """

    row: int
    negative: int
    other: int
    positive: int


def count_elsewhere(
    rows: Sequence[RowFacts], groups: Groups, passages: Passages, tally: Tally,
    read_again: Callable[[], Iterable[AuditRow]],
) -> None:  # fmt: skip
    """Count rows with a negative that another row of their group holds as a positive.

    Equal texts are recognised by their keys. If texts must be compared, `read_again` reads the rows
    once more, in the same order; only the texts of candidate pairs are held in memory.
    """
    several = groups.several()
    contradicted = {row for group in several for row in _equal(group, rows, passages)}
    pairs = [
        pair
        for group in several if len(group) <= _CROWD
        for pair in _candidate_pairs(group, rows, passages) if pair.row not in contradicted
    ]  # fmt: skip
    if pairs:
        contradicted |= _confirm(pairs, read_again())
    for number, row in enumerate(rows):
        tally.add(
            "negative_positive_elsewhere", row.task, row.location, int(number in contradicted)
        )


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


def _candidate_pairs(
    group: Sequence[int], rows: Sequence[RowFacts], passages: Passages
) -> Iterator[CandidatePair]:
    """Yield the pairs of a group that share a band."""
    for number in group:
        for other in group:
            if other != number:
                shared = passages.sharing(rows[number].negatives, rows[other].positives)
                for negative, positive in np.argwhere(shared).tolist():
                    yield CandidatePair(number, negative, other, positive)


def _confirm(pairs: Sequence[CandidatePair], every: Iterable[AuditRow]) -> set[int]:
    """Return the rows of the pairs that an exact comparison confirms."""
    needed = {row for pair in pairs for row in (pair.row, pair.other)}
    held = {number: each.row for number, each in enumerate(every) if number in needed}
    confirmed: set[int] = set()
    for pair in pairs:
        negative = held[pair.row].neg[pair.negative]
        if pair.row not in confirmed and near_duplicate(
            negative, held[pair.other].pos[pair.positive]
        ):
            confirmed.add(pair.row)
    return confirmed
