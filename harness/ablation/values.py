"""Per-query values of an ablation's sides as arrays over seeds and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from harness.ablation.execute import RunResult
from harness.ablation.spec import AblationSpec
from harness.core.errors import BadInput
from harness.stats.samples import Values
from results.schema import Entry
from results.store import ResultStore

BySeed: TypeAlias = Mapping[int, Values]
"""Seed -> values `[queries]`."""


@dataclass(frozen=True, slots=True)
class QueryColumns:
    """The columns of all values: task and id of each query."""

    tasks: tuple[str, ...]
    queries: tuple[str, ...]

    def of(self, task: str) -> list[int]:
        """Return which columns are a task's."""
        return [at for at, name in enumerate(self.tasks) if name == task]


@dataclass(frozen=True, slots=True)
class MeasuredValues:
    """Everything that was measured, by the metric that heads the ablation, as fractions.

    `variants` maps a variant to its values by seed (failed runs are not there; a variant of which
    all failed has none); `reference` is `[queries]` or `None`.
    """

    metric: str
    columns: QueryColumns
    variants: Mapping[str, BySeed]
    reference: Values | None

    def differences(
        self, one: str, other: str, spec: AblationSpec
    ) -> tuple[tuple[int, ...], Values]:
        """Return the seeds both sides have, and `one` less `other`: `[seeds, queries]`.

        The reference has no seed of its own and stands against every one. No seed in common gives
        an empty array.
        """
        sides = [self.variants.get(name) for name in (one, other)]
        seeds = [seed for seed in spec.seeds if all(side is None or seed in side for side in sides)]
        if not seeds:
            return (), np.zeros((0, len(self.columns.queries)))
        return tuple(seeds), np.stack([self._of(one, s) - self._of(other, s) for s in seeds])

    def complete(self, seeds: Sequence[int]) -> Values:
        """Return the values of the variants that have all these seeds.

        `[variants, seeds, queries]`, in order; what seeds do is pooled over them.
        """
        found = [
            [by_seed[seed] for seed in seeds]
            for by_seed in self.variants.values()
            if by_seed.keys() >= set(seeds)
        ]
        return np.array(found).reshape(-1, len(seeds), len(self.columns.queries))

    def _of(self, side: str, seed: int) -> Values:
        """Return one side's values for a seed."""
        if side in self.variants:
            return self.variants[side][seed]
        if self.reference is None:
            raise ValueError(f"{side} was not measured")
        return self.reference


def read_values(
    spec: AblationSpec,
    results: Sequence[RunResult],
    reference: Mapping[str, Entry],
    store: ResultStore,
) -> MeasuredValues:
    """Return the values of all runs; columns stand task by task, in the order of the first run.

    Raises `BadInput` when every run failed, or the tasks are headed by different metrics and none
    is named; `StoreError` for files that cannot be read.
    """
    done = [result for result in results if not result.failed]
    if not done:
        failed = f"{len(results)} of {len(results)}"
        raise BadInput(f"{failed} runs failed: there is nothing to compare", fix=_first(results))
    metric = spec.metric or _head(done[0].entries)
    first = {task: store.per_query(entry)[metric] for task, entry in done[0].entries.items()}
    columns = QueryColumns(
        tasks=tuple(task for task, values in first.items() for _ in values),
        queries=tuple(query for values in first.values() for query in values),
    )
    variants: dict[str, dict[int, Values]] = {name: {} for name in spec.variants}
    for result in done:
        values = _row(result.entries, metric, columns, store)
        variants[result.run.variant][result.run.seed] = values
    own = _row(reference, metric, columns, store) if reference else None
    return MeasuredValues(metric, columns, variants, own)


def _first(results: Sequence[RunResult]) -> str:
    """Return the first failure there was."""
    return next((each.record.failure for each in results if each.failed), "There was no run.")


def _head(entries: Mapping[str, Entry]) -> str:
    """Return the metric that heads all tasks; raises `BadInput` for several."""
    found = dict.fromkeys(entry.task.head_metric for entry in entries.values())
    if len(found) > 1:
        raise BadInput(
            f"these tasks are headed by different metrics: {', '.join(found)}",
            fix="Name one: metric = … in the ablation's file.",
        )
    return next(iter(found))


def _row(
    entries: Mapping[str, Entry], metric: str, columns: QueryColumns, store: ResultStore
) -> Values:
    """Return one model's values in the order of the columns."""
    by_task = {task: store.per_query(entry) for task, entry in entries.items()}
    if any(metric not in values for values in by_task.values()):
        raise BadInput(
            f"the metric {metric!r} is not stored",
            fix=f"Stored are: {', '.join(next(iter(by_task.values())))}.",
        )
    pairs = zip(columns.tasks, columns.queries, strict=True)
    return np.array([by_task[task][metric][query] for task, query in pairs])
