"""One pass over a training file: what is kept of each row, and the sample that is looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from harness.core.hashing import sha256_text
from remixer.audit_contamination import Contamination
from remixer.audit_duplicates import RowFacts, count_within
from remixer.audit_file import AuditRow
from remixer.audit_labels import count_labels
from remixer.audit_minhash import MinHasher
from remixer.audit_passages import Passages
from remixer.audit_references import Match, ReferenceIndex
from remixer.audit_sample import Smallest
from remixer.audit_tally import Tally
from remixer.audit_texts import Prepared, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.protocols import Advance
    from remixer.audit_minhash import Bands

_ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is kept with its text, per task.

    `rows` of a task (0: all) and, where no corpus is at hand, `passages` besides theirs; those
    with the smallest hash of `seed` and text.
    """

    rows: int = 500
    passages: int = 20_000
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


class Scanner:
    """Takes rows in, a batch at a time; `with_corpus` names tasks whose documents are at hand."""

    def __init__(
        self, references: ReferenceIndex, hasher: MinHasher, contamination: Contamination,
        sampling: Sampling, with_corpus: Collection[str],
    ) -> None:  # fmt: skip
        self._references = references
        self._hasher = hasher
        self._contamination = contamination
        self._sampling = sampling
        self._with_corpus = with_corpus

    def scan(self, rows: Iterable[AuditRow], tally: Tally, advance: Advance) -> Scan:
        """Return what all rows leave, and count what can be told as they pass by."""
        scan = Scan()
        for batch in _batches(rows):
            self._batch(batch, scan, tally)
            advance(len(batch))
        return scan

    def _batch(self, batch: Sequence[AuditRow], scan: Scan, tally: Tally) -> None:
        """Take some rows in."""
        fresh: list[str] = []
        for audited in batch:
            new = scan.passages.new((*audited.row.pos, *audited.row.neg))
            fresh += new
            self._sample(audited, new, scan, tally)
        prepared = prepare([*(audited.row.query for audited in batch), *fresh])
        bands = self._hasher.bands(prepared)
        matches = self._references.matches(prepared, bands)
        n = len(batch)
        known = len(scan.passages) - len(fresh)
        scan.passages.keep(prepared.keys[n:], bands[n:])
        scan.passages.matches.update(
            (known + row - n, found) for row, found in matches.items() if row >= n
        )
        scan.bands.append(bands[:n])
        for at, audited in enumerate(batch):
            self._row(audited, (prepared, at), matches.get(at, ()), scan, tally)

    def _sample(self, audited: AuditRow, fresh: Sequence[str], scan: Scan, tally: Tally) -> None:
        """Offer a row, and passages that are new with it, to its task's sample."""
        tally.row(audited.task)
        sampling = self._sampling
        sample = scan.samples.get(audited.task)
        if sample is None:
            sample = TaskSample(Smallest(sampling.rows), Smallest(sampling.passages))
            scan.samples[audited.task] = sample
        number = sum(tally.tasks.values())
        sample.rows.offer(_draw(sampling.seed, audited.row.query), number, audited)
        if audited.task not in self._with_corpus and sampling.passages:
            for at, text in enumerate(fresh):
                sample.passages.offer(_draw(sampling.seed, text), (number << 32) + at, text)

    def _row(
        self, audited: AuditRow, query: tuple[Prepared, int], matches: Iterable[Match],
        scan: Scan, tally: Tally,
    ) -> None:  # fmt: skip
        """Count one row, and keep its facts."""
        row, (prepared, at), passages = audited.row, query, scan.passages
        numbers = passages.numbers(row.pos), passages.numbers(row.neg)
        count_labels(audited, int(prepared.words[at]), tally)
        count_within(audited, numbers, passages, tally)
        parts: Mapping[str, Iterable[Match]] = {
            "query": matches,
            "positive": _matches(numbers[0], passages),
            "negative": _matches(numbers[1], passages),
        }
        self._contamination.count(audited, parts)
        scan.facts.append(
            RowFacts(
                place=audited.place,
                task=audited.task,
                query_key=int(prepared.keys[at]),
                runs=np.unique((prepared.runs_of(at) >> np.uint64(32)).astype(np.uint32)),
                positives=numbers[0].astype(np.int32),
                negatives=numbers[1].astype(np.int32),
                source_id=row.source_id,
                positive_ids=audited.positive_ids,
            )
        )


def _matches(
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]], passages: Passages
) -> list[Match]:
    """Return all that some passages match."""
    found: list[Match] = []
    if passages.matches:
        for number in numbers.tolist():
            found.extend(passages.matches.get(number, ()))
    return found


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


def _draw(seed: int, text: str) -> int:
    """Return 64 bits that depend on these two alone, on any machine."""
    return int(sha256_text(f"{seed}\0{text}")[:16], 16)
