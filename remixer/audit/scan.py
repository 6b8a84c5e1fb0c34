"""One pass over a training file: facts of each row, distinct passages, a sample of each task."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from remixer.audit.contamination import BenchmarkIndex, Contamination
from remixer.audit.contradictions import RowFacts, count_within
from remixer.audit.labels import count_labels
from remixer.audit.measures import Tally
from remixer.audit.passages import Passages, RowPassages
from remixer.audit.reader import AuditRow
from remixer.near_duplicates.minhash import MinHasher
from remixer.near_duplicates.shingles import ShingledTexts, raw_key, shingle

if TYPE_CHECKING:
    from harness.core.protocols import Advance
    from remixer.near_duplicates.minhash import Bands

_ROWS_AT_ONCE = 128

T = TypeVar("T")


class BottomKSample(Generic[T]):
    """Keeps the `size` items with the smallest (hash, number); 0 keeps all."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, int, T]] = []

    def add(self, draw: int, number: int, item: T) -> None:
        """Keep an item if its hash `draw` is small enough; `number` is unique and breaks ties."""
        entry = (-draw, -number, item)
        if not self._size or len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        elif entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def items(self) -> list[T]:
        """Return the kept items, ordered by number."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: -entry[1])]


@dataclass(frozen=True, slots=True)
class AuditSampling:
    """How many rows and passages are kept with their text, per task.

    `rows` of a task (0: all) and, if its corpus is not available, `passages` of its rows; those
    with the smallest hash under `seed`.
    """

    rows: int = 300
    passages: int = 10_000
    seed: int = 42


@dataclass(slots=True)
class TaskSample:
    """The sampled rows of a task, and the sampled passages of all its rows."""

    rows: BottomKSample[AuditRow]
    passages: BottomKSample[str]


@dataclass(slots=True)
class Scan:
    """The result of a pass: facts of each row, distinct passages, and a sample of each task."""

    passages: Passages = field(default_factory=Passages)
    facts: list[RowFacts] = field(default_factory=list)
    bands: list[Bands] = field(default_factory=list)
    samples: dict[str, TaskSample] = field(default_factory=dict)

    @property
    def query_bands(self) -> Bands:
        """Return the bands of the rows' queries: uint32 `[rows, BANDS]`."""
        return np.concatenate(self.bands)


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """What rows are compared with; `with_corpus` names the tasks with documents (`None`: all)."""

    benchmark_texts: BenchmarkIndex
    hasher: MinHasher
    contamination: Contamination
    with_corpus: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Scanner:
    """Reads rows in batches and counts what can be counted in one pass."""

    target: AuditTarget
    sampling: AuditSampling
    tally: Tally

    def scan(self, rows: Iterable[AuditRow], advance: Advance) -> Scan:
        """Return the result of a pass over all rows."""
        scan = Scan()
        for batch in _batches(rows):
            self._batch(batch, scan)
            advance(len(batch))
        return scan

    def _batch(self, batch: Sequence[AuditRow], scan: Scan) -> None:
        fresh: list[str] = []
        numbered: list[RowPassages] = []
        for audited in batch:
            positives, some = scan.passages.number(audited.row.pos)
            negatives, more = scan.passages.number(audited.row.neg)
            numbered.append(RowPassages(positives, negatives))
            fresh += some + more
            self._sample(audited, some + more, scan)
        shingled = shingle([*(audited.row.query for audited in batch), *fresh])
        bands = self.target.hasher.bands(shingled)
        matches = self.target.benchmark_texts.matches(shingled, bands)
        n = len(batch)
        known = len(scan.passages) - len(fresh)
        scan.passages.keep(shingled.keys[n:], bands[n:])
        scan.passages.matches.update(
            (known + row - n, own) for row, own in matches.items() if row >= n
        )
        scan.bands.append(bands[:n])
        for at, audited in enumerate(batch):
            count_labels(audited, int(shingled.words[at]), self.tally)
            count_within(audited, numbered[at], scan.passages, self.tally)
            parts = {
                "query": matches.get(at, ()),
                "positive": scan.passages.matches_of(numbered[at].positives),
                "negative": scan.passages.matches_of(numbered[at].negatives),
            }
            self.target.contamination.count(audited, parts)
            scan.facts.append(_facts(audited, shingled, at, numbered[at]))

    def _sample(self, audited: AuditRow, fresh: Sequence[str], scan: Scan) -> None:
        """Add a row, and the passages that are new with it, to its task's sample."""
        self.tally.row(audited.task)
        sampling = self.sampling
        sample = scan.samples.get(audited.task)
        if sample is None:
            sample = TaskSample(BottomKSample(sampling.rows), BottomKSample(sampling.passages))
            scan.samples[audited.task] = sample
        number = sum(self.tally.tasks.values())
        sample.rows.add(raw_key(audited.row.query, sampling.seed), number, audited)
        with_corpus = self.target.with_corpus
        if sampling.passages and with_corpus is not None and audited.task not in with_corpus:
            for at, text in enumerate(fresh):
                sample.passages.add(raw_key(text, sampling.seed), (number << 32) + at, text)


def _facts(audited: AuditRow, shingled: ShingledTexts, at: int, passages: RowPassages) -> RowFacts:
    """Return the facts of a row whose query is text `at` of `shingled`."""
    return RowFacts(
        location=audited.location,
        task=audited.task,
        query_key=int(shingled.keys[at]),
        shingles=np.unique((shingled.shingles_of(at) >> np.uint64(32)).astype(np.uint32)),
        positives=passages.positives.astype(np.int32),
        negatives=passages.negatives.astype(np.int32),
        source_id=audited.row.source_id,
        positive_ids=audited.positive_ids,
    )


def by_task(rows: Sequence[RowFacts]) -> dict[str, list[RowFacts]]:
    """Return task -> its rows, in order."""
    rows_of: defaultdict[str, list[RowFacts]] = defaultdict(list)
    for row in rows:
        rows_of[row.task].append(row)
    return dict(rows_of)


def _batches(rows: Iterable[AuditRow]) -> Iterator[list[AuditRow]]:
    source = iter(rows)
    while batch := list(islice(source, _ROWS_AT_ONCE)):
        yield batch
