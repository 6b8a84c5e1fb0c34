"""A whole comparison: comparability checked, differences tested and corrected, and taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.changes import (
    Change,
    largest_changes,
    with_first_documents,
    with_query_terms,
)
from harness.compare.comparability import NO_TEXTS, check_comparable
from harness.compare.differences import (
    DRAWN_TESTS,
    ComparisonSettings,
    Difference,
    QueryColumns,
    SystemMean,
    compared_pairs,
    correct,
    head_metric,
    macro_differences,
    row_means,
    task_differences,
)
from harness.compare.selection import SelectedSystems
from harness.compare.slices import Slice, slices
from harness.compare.task_context import TaskContext, TaskContextLoader, stored_run
from harness.compare.values import ComparedValues
from harness.data.bright_tasks import ORIGINAL
from harness.data.folds import FOLDS
from harness.derived import EntryReader
from harness.render.numbers import few
from harness.stats.bootstrap import mean_intervals
from harness.stats.samples import Values, aligned
from results.systems import System


@dataclass(frozen=True, slots=True)
class Comparison:
    """Systems that were measured on the same data; all values are fractions.

    `means` holds each system on each task and, with `task` empty, over all of them (for a single
    task too). `by_task` and `overall` hold one difference per pair; `overall` is empty for a
    single task, whose test it would repeat. `tests` counts the p-values that were corrected
    together, `permutations` how many are behind each (0 for a test that draws none).
    """

    systems: tuple[System, ...]
    tasks: tuple[str, ...]
    metric: str
    query_set: str
    settings: ComparisonSettings
    means: tuple[SystemMean, ...]
    by_task: Mapping[str, tuple[Difference, ...]]
    overall: tuple[Difference, ...]
    tests: int
    permutations: int
    changes: tuple[Change, ...]
    slices: tuple[Slice, ...]
    notes: tuple[str, ...]

    @property
    def headline(self) -> tuple[Difference, ...]:
        """The differences over all that is compared, one per pair."""
        return self.overall or self.by_task[self.tasks[0]]


def compare(
    selected: SelectedSystems,
    metric: str,
    settings: ComparisonSettings,
    contexts: TaskContextLoader,
) -> Comparison:
    """Compare the selected systems, one or more; with one there is nothing but its means.

    `metric` is a metric's name, or empty for the tasks' head metric. Raises `NotComparable` for
    systems that were evaluated on different data, `BadInput` for a metric that is not stored or
    tasks headed by different metrics, `StoreError` for files that cannot be read.
    """
    systems, tasks = selected.systems, selected.tasks
    check_comparable(systems, tasks, contexts.store.root)
    name = metric or selected_head_metric(selected)
    values = _read(selected, name, EntryReader(contexts.store, contexts.fold))
    pairs = len(compared_pairs(len(systems), settings))
    tests = pairs * (len(tasks) + (len(tasks) > 1 and settings.test != "tukey"))
    count = settings.permutations_for(tests)
    blocks = [
        task_differences(values.of(task), values.labels, settings, count, task) for task in tasks
    ]
    over = values.overall()
    overall = (
        macro_differences(over.rows, over.labels, settings, count, over.columns.tasks)
        if len(tasks) > 1
        else ()
    )
    corrected = correct([*blocks, overall], settings)
    changes = _changes(values, settings, contexts, systems)
    context_of = _contexts(selected, changes, contexts)
    return Comparison(
        systems=systems,
        tasks=tasks,
        metric=name,
        query_set=systems[0].query_set,
        settings=settings,
        means=_means(values, tasks, settings),
        by_task=dict(zip(tasks, corrected[: len(tasks)], strict=True)),
        overall=corrected[-1],
        tests=tests,
        permutations=count if settings.test in DRAWN_TESTS else 0,
        changes=tuple(_in_context(change, context_of[change.task]) for change in changes),
        slices=slices(values.rows, values.columns, values.labels, context_of, settings),
        notes=(
            *_fold_notes(contexts.fold),
            *selected.notes,
            *_context_notes(context_of),
            *_permutation_notes(settings, tests, count, len(tasks)),
            *_query_notes(selected, context_of),
        ),
    )


def _fold_notes(fold: int | None) -> tuple[str, ...]:
    """Return what a comparison on one fold says of itself."""
    if fold is None:
        return ()
    return (f"only fold {fold} of the queries (folds 0 to {FOLDS - 1}, docs/protocol.md)",)


def selected_head_metric(selected: SelectedSystems) -> str:
    """Return the metric that heads all the tasks; raises `BadInput` if they have several."""
    first = selected.systems[0].entries
    fix = "Choose one with --metric, or fewer tasks with --tasks."
    return head_metric((first[task] for task in selected.tasks), fix)


def _read(selected: SelectedSystems, metric: str, reader: EntryReader) -> ComparedValues:
    """Read per-query values, task by task, in the first system's order of queries."""
    rows: list[Values] = []
    tasks: list[str] = []
    queries: list[str] = []
    for task in selected.tasks:
        values = [reader.values(system.entries[task], metric) for system in selected.systems]
        ids, block = aligned(values)
        rows.append(block)
        tasks += [task] * len(ids)
        queries += ids
    labels = tuple(system.label for system in selected.systems)
    columns = QueryColumns(tuple(tasks), tuple(queries))
    return ComparedValues(np.concatenate(rows, axis=1), labels, columns)


