"""Where a difference lives: by domain of the task, by length and by reasoning intensity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.differences import (
    ComparisonSettings,
    Difference,
    QueryColumns,
    SystemMean,
    row_means,
    untested_differences,
)
from harness.compare.task_context import DEEPEST, TaskContext
from harness.data.embedded import level_of, levels
from harness.stats.bootstrap import mean_intervals
from harness.stats.samples import Values

DOMAINS: Mapping[str, tuple[str, ...]] = {
    "StackExchange": (
        "biology", "earth_science", "economics", "psychology", "robotics", "stackoverflow",
        "sustainable_living",
    ),
    "coding": ("leetcode", "pony"),
    "theorem-based": ("aops", "theoremqa_questions", "theoremqa_theorems"),
}  # fmt: skip
"""BRIGHT's three kinds of tasks, as the paper's tables head them (arXiv 2407.12883, table 2)."""

THIRDS = ("shortest third", "middle third", "longest third")
BINS: tuple[tuple[str, int, int], ...] = (
    ("1", 1, 1),
    ("2–10", 2, 10),
    ("11–100", 11, 100),
    (f"101–{DEEPEST:,}", 101, DEEPEST),
)
BEYOND = "not retrieved"


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the queries: how many, the systems' means over it, and their differences.

    `kind` is `domain`, `level`, `length` or `intensity`. Means over a domain are macro-means over
    its tasks; the others are plain means over queries. `words` is the median length of the queries
    where the kind is `length`. Nothing here is tested: slices show where to look.
    """

    kind: str
    name: str
    queries: int
    tasks: int
    means: tuple[SystemMean, ...]
    differences: tuple[Difference, ...]
    words: float | None = None


def slices(
    rows: Values,
    columns: QueryColumns,
    labels: Sequence[str],
    contexts: Mapping[str, TaskContext],
    settings: ComparisonSettings,
) -> tuple[Slice, ...]:
    """Return the slices that can be made; a kind with a single part is left out.

    Length and intensity are shown over the tasks for which they are known.
    """
    found = []
    for parts in (
        list(_domains(columns)),
        list(_levels(columns)),
        list(_lengths(columns, contexts)),
        list(_intensities(columns, contexts)),
    ):
        if len(parts) > 1:
            found += [_slice(part, rows, columns, labels, settings) for part in parts]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _QuerySlice:
    """The queries of a slice, by their place among the columns."""

    kind: str
    name: str
    places: tuple[int, ...]
    words: float | None = None


def _slice(
    part: _QuerySlice,
    rows: Values,
    columns: QueryColumns,
    labels: Sequence[str],
    settings: ComparisonSettings,
) -> Slice:
    """Compute one slice."""
    own = np.ascontiguousarray(rows[:, list(part.places)])
    names = [columns.tasks[at] for at in part.places]
    tasks = names if part.kind == "domain" else None
    scope = f"{part.kind}: {part.name}"
    intervals = mean_intervals(
        own, settings.rng(scope), tasks=tasks, resamples=settings.resamples, level=settings.level
    )
    return Slice(
        kind=part.kind,
        name=part.name,
        queries=len(part.places),
        tasks=len(set(names)),
        means=tuple(
            SystemMean(label, scope, mean, interval)
            for label, mean, interval in zip(labels, row_means(own, tasks), intervals, strict=True)
        ),
        differences=untested_differences(own, labels, settings, scope, tasks),
        words=part.words,
    )


def _domains(columns: QueryColumns) -> Iterator[_QuerySlice]:
    """Yield BRIGHT's domains that the columns hold queries of."""
    for name, members in DOMAINS.items():
        places = [at for at, t in enumerate(columns.tasks) if t.removesuffix("-long") in members]
        if places:
            yield _QuerySlice("domain", name, tuple(places))


def _levels(columns: QueryColumns) -> Iterator[_QuerySlice]:
    """Yield the wordings of the embedded tasks: reasoning intensity known by construction."""
    for level in levels():
        places = tuple(at for at, task in enumerate(columns.tasks) if level_of(task) == level)
        if places:
            yield _QuerySlice("level", level, places)


def _lengths(columns: QueryColumns, contexts: Mapping[str, TaskContext]) -> Iterator[_QuerySlice]:
    """Yield thirds by words of the original query, cut within each task.

    So each third holds every task alike, and a difference between tasks is none between thirds.
    """
    thirds: list[list[int]] = [[], [], []]
    words = {}
    for task in dict.fromkeys(columns.tasks):
        texts = contexts[task].texts if task in contexts else None
        if texts is None:
            continue
        places = [at for at, name in enumerate(columns.tasks) if name == task]
        words.update({at: len(texts[columns.queries[at]].split()) for at in places})
        ordered = sorted(places, key=lambda at: (words[at], columns.queries[at]))
        for third, part in zip(thirds, np.array_split(np.array(ordered), 3), strict=True):
            third.extend(int(at) for at in part)
    for name, third in zip(THIRDS, thirds, strict=True):
        if third:
            median = float(np.median([words[at] for at in third]))
            yield _QuerySlice("length", name, tuple(sorted(third)), median)


def _intensities(
    columns: QueryColumns, contexts: Mapping[str, TaskContext]
) -> Iterator[_QuerySlice]:
    for name, places in intensity_bins(columns, contexts).items():
        yield _QuerySlice("intensity", name, places)


def intensity_bins(
    columns: QueryColumns, contexts: Mapping[str, TaskContext]
) -> dict[str, tuple[int, ...]]:
    """Return the columns of each bin of BM25's rank of the best gold document.

    Empty bins, and tasks whose ranks are not known, are left out.
    """
    bins: dict[str, list[int]] = {name: [] for name in (*(name for name, _, _ in BINS), BEYOND)}
    for at, (task, query) in enumerate(zip(columns.tasks, columns.queries, strict=True)):
        ranks = contexts[task].ranks if task in contexts else None
        if ranks is not None:
            bins[bin_of(ranks[query])].append(at)
    return {name: tuple(places) for name, places in bins.items() if places}


def bin_of(rank: int | None) -> str:
    """Return the name of the bin of BM25's rank of the best gold document (`None`: beyond)."""
    if rank is not None:
        for name, first, last in BINS:
            if first <= rank <= last:
                return name
    return BEYOND
