"""A model's measured numbers beside the published ones, task by task.

Nothing is tested: a published number has no per-query values. What can be said is whether it lies
inside the interval of the measured mean. Only rows on today's judgements, the same query set and
the same metric are compared with it; the others are named with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.differences import ComparisonSettings, row_means
from harness.core.errors import NotComparable, UnknownName
from harness.render.numbers import counted
from harness.stats.bootstrap import Interval, mean_interval
from results.published import CURRENT_GOLD, GROUPS, PublishedRow
from results.store import ResultStore
from results.systems import System


@dataclass(frozen=True, slots=True)
class Line:
    """One task (empty: the mean over the group's tasks): measured with its interval, published.

    `inside` tells whether the published number lies in the interval, `None` without one.
    """

    task: str
    measured: float
    interval: Interval | None
    published: float
    difference: float
    inside: bool | None


@dataclass(frozen=True, slots=True)
class SourceLines:
    """What one published row says, where it stands and how it was made."""

    model: str
    source: str
    date: str
    gold: str
    protocol: str
    note: str
    file: str
    row: int
    average_mismatch: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A measured system beside all published rows on the same data, query set and metric."""

    system: System
    metric: str
    query_set: str
    level: float
    sources: tuple[SourceLines, ...]
    left_out: tuple[str, ...]


def published_as(name: str, rows: Sequence[PublishedRow]) -> tuple[PublishedRow, ...]:
    """Return the published rows of a model; raises `UnknownName` with the nearest names."""
    published = tuple(row for row in rows if row.model == name)
    if not published:
        known = {row.model for row in rows}
        listing = "Published numbers are listed by `rebench leaderboard --published`."
        raise UnknownName("published model", name, known, listing=listing)
    return published


def reproduce(
    system: System,
    rows: Sequence[PublishedRow],
    store: ResultStore,
    settings: ComparisonSettings,
    metric: str,
) -> Reproduction:
    """Compare a system with the published rows of its model.

    Raises `NotComparable` if none of the rows is about the same data, and `StoreError` for
    per-query values that cannot be read.
    """
    measured = _measured(system, store, settings, metric)
    sources: list[SourceLines] = []
    left_out: list[str] = []
    reasons: list[str] = []
    for row in rows:
        reason = _reason(row, system, metric)
        lines = () if reason else _lines(row, measured)
        if lines:
            sources.append(_source(row, lines))
        else:
            reasons.append(reason or "no task shared")
            left_out.append(f"{row.source} ({row.file}, row {row.row}): {reasons[-1]}")
    if not sources:
        raise NotComparable(
            f"no published number is on the same data as {system.label} "
            f"({system.query_set} queries, {metric}): {_summary(reasons)}",
            fix="Measure it on the tasks and query set that were published.",
        )
    return Reproduction(
        system, metric, system.query_set, settings.level, tuple(sources), tuple(left_out)
    )


def _summary(reasons: Sequence[str]) -> str:
    """Return why rows were left out, each reason once with the number of rows."""
    return "; ".join(
        f"{counted(count, 'row', 'rows')}: {reason}"
        for reason, count in Counter(reasons).most_common()
    )


@dataclass(frozen=True, slots=True)
class _MeasuredMean:
    mean: float
    interval: Interval | None


_Measured = Mapping[str, _MeasuredMean]


def _measured(
    system: System, store: ResultStore, settings: ComparisonSettings, metric: str
) -> _Measured:
    """Return mean and interval by task, and by each group all of whose tasks were measured."""
    values = {
        task: np.array(list(store.values(entry, metric).values()))
        for task, entry in system.entries.items()
        if metric in entry.metrics
    }
    means = {
        task: _mean(of_task, None, settings, f"means, {task}") for task, of_task in values.items()
    }
    for group, members in GROUPS.items():
        if all(task in values for task in members):
            strata = [task for task in members for _ in values[task]]
            pooled = np.concatenate([values[task] for task in members])
            means[f"{group}:"] = _mean(pooled, strata, settings, "means, ")
    return means


def _mean(
    values: np.ndarray, tasks: list[str] | None, settings: ComparisonSettings, scope: str
) -> _MeasuredMean:
    """Return the (macro-)mean of values and its interval, as a comparison shows them."""
    interval = mean_interval(
        values, settings.rng(scope), tasks=tasks, resamples=settings.resamples, level=settings.level
    )
    return _MeasuredMean(row_means(values[None], tasks)[0], interval)


def _reason(row: PublishedRow, system: System, metric: str) -> str:
    """Return why a row is not compared with the system, empty if it is."""
    if row.gold not in CURRENT_GOLD:
        return f"gold version {row.gold}"
    if row.query_set != system.query_set:
        return f"{row.query_set} queries"
    if row.metric != metric:
        return row.metric
    return ""


def _lines(row: PublishedRow, measured: _Measured) -> tuple[Line, ...]:
    """Return the lines of the tasks that both have, then the mean if both have all."""
    pairs = [(task, task, value) for task, value in row.values.items()]
    if row.overall is not None:
        pairs.append(("", f"{row.group}:", row.overall))
    return tuple(_line(name, value, measured[key]) for name, key, value in pairs if key in measured)


def _line(task: str, published: float, measured: _MeasuredMean) -> Line:
    mean, interval = measured.mean, measured.interval
    return Line(
        task=task,
        measured=mean,
        interval=interval,
        published=published,
        difference=mean - published,
        inside=None if interval is None else interval.low <= published <= interval.high,
    )


def _source(row: PublishedRow, lines: tuple[Line, ...]) -> SourceLines:
    """Return what a row says of itself, with its lines."""
    return SourceLines(
        model=row.model,
        source=row.source,
        date=row.date,
        gold=row.gold,
        protocol=row.protocol,
        note=row.note,
        file=row.file,
        row=row.row,
        average_mismatch=row.average_mismatch,
        lines=lines,
    )
