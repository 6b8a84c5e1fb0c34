"""A model's measured numbers beside the published ones, task by task.

Nothing is tested: a published number has no per-query values. What can be said is whether it lies
inside the interval of the measured mean. Only rows on today's judgements, the same query set and
the same metric are held against it; the others are named with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.contrast import Plan, means
from harness.core.errors import NotComparable, UnknownName
from harness.stats.bootstrap import Interval, mean_interval
from results.published import GROUPS, PublishedRow
from results.store import ResultStore
from results.systems import System

CURRENT_GOLD = ("current", "r2med")
"""Gold versions that today's judgements are."""


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
    """A measured system held against all published rows that it may be held against."""

    system: System
    metric: str
    query_set: str
    level: float
    sources: tuple[SourceLines, ...]
    left_out: tuple[str, ...]


def published_as(name: str, rows: Sequence[PublishedRow]) -> tuple[PublishedRow, ...]:
    """Return the published rows of a model; raises `UnknownName` with the nearest names."""
    found = tuple(row for row in rows if row.model == name)
    if not found:
        known = {row.model for row in rows}
        listing = "Published numbers are listed by `rebench leaderboard --published`."
        raise UnknownName("published model", name, known, listing=listing)
    return found


def reproduce(
    system: System, rows: Sequence[PublishedRow], store: ResultStore, plan: Plan, metric: str
) -> Reproduction:
    """Hold a system against the published rows of its model.

    Raises `NotComparable` where none of the rows stands on the same ground, and `StoreError` for
    per-query values that cannot be read.
    """
    measured = _measured(system, store, plan, metric)
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
            f"no published number stands on the ground of {system.label} "
            f"({system.query_set} queries, {metric}): {_counted(reasons)}",
            fix="Measure it on the tasks and query set that were published.",
        )
    return Reproduction(
        system, metric, system.query_set, plan.level, tuple(sources), tuple(left_out)
    )


def _counted(reasons: Sequence[str]) -> str:
    """Return why rows were left out, each reason once with the number of rows."""
    rows = {1: "1 row"}
    return "; ".join(
        f"{rows.get(count, f'{count} rows')}: {reason}"
        for reason, count in Counter(reasons).most_common()
    )


_Measured = Mapping[str, tuple[float, Interval | None]]


def _measured(system: System, store: ResultStore, plan: Plan, metric: str) -> _Measured:
    """Return mean and interval by task, and by group where all of its tasks are there."""
    values = {
        task: np.array(list(store.values(entry, metric).values()))
        for task, entry in system.entries.items()
        if metric in entry.metrics
    }
    found = {task: _one(own, None, plan, f"means, {task}") for task, own in values.items()}
    for group, members in GROUPS.items():
        if all(task in values for task in members):
            strata = [task for task in members for _ in values[task]]
            pooled = np.concatenate([values[task] for task in members])
            found[f"{group}:"] = _one(pooled, strata, plan, "means, ")
    return found


def _one(
    values: np.ndarray, tasks: list[str] | None, plan: Plan, scope: str
) -> tuple[float, Interval | None]:
    """Return the (macro-)mean of values and its interval, as a comparison shows them."""
    interval = mean_interval(
        values, plan.rng(scope), tasks=tasks, resamples=plan.resamples, level=plan.level
    )
    return means(values[None], tasks)[0], interval


def _reason(row: PublishedRow, system: System, metric: str) -> str:
    """Return why a row is not held against the system, empty where it is."""
    if row.gold not in CURRENT_GOLD:
        return f"gold version {row.gold}"
    if row.query_set != system.query_set:
        return f"{row.query_set} queries"
    if row.metric != metric:
        return row.metric
    return ""


def _lines(row: PublishedRow, measured: _Measured) -> tuple[Line, ...]:
    """Return the lines of the tasks that both have, then the mean where both have all."""
    pairs = [(task, task, value) for task, value in row.values.items()]
    if row.overall is not None:
        pairs.append(("", f"{row.group}:", row.overall))
    return tuple(_line(name, value, measured[key]) for name, key, value in pairs if key in measured)


def _line(task: str, published: float, measured: tuple[float, Interval | None]) -> Line:
    """Return one line."""
    mean, interval = measured
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
