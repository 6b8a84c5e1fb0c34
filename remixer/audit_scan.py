"""One pass over a training file: what is kept of each row, and the sample that is looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from remixer.audit_contamination import Contamination
from remixer.audit_duplicates import RowFacts, count_within
from remixer.audit_file import AuditRow
from remixer.audit_labels import count_labels
from remixer.audit_minhash import MinHasher
from remixer.audit_passages import Passages
from remixer.audit_references import ReferenceIndex
from remixer.audit_sample import Smallest
from remixer.audit_tally import Tally
from remixer.audit_texts import Prepared, prepare, raw_key

if TYPE_CHECKING:
    from harness.core.protocols import Advance
    from remixer.audit_minhash import Bands
    from remixer.audit_passages import Numbers

_ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is kept with its text, per task.

    `rows` of a task (0: all) and, where no corpus is at hand, other passages of the task until
    there are `passages`; those with the smallest hash under `seed`.
    """

    rows: int = 300
    passages: int = 10_000
    seed: int = 42


@dataclass(slots=True)
class TaskSample:
    """The rows of a task that are looked at closely, and other passages of its rows."""

    rows: Smallest[AuditRow]
    passages: Smallest[str]


@dataclass(slots=True)
class Scan:
    """What a pass leaves: per row its facts, per distinct passage its key, per task its sample."""

    passages: Passages = field(default_factory=Passages)
    facts: list[RowFacts] = field(default_factory=list)
    bands: list[Bands] = field(default_factory=list)
    samples: dict[str, TaskSample] = field(default_factory=dict)

    @property
    def query_bands(self) -> Bands:
        """Return the bands of the rows' queries: uint32 `[rows, BANDS]`."""
        return np.concatenate(self.bands)


@dataclass(frozen=True, slots=True)
class Against:
    """What rows are held against; `with_corpus`: tasks with documents at hand (`None`: all)."""

    references: ReferenceIndex
    hasher: MinHasher
    contamination: Contamination
    with_corpus: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Scanner:
    """Takes rows in, a batch at a time, and counts what can be told as they pass by."""

    against: Against
    sampling: Sampling
    tally: Tally

    def scan(self, rows: Iterable[AuditRow], advance: Advance) -> Scan:
        """Return what all rows leave."""
        scan = Scan()
        for batch in _batches(rows):
            self._batch(batch, scan)
            advance(len(batch))
        return scan

    def _batch(self, batch: Sequence[AuditRow], scan: Scan) -> None:
        """Take some rows in."""
        fresh: list[str] = []
        sides: list[tuple[Numbers, Numbers]] = []
        for audited in batch:
            positives, some = scan.passages.number(audited.row.pos)
            negatives, more = scan.passages.number(audited.row.neg)
            sides.append((positives, negatives))
            fresh += some + more
            self._sample(audited, some + more, scan)
        prepared = prepare([*(audited.row.query for audited in batch), *fresh])
        bands = self.against.hasher.bands(prepared)
        matches = self.against.references.matches(prepared, bands)
        n = len(batch)
        known = len(scan.passages) - len(fresh)
        scan.passages.keep(prepared.keys[n:], bands[n:])
        scan.passages.matches.update(
            (known + row - n, found) for row, found in matches.items() if row >= n
        )
        scan.bands.append(bands[:n])
        for at, audited in enumerate(batch):
            count_labels(audited, int(prepared.words[at]), self.tally)
            count_within(audited, sides[at], scan.passages, self.tally)
            parts = {
                "query": matches.get(at, ()),
                "positive": scan.passages.matches_of(sides[at][0]),
                "negative": scan.passages.matches_of(sides[at][1]),
            }
            self.against.contamination.count(audited, parts)
            scan.facts.append(_facts(audited, (prepared, at), sides[at]))

    def _sample(self, audited: AuditRow, fresh: Sequence[str], scan: Scan) -> None:
        """Offer a row, and passages that are new with it, to its task's sample."""
        self.tally.row(audited.task)
        sampling = self.sampling
        sample = scan.samples.get(audited.task)
        if sample is None:
            sample = TaskSample(Smallest(sampling.rows), Smallest(sampling.passages))
            scan.samples[audited.task] = sample
        number = sum(self.tally.tasks.values())
        sample.rows.offer(raw_key(audited.row.query, sampling.seed), number, audited)
        known = self.against.with_corpus
        if sampling.passages and known is not None and audited.task not in known:
            for at, text in enumerate(fresh):
                sample.passages.offer(raw_key(text, sampling.seed), (number << 32) + at, text)


def _facts(
    audited: AuditRow, query: tuple[Prepared, int], sides: tuple[Numbers, Numbers]
) -> RowFacts:
    """Return what is kept of a row; `query` is where its query stands in what was prepared."""
    prepared, at = query
    return RowFacts(
        place=audited.place,
        task=audited.task,
        query_key=int(prepared.keys[at]),
        runs=np.unique((prepared.runs_of(at) >> np.uint64(32)).astype(np.uint32)),
        positives=sides[0].astype(np.int32),
        negatives=sides[1].astype(np.int32),
        source_id=audited.row.source_id,
        positive_ids=audited.positive_ids,
    )


def by_task(rows: Sequence[RowFacts]) -> dict[str, list[RowFacts]]:
    """Return task -> its rows, in order."""
    found: defaultdict[str, list[RowFacts]] = defaultdict(list)
    for row in rows:
        found[row.task].append(row)
    return dict(found)


def _batches(rows: Iterable[AuditRow]) -> Iterator[list[AuditRow]]:
    """Yield rows some at a time."""
    source = iter(rows)
    while batch := list(islice(source, _ROWS_AT_ONCE)):
        yield batch