def _means(
    values: ComparedValues, tasks: tuple[str, ...], settings: ComparisonSettings
) -> tuple[SystemMean, ...]:
    """Return each system's means by task, then over the tasks, with intervals."""
    means = []
    over = values.overall()
    for task in (*tasks, ""):
        rows = values.of(task) if task else over.rows
        strata = None if task else over.columns.tasks
        intervals = mean_intervals(
            rows,
            settings.rng(f"means, {task}"),
            tasks=strata,
            resamples=settings.resamples,
            level=settings.level,
        )
        means += [
            SystemMean(label, task, mean, interval)
            for label, mean, interval in zip(
                values.labels, row_means(rows, strata), intervals, strict=True
            )
        ]
    return tuple(means)


def _changes(
    values: ComparedValues,
    settings: ComparisonSettings,
    contexts: TaskContextLoader,
    systems: tuple[System, ...],
) -> list[Change]:
    """Return the largest changes of each pair with both systems' first documents."""
    changes: list[Change] = []
    for one, other in compared_pairs(len(values.labels), settings):
        labels = (values.labels[one], values.labels[other])
        pair = values.rows[[one, other]]
        changes += largest_changes(pair, values.columns, labels, settings.changes)
    entries = {system.label: system.entries for system in systems}
    listed = with_first_documents(
        changes, lambda label, task: stored_run(contexts.store, entries[label][task])
    )
    return with_query_terms(listed, lambda label, task: entries[label][task].facts)


def _contexts(
    selected: SelectedSystems, changes: Sequence[Change], contexts: TaskContextLoader
) -> dict[str, TaskContext]:
    """Return the context of each task, one at a time so that only one corpus is in memory."""
    loaded = {}
    first = selected.systems[0].entries
    for task in selected.tasks:
        of_task = [change for change in changes if change.task == task]
        ranked = [doc for change in of_task for doc in change.documents]
        queries = [change.query for change in of_task]
        loaded[task] = contexts.load(first[task].task, ranked, queries)
    return loaded


def _in_context(change: Change, context: TaskContext) -> Change:
    """Return a change with its gold, and with texts if they were read."""
    gold = context.gold[change.query]
    named = dict.fromkeys((*gold, *change.documents))
    snippets = {doc: context.snippets[doc] for doc in named if doc in context.snippets}
    text = (context.texts or {}).get(change.query, "")
    return replace(change, gold=gold, text=text, snippets=snippets or None)


def _context_notes(context_of: Mapping[str, TaskContext]) -> list[str]:
    """Return the notes of all tasks (`task: what`), those that say the same folded into one."""
    by_text: dict[str, list[str]] = {}
    for context in context_of.values():
        for note in context.notes:
            task, _, what = note.partition(": ")
            by_text.setdefault(what, []).append(task)
    return [f"{few(tasks)}: {what}" for what, tasks in by_text.items()]


def _permutation_notes(
    settings: ComparisonSettings, tests: int, count: int, tasks: int
) -> list[str]:
    """Return what the tests cannot show: `count` permutations are behind each of `tests`."""
    notes = []
    if settings.test in DRAWN_TESTS and tests > settings.alpha * (count + 1):
        notes.append(
            f"{count:,} permutations cannot carry any of {tests} tests below {settings.alpha} "
            "after the correction: give more with --permutations"
        )
    if settings.test == "tukey" and tasks > 1:
        notes.append("Tukey's test has no form stratified by task, so the mean has no p")
    return notes


def _query_notes(selected: SelectedSystems, context_of: Mapping[str, TaskContext]) -> list[str]:
    """Return what a reader should know of the queries that the systems searched with."""
    notes = []
    query_set = selected.systems[0].query_set
    if query_set != ORIGINAL and any(context.texts for context in context_of.values()):
        notes.append("query texts, lengths and BM25 ranks are those of the original queries")
    entries = [each.entries[task] for each in selected.systems for task in selected.tasks]
    if any(entry.task.queries_fingerprint == NO_TEXTS for entry in entries):
        notes.append(
            f"the runs came without the texts of the {query_set} queries: "
            "that all used the same is their word"
        )
    return notes
