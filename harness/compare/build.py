"""A whole comparison: guarded, tested, corrected, and taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.changes import Change, Columns, largest_changes, with_tops
from harness.compare.contrast import Difference, Mean, Plan, contrast, means, pair_places
from harness.compare.guard import NO_TEXTS, check_ground
from harness.compare.insight import Known, Library, stored_run
from harness.compare.selection import SelectedSystems
from harness.compare.significance import corrected, overall_p, pair_p, permutations
from harness.compare.slices import Slice, slices
from harness.core.errors import BadInput
from harness.data.bright_tasks import ORIGINAL
from harness.render.numbers import few
from harness.stats.bootstrap import mean_intervals
from harness.stats.samples import Values, aligned
from results.store import ResultStore
from results.systems import System


@dataclass(frozen=True, slots=True)
class Comparison:
    """Systems on shared ground; all values are fractions.

    `means` holds each system on each task and, with `task` empty, over all of them (for a single
    task too). `by_task` and `overall` hold one difference per pair; `overall` is empty for a
    single task, whose test it would repeat. `tests` counts the p-values that were corrected
    together, `permutations` how many stand behind each (0 where the test draws none).
    """

    systems: tuple[System, ...]
    tasks: tuple[str, ...]
    metric: str
    query_set: str
    plan: Plan
    means: tuple[Mean, ...]
    by_task: Mapping[str, tuple[Difference, ...]]
    overall: tuple[Difference, ...]
    tests: int
    permutations: int
    changes: tuple[Change, ...]
    slices: tuple[Slice, ...]
    notes: tuple[str, ...]

    @property
    def headline(self) -> tuple[Difference, ...]:
        """Return the differences over all that is compared, one per pair."""
        return self.overall or self.by_task[self.tasks[0]]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Per-query values `[systems, queries]` with the task and id of each column."""

    rows: Values
    columns: Columns

    def of(self, task: str) -> Values:
        """Return the columns of one task."""
        places = np.array([name == task for name in self.columns.tasks])
        return np.ascontiguousarray(self.rows[:, places])


def compare(selection: SelectedSystems, metric: str, plan: Plan, library: Library) -> Comparison:
    """Compare the selected systems, one or more; with one there is nothing but its means.

    `metric` is a metric's name, or empty for the tasks' head metric. Raises `NotComparable`
    where systems stand on different ground, `BadInput` for a metric that is not stored or tasks
    headed by different metrics, `StoreError` for files that cannot be read.
    """
    systems, tasks = selection.systems, selection.tasks
    check_ground(systems, tasks, library.store.root)
    name = metric or head_metric(selection)
    sheet = _read(selection, name, library.store)
    labels = [system.label for system in systems]
    pairs = len(pair_places(len(systems), plan))
    tests = pairs * (len(tasks) + (len(tasks) > 1 and plan.test != "tukey"))
    count = permutations(plan, tests)
    blocks = [_tested_task(sheet.of(task), labels, plan, count, task) for task in tasks]
    overall = _tested_overall(sheet, labels, plan, count) if len(tasks) > 1 else ()
    done = corrected([*blocks, overall], plan)
    changes = _bare_changes(sheet, labels, plan, library, systems)
    known = _known(selection, changes, library)
    return Comparison(
        systems=systems,
        tasks=tasks,
        metric=name,
        query_set=systems[0].query_set,
        plan=plan,
        means=_means(sheet, labels, tasks, plan),
        by_task=dict(zip(tasks, done[: len(tasks)], strict=True)),
        overall=done[-1],
        tests=tests,
        permutations=count if plan.test in ("permutation", "fisher") else 0,
        changes=tuple(_told(change, known[change.task]) for change in changes),
        slices=slices(sheet.rows, sheet.columns, labels, known, plan),
        notes=(*selection.notes, *_notes(selection, known, plan, (tests, count))),
    )


def head_metric(selection: SelectedSystems) -> str:
    """Return the metric that heads all the tasks; raises `BadInput` where they have several."""
    first = selection.systems[0].entries
    found = dict.fromkeys(first[task].task.head_metric for task in selection.tasks)
    if len(found) > 1:
        raise BadInput(
            f"these tasks are headed by different metrics: {', '.join(found)}",
            fix="Choose one with --metric, or fewer tasks with --tasks.",
        )
    return next(iter(found))


def _read(selection: SelectedSystems, metric: str, store: ResultStore) -> _Sheet:
    """Read per-query values; columns stand task by task in the first system's order."""
    rows: list[Values] = []
    tasks: list[str] = []
    queries: list[str] = []
    for task in selection.tasks:
        values = []
        for system in selection.systems:
            entry = system.entries[task]
            if metric not in entry.metrics:
                raise BadInput(
                    f"{system.label} has no {metric} on {task}",
                    fix=f"Stored are: {', '.join(entry.metrics)}.",
                )
            values.append(store.values(entry, metric))
        ids, block = aligned(values)
        rows.append(block)
        tasks += [task] * len(ids)
        queries += ids
    return _Sheet(np.concatenate(rows, axis=1), Columns(tuple(tasks), tuple(queries)))


