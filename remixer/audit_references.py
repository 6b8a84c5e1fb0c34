"""What training data must not hold: a benchmark's queries, gold and excluded documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.types import Task
from remixer.audit_minhash import NEAR, LshIndex, MinHasher, jaccard
from remixer.audit_texts import Prepared, prepare

if TYPE_CHECKING:
    from remixer.audit_minhash import Bands

QUERY = "query"
GOLD = "gold"
EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Reference:
    """One text of a benchmark: its task, whether it is a query, gold or excluded, and its id."""

    task: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task as far as an audit needs it; `documents` is 0 where its corpus is not at hand.

    `reserved` are the ids of its gold and excluded documents.
    """

    name: str
    queries: int
    gold: frozenset[str]
    excluded: frozenset[str]
    documents: int

    @property
    def reserved(self) -> frozenset[str]:
        """Return the ids that nothing should be written from."""
        return self.gold | self.excluded


@dataclass(frozen=True, slots=True)
class Match:
    """A reference that a text is, or is near-equal to."""

    reference: Reference
    equal: bool


def benchmark_of(task: Task) -> Benchmark:
    """Return what an audit keeps of a task; documents graded below 1 are not gold."""
    gold = {key for grades in task.qrels.values() for key, grade in grades.items() if grade > 0}
    excluded = frozenset().union(*task.excluded.values())
    documents = len(task.corpus) if task.corpus is not None else 0
    return Benchmark(task.name, len(task.queries), frozenset(gold), excluded, documents)


def reference_texts(task: Task) -> Iterator[tuple[Reference, str]]:
    """Yield a task's queries, and its gold and excluded documents where the corpus is at hand."""
    for query in task.queries:
        yield Reference(task.name, QUERY, query.id), query.text
    benchmark = benchmark_of(task)
    if task.corpus is not None:
        for key, text in zip(task.corpus.ids, task.corpus.texts, strict=True):
            if key in benchmark.gold:
                yield Reference(task.name, GOLD, key), text
            if key in benchmark.excluded:
                yield Reference(task.name, EXCLUDED, key), text


class ReferenceIndex:
    """Finds the references that texts are equal or near-equal to."""

    def __init__(self, references: Iterable[tuple[Reference, str]], hasher: MinHasher) -> None:
        every = list(references)
        self._prepared = prepare([text for _, text in every])
        self._keys: list[int] = self._prepared.keys.tolist()
        self._owners: dict[int, list[Reference]] = {}
        self._rows: list[int] = []
        for row, ((reference, _), key) in enumerate(zip(every, self._keys, strict=True)):
            if key not in self._owners:
                self._owners[key] = []
                self._rows.append(row)
            self._owners[key].append(reference)
        self._lsh = LshIndex(hasher.bands(self._prepared)[self._rows])

    def __len__(self) -> int:
        """Return the number of distinct texts."""
        return len(self._rows)

    def matches(self, prepared: Prepared, bands: Bands) -> dict[int, tuple[Match, ...]]:
        """Return, for each text (by row) that is or nears a reference, all it is or nears."""
        found: dict[int, list[Match]] = {}
        if not self._rows:
            return {}
        for row, key in enumerate(prepared.keys.tolist()):
            if key in self._owners:
                found[row] = [Match(each, equal=True) for each in self._owners[key]]
        pairs = self._lsh.candidates(bands)
        for row, place in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
            other = self._rows[place]
            key = self._keys[other]
            if int(prepared.keys[row]) != key:
                similarity = jaccard(prepared.runs_of(row), self._prepared.runs_of(other))
                if similarity >= NEAR:
                    near = [Match(each, equal=False) for each in self._owners[key]]
                    found.setdefault(row, []).extend(near)
        return {row: tuple(matches) for row, matches in found.items()}
