"""Per-query values of an ablation's sides as arrays over seeds and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from harness.ablation.execute import RunResult
from harness.ablation.spec import AblationSpec
from harness.compare.differences import QueryColumns, head_metric
from harness.core.errors import BadInput
from harness.stats.samples import Values
from results.schema import Entry
from results.store import ResultStore

BySeed: TypeAlias = Mapping[int, Values]
"""Seed -> values `[queries]`."""


@dataclass(frozen=True, slots=True)
class MeasuredValues:
    """Everything that was measured, by the metric that heads the ablation, as fractions.

    `variants` maps a variant to its values by seed, without failed runs; `reference` is
    `[queries]` or `None`.
    """

    metric: str
    columns: QueryColumns
    variants: Mapping[str, BySeed]
    reference: Values | None

    def shared_seeds(self, one: str, other: str, spec: AblationSpec) -> tuple[int, ...]:
        """Return the seeds that both sides have; the reference has none and fits them all."""
        sides = [self.variants.get(name) for name in (one, other)]
        return tuple(
            seed for seed in spec.seeds if all(side is None or seed in side for side in sides)
        )

    def rows(self, side: str, seeds: Sequence[int], task: str) -> Values:
        """Return a side's values on one task (empty: on all), `[seeds, queries]`.

        The reference has the same values for every seed. Raises `ValueError` for a side that was
        not measured.
        """
        if side in self.variants:
            rows = np.stack([self.variants[side][seed] for seed in seeds])
        elif self.reference is not None:
            rows = np.tile(self.reference, (len(seeds), 1))
        else:
            raise ValueError(f"{side} was not measured")
        return np.ascontiguousarray(rows[:, self.columns.of(task)]) if task else rows


def read_values(
    spec: AblationSpec,
    results: Sequence[RunResult],
    reference: Mapping[str, Entry],
    store: ResultStore,
) -> MeasuredValues:
    """Return the values of all runs; columns are task by task, in the order of the first run.

    Raises `BadInput` if every run failed, or if the tasks are headed by different metrics and none
    is named; `StoreError` for files that cannot be read.
    """
    done = [result for result in results if not result.failed]
    if not done:
        counts = f"{len(results)} of {len(results)}"
        raise BadInput(
            f"{counts} runs failed: there is nothing to compare",
            fix=results[0].record.failure if results else "There was no run.",
        )
    metric = spec.metric or head_metric(
        done[0].entries.values(), "Name one: metric = … in the ablation's file."
    )
    first = {task: store.per_query(entry)[metric] for task, entry in done[0].entries.items()}
    columns = QueryColumns(
        tasks=tuple(task for task, values in first.items() for _ in values),
        queries=tuple(query for values in first.values() for query in values),
    )
    variants: dict[str, dict[int, Values]] = {name: {} for name in spec.variants}
    for result in done:
        values = _row(result.entries, metric, columns, store)
        variants[result.run.variant][result.run.seed] = values
    untrained = _row(reference, metric, columns, store) if reference else None
    return MeasuredValues(metric, columns, variants, untrained)


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
