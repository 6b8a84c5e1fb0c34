"""Rows that hold what a benchmark tests with, and which of its texts are met where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from remixer.audit_file import AuditRow
from remixer.audit_references import EXCLUDED, GOLD, QUERY, Benchmark, Match
from remixer.audit_tally import Tally

_DOCUMENTS = (GOLD, EXCLUDED)
_KINDS = {
    "query": (("query", (QUERY,)), ("document", _DOCUMENTS)),
    "positive": (("query", (QUERY,)), ("gold", (GOLD,)), ("excluded", (EXCLUDED,))),
    "negative": (("gold", (GOLD,)),),
}
"""Part of a row -> what it is held against: the measure's ending, and kinds of reference."""


class Contamination:
    """Counts rows, and keeps the benchmark's texts that were met: (task, part, kind) -> ids."""

    def __init__(self, benchmarks: Sequence[Benchmark], tally: Tally) -> None:
        self._reserved = {benchmark.name: benchmark.reserved for benchmark in benchmarks}
        self._active = bool(benchmarks)
        self._tally = tally
        self.met: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)

    def count(self, audited: AuditRow, parts: Mapping[str, Iterable[Match]]) -> None:
        """Count one row; `parts` holds what its query, positives and negatives match."""
        if not self._active:
            return
        task, place = audited.task, audited.place
        for part, pairs in _KINDS.items():
            matches = tuple(parts.get(part, ()))
            for match in matches:
                reference = match.reference
                self.met[reference.task, part, reference.kind].add(reference.id)
            for ending, kinds in pairs:
                equal = [each.equal for each in matches if each.reference.kind in kinds]
                self._tally.add(f"{part}_equals_{ending}", task, place, int(any(equal)))
                near = bool(equal) and not any(equal)
                self._tally.add(f"{part}_nears_{ending}", task, place, int(near))
        if audited.row.source_id and task in self._reserved:
            reserved = audited.row.source_id in self._reserved[task]
            self._tally.add("source_is_reserved", task, place, int(reserved))
