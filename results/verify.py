"""Whether a measured entry's numbers still follow from its stored run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from harness.core.errors import BadInput, StoreError
from results.per_query import PerQuery
from results.schema import Entry
from results.store import ResultStore

TOLERANCE = 1e-9
"""Largest difference that counts as none: sums may be rounded in another order elsewhere."""

Status: TypeAlias = Literal["match", "differs", "missing", "corrupt"]


class Scorer(Protocol):
    """Scores a run file as its entry was scored; the caller knows tasks and metrics."""

    def __call__(self, run: Path, entry: Entry, /) -> tuple[Mapping[str, float], PerQuery]:
        """Return means by metric and values by metric and query; raises `RebenchError`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one entry.

    `missing`: a file is not there. `corrupt`: its contents are not what was stored. `differs`:
    the stored run, scored again, gives other numbers; `metrics` then names them, and `worst` is
    the largest difference of a mean or of a query's value (a value only one side has counts as
    infinite). `detail` is one line for people, empty for a match.
    """

    entry: Entry
    status: Status
    detail: str = ""
    metrics: tuple[str, ...] = ()
    worst: float = 0.0


def verify_entry(store: ResultStore, entry: Entry, score: Scorer) -> Verdict:
    """Check a stored entry's files and recompute its numbers with `score`.

    What `score` raises about the run (`BadInput`) counts as corrupt; other errors, such as a
    task that cannot be loaded, are the caller's.
    """
    run = store.run_path(entry)
    if not run.is_file():
        return Verdict(entry, "missing", f"{run} is not there")
    if entry.files and not (run.parent / entry.files.per_query).is_file():
        return Verdict(entry, "missing", f"{run.parent / entry.files.per_query} is not there")
    try:
        store.run_text(entry)
        stored = store.per_query(entry)
        means, values = score(run, entry)
    except (StoreError, BadInput) as error:
        return Verdict(entry, "corrupt", error.message)
    gaps = _gaps(_as_rows(entry.metrics), _as_rows(means))
    for metric, gap in _gaps(stored, values).items():
        gaps[metric] = max(gap, gaps.get(metric, 0.0))
    differing = tuple(sorted(metric for metric, gap in gaps.items() if gap > TOLERANCE))
    if not differing:
        return Verdict(entry, "match")
    worst = max(gaps[metric] for metric in differing)
    detail = f"{len(differing)} of {len(gaps)} metrics differ, by up to {worst:.6g}"
    return Verdict(entry, "differs", detail, differing, worst)


def _as_rows(means: Mapping[str, float]) -> PerQuery:
    """Dress means as the values of one nameless query."""
    return {metric: {"": value} for metric, value in means.items()}


def _gaps(stored: PerQuery, fresh: PerQuery) -> dict[str, float]:
    """Return each metric's largest difference over queries; infinite where one side has none."""
    gaps: dict[str, float] = {}
    for metric in stored.keys() | fresh.keys():
        left, right = stored.get(metric, {}), fresh.get(metric, {})
        same = left.keys() == right.keys() and metric in stored and metric in fresh
        gaps[metric] = (
            max((abs(left[query] - right[query]) for query in left), default=0.0)
            if same
            else math.inf
        )
    return gaps
