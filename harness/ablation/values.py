"""Per-query values of an ablation's sides as arrays over seeds and queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    failed = {(r.run.variant, r.run.seed) for r in results if r.failed}
    done = [r for r in results if (r.run.variant, r.run.seed) not in failed]
    if not done:
        counts = f"{len(results)} of {len(results)}"
        raise BadInput(
            f"{counts} runs failed: there is nothing to compare",
            fix=results[0].record.failure if results else "There was no run.",
        )
    metric = spec.metric or head_metric(
        done[0].entries.values(), "Name one: metric = … in the ablation's file."
    )
    reader = _StoredValues(metric, store)
    groups: dict[tuple[str, int], list[RunResult]] = {}
    for result in results:
        groups.setdefault((result.run.variant, result.run.seed), []).append(result)
    # A seed of which a fold failed has no value for every query.
    complete = {
        key: reader.by_task(result.entries for result in group)
        for key, group in groups.items()
        if not any(result.failed for result in group)
    }
    first = next(iter(complete.values()))
    columns = QueryColumns(
        tasks=tuple(task for task, values in first.items() for _ in values),
        queries=tuple(query for values in first.values() for query in values),
    )
    variants: dict[str, dict[int, Values]] = {name: {} for name in spec.variants}
    for (variant, seed), values in complete.items():
        variants[variant][seed] = _row(values, columns)
    untrained = _row(reader.by_task([reference]), columns) if reference else None
    return MeasuredValues(metric, columns, variants, untrained)


@dataclass(frozen=True, slots=True)
class _StoredValues:
    """Reads per-query values of one metric from the store."""

    metric: str
    store: ResultStore

    def by_task(self, entries: Iterable[Mapping[str, Entry]]) -> dict[str, dict[str, float]]:
        """Return task -> query -> value; runs of several folds add up to all queries."""
        values: dict[str, dict[str, float]] = {}
        for run in entries:
            for task, entry in run.items():
                stored = self.store.per_query(entry)
                if self.metric not in stored:
                    raise BadInput(
                        f"the metric {self.metric!r} is not stored",
                        fix=f"Stored are: {', '.join(stored)}.",
                    )
                values.setdefault(task, {}).update(stored[self.metric])
        return values


def _row(values: Mapping[str, Mapping[str, float]], columns: QueryColumns) -> Values:
    """Return one model's values in the order of the columns."""
    pairs = zip(columns.tasks, columns.queries, strict=True)
    return np.array([values[task][query] for task, query in pairs])
