"""Counts of measures by task, with the first rows that each concerns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from remixer.audit_file import Place
from remixer.audit_measures import Measure

EXAMPLES = 5
"""Offending rows that are named."""

ALL = "all"


@dataclass(slots=True)
class Count:
    """How many of how many, and where the first of them are."""

    hits: int = 0
    of: int = 0
    places: list[Place] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Return hits / of; `None` where nothing was looked at."""
        return self.hits / self.of if self.of else None

    def add(self, place: Place, hits: int, of: int) -> None:
        """Count more."""
        self.hits += hits
        self.of += of
        if hits and len(self.places) < EXAMPLES:
            self.places.append(place)


@dataclass(slots=True)
class Spread:
    """How often each whole number occurred."""

    counts: Counter[int] = field(default_factory=Counter)

    def quantile(self, share: float) -> int:
        """Return the smallest value that at least `share` of the counted lie at or below."""
        total, passed = self.counts.total(), 0
        for value in sorted(self.counts):
            passed += self.counts[value]
            if passed >= share * total:
                return value
        return 0

    @property
    def mean(self) -> float:
        """Return the mean; 0 for nothing."""
        total = self.counts.total()
        return sum(value * n for value, n in self.counts.items()) / total if total else 0.0


class Tally:
    """All counts of an audit, by measure and task, and over all tasks."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, defaultdict[str, Count]] = defaultdict(
            lambda: defaultdict(Count)
        )
        self.spreads: defaultdict[str, defaultdict[str, Spread]] = defaultdict(
            lambda: defaultdict(Spread)
        )
        self.tasks: dict[str, int] = {}

    def row(self, task: str) -> None:
        """Count a row of a task."""
        self.tasks[task] = self.tasks.get(task, 0) + 1

    def add(self, measure: str, task: str, place: Place, hits: int, of: int = 1) -> None:
        """Count `hits` of `of` for a measure."""
        for name in (task, ALL):
            self._counts[measure][name].add(place, hits, of)

    def spread(self, what: str, task: str, value: int) -> None:
        """Count a value of something that has a size."""
        for name in (task, ALL):
            self.spreads[what][name].counts[value] += 1

    def get(self, measure: str, task: str) -> Count:
        """Return a count (empty where nothing was looked at)."""
        if measure not in self._counts or task not in self._counts[measure]:
            return Count()
        return self._counts[measure][task]


@dataclass(frozen=True, slots=True)
class Broken:
    """A limit that a task's share passes."""

    measure: Measure
    task: str
    count: Count


def broken_limits(tally: Tally, measures: Sequence[Measure]) -> tuple[Broken, ...]:
    """Return the limits that are passed, task by task (over all where there is one task)."""
    names = (ALL, *tally.tasks) if len(tally.tasks) > 1 else (ALL,)
    found = []
    for measure in measures:
        for task in names:
            count = tally.get(measure.name, task)
            share = count.share
            if measure.limit is not None and share is not None and share > measure.limit:
                found.append(Broken(measure, task, count))
    return tuple(found)
