"""What training data must not hold: a benchmark's queries, gold and excluded documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.types import Task
from remixer.audit.measures import Tally
from remixer.audit.reader import AuditRow
from remixer.near_duplicates.minhash import NEAR, LshIndex, MinHasher, jaccard
from remixer.near_duplicates.shingles import ShingledTexts, shingle

if TYPE_CHECKING:
    from remixer.near_duplicates.minhash import Bands

QUERY = "query"
GOLD = "gold"
EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class BenchmarkText:
    """One text of a benchmark: its task, its kind (`QUERY`, `GOLD` or `EXCLUDED`) and its id."""

    task: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What an audit keeps of a task; `documents` is 0 if its corpus is not available."""

    name: str
    queries: int
    gold: frozenset[str]
    excluded: frozenset[str]
    documents: int

    @property
    def reserved(self) -> frozenset[str]:
        """Return the ids of gold and excluded documents: no query may be written from them."""
        return self.gold | self.excluded


@dataclass(frozen=True, slots=True)
class Match:
    """A benchmark text that another text equals (`equal`) or is a near-duplicate of."""

    text: BenchmarkText
    equal: bool


def benchmark_of(task: Task) -> Benchmark:
    """Return a task's counts and reserved ids; documents graded below 1 are not gold."""
    gold = {key for grades in task.qrels.values() for key, grade in grades.items() if grade > 0}
    excluded = frozenset().union(*task.excluded.values())
    documents = len(task.corpus) if task.corpus is not None else 0
    return Benchmark(task.name, len(task.queries), frozenset(gold), excluded, documents)


def benchmark_texts(task: Task) -> Iterator[tuple[BenchmarkText, str]]:
    """Yield a task's queries, and its gold and excluded documents if it has its corpus."""
    for query in task.queries:
        yield BenchmarkText(task.name, QUERY, query.id), query.text
    benchmark = benchmark_of(task)
    if task.corpus is not None:
        for key, text in zip(task.corpus.ids, task.corpus.texts, strict=True):
            if key in benchmark.gold:
                yield BenchmarkText(task.name, GOLD, key), text
            if key in benchmark.excluded:
                yield BenchmarkText(task.name, EXCLUDED, key), text


class BenchmarkIndex:
    """Finds the benchmark texts that other texts equal or are near-duplicates of."""

    def __init__(self, texts: Iterable[tuple[BenchmarkText, str]], hasher: MinHasher) -> None:
        every = list(texts)
        self._prepared = shingle([text for _, text in every])
        self._keys: list[int] = self._prepared.keys.tolist()
        self._owners: dict[int, list[BenchmarkText]] = {}
        self._rows: list[int] = []
        for row, ((benchmark_text, _), key) in enumerate(zip(every, self._keys, strict=True)):
            if key not in self._owners:
                self._owners[key] = []
                self._rows.append(row)
            self._owners[key].append(benchmark_text)
        self._lsh = LshIndex(hasher.bands(self._prepared)[self._rows])

    def __len__(self) -> int:
        """Return the number of distinct texts."""
        return len(self._rows)

    def matches(self, shingled: ShingledTexts, bands: Bands) -> dict[int, tuple[Match, ...]]:
        """Return row -> the benchmark texts it equals or is a near-duplicate of, if any."""
        matches: dict[int, list[Match]] = {}
        if not self._rows:
            return {}
        for row, key in enumerate(shingled.keys.tolist()):
            if key in self._owners:
                matches[row] = [Match(each, equal=True) for each in self._owners[key]]
        pairs = self._lsh.candidates(bands)
        for row, place in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
            other = self._rows[place]
            key = self._keys[other]
            if int(shingled.keys[row]) != key:
                similarity = jaccard(shingled.shingles_of(row), self._prepared.shingles_of(other))
                if similarity >= NEAR:
                    near = [Match(each, equal=False) for each in self._owners[key]]
                    matches.setdefault(row, []).extend(near)
        return {row: tuple(own) for row, own in matches.items()}


_DOCUMENTS = (GOLD, EXCLUDED)
_KINDS = {
    "query": (("query", (QUERY,)), ("document", _DOCUMENTS)),
    "positive": (("query", (QUERY,)), ("gold", (GOLD,)), ("excluded", (EXCLUDED,))),
    "negative": (("gold", (GOLD,)),),
}
"""Part of a row -> (ending of the measure's name, kinds of benchmark text it is compared with)."""


class Contamination:
    """Counts contaminated rows; `met` maps (task, part of a row, kind) to the ids found."""

    def __init__(self, benchmarks: Sequence[Benchmark], tally: Tally) -> None:
        self._reserved = {benchmark.name: benchmark.reserved for benchmark in benchmarks}
        self._active = bool(benchmarks)
        self._tally = tally
        self.met: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)

    def count(self, audited: AuditRow, parts: Mapping[str, Iterable[Match]]) -> None:
        """Count one row; `parts` maps `query`, `positive` and `negative` to what they match."""
        if not self._active:
            return
        task, location = audited.task, audited.location
        for part, pairs in _KINDS.items():
            matches = tuple(parts.get(part, ()))
            for match in matches:
                text = match.text
                self.met[text.task, part, text.kind].add(text.id)
            for ending, kinds in pairs:
                equal = [each.equal for each in matches if each.text.kind in kinds]
                self._tally.add(f"{part}_equals_{ending}", task, location, int(any(equal)))
                near = bool(equal) and not any(equal)
                self._tally.add(f"{part}_near_duplicate_of_{ending}", task, location, int(near))
        if audited.row.source_id and task in self._reserved:
            reserved = audited.row.source_id in self._reserved[task]
            self._tally.add("source_is_reserved", task, location, int(reserved))