def _tested_task(
    rows: Values, labels: list[str], plan: Plan, count: int, task: str
) -> tuple[Difference, ...]:
    """Return the differences on one task with their p."""
    if len(labels) < 2:
        return ()
    found = contrast(rows, labels, plan, task)
    tested = zip(found, pair_p(rows, plan, count, task), strict=True)
    return tuple(replace(each, p=p) for each, p in tested)


def _tested_overall(
    sheet: _Sheet, labels: list[str], plan: Plan, count: int
) -> tuple[Difference, ...]:
    """Return the differences of the macro-means with their p."""
    if len(labels) < 2:
        return ()
    tasks = sheet.columns.tasks
    found = contrast(sheet.rows, labels, plan, "overall", tasks)
    tested = zip(found, overall_p(sheet.rows, tasks, plan, count), strict=True)
    return tuple(replace(each, p=p) for each, p in tested)


def _means(
    sheet: _Sheet, labels: list[str], tasks: tuple[str, ...], plan: Plan
) -> tuple[Mean, ...]:
    """Return each system's means by task, then over the tasks, with intervals."""
    found = []
    for task in (*tasks, ""):
        rows = sheet.of(task) if task else sheet.rows
        strata = None if task else sheet.columns.tasks
        rng = plan.rng(f"means, {task}")
        intervals = mean_intervals(
            rows, rng, tasks=strata, resamples=plan.resamples, level=plan.level
        )
        found += [
            Mean(label, task, mean, interval)
            for label, mean, interval in zip(labels, means(rows, strata), intervals, strict=True)
        ]
    return tuple(found)


def _bare_changes(
    sheet: _Sheet, labels: list[str], plan: Plan, library: Library, systems: tuple[System, ...]
) -> list[Change]:
    """Return the largest changes of each pair with both systems' first documents."""
    found: list[Change] = []
    for one, other in pair_places(len(labels), plan):
        pair = sheet.rows[[one, other]]
        found += largest_changes(pair, sheet.columns, (labels[one], labels[other]), plan.changes)
    entries = {system.label: system.entries for system in systems}
    tops = with_tops(found, lambda s, task: stored_run(library.store, entries[s][task]))
    return [
        replace(change, top_a=top_a, top_b=top_b)
        for change, top_a, top_b in zip(found, tops[::2], tops[1::2], strict=True)
    ]


def _known(selection: SelectedSystems, changes: list[Change], library: Library) -> dict[str, Known]:
    """Return what is known of each task, one at a time so that only one corpus is in memory."""
    found = {}
    first = selection.systems[0].entries
    for task in selection.tasks:
        own = [change for change in changes if change.task == task]
        ranked = [doc for change in own for doc in change.documents]
        found[task] = library.know(first[task].task, ranked, [each.query for each in own])
    return found


def _told(change: Change, known: Known) -> Change:
    """Return a change with its gold, and texts where they are known."""
    gold = known.gold[change.query]
    named = dict.fromkeys((*gold, *change.documents))
    snippets = {doc: known.snippets[doc] for doc in named if doc in known.snippets}
    text = (known.texts or {}).get(change.query, "")
    return replace(change, gold=gold, text=text, snippets=snippets or None)


def _notes(
    selection: SelectedSystems, known: Mapping[str, Known], plan: Plan, tested: tuple[int, int]
) -> list[str]:
    """Return what a reader should know of how the numbers came about.

    `tested` is the number of tests and of permutations behind each.
    """
    tests, count = tested
    notes = _summed([note for task in known.values() for note in task.notes])
    drawn = plan.test in ("permutation", "fisher")
    if drawn and tests > plan.alpha * (count + 1):
        notes.append(
            f"{count:,} permutations cannot carry any of {tests} tests below {plan.alpha} after "
            "the correction: give more with --permutations"
        )
    if plan.test == "tukey" and len(selection.tasks) > 1:
        notes.append("Tukey's test has no form stratified by task, so the mean has no p")
    entries = [each.entries[task] for each in selection.systems for task in selection.tasks]
    if selection.systems[0].query_set != ORIGINAL and any(t.texts for t in known.values()):
        notes.append("query texts, lengths and BM25 ranks are those of the original queries")
    if any(each.task.queries_fingerprint == NO_TEXTS for each in entries):
        notes.append(
            f"the runs came without the texts of the {selection.systems[0].query_set} queries: "
            "that all used the same is their word"
        )
    return notes


def _summed(notes: list[str]) -> list[str]:
    """Fold notes that say the same of several tasks (`task: what`) into one each."""
    by_text: dict[str, list[str]] = {}
    for note in notes:
        task, _, what = note.partition(": ")
        by_text.setdefault(what, []).append(task)
    return [f"{few(tasks)}: {what}" for what, tasks in by_text.items()]
