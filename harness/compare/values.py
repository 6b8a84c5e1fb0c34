"""What is compared: values of systems over the same queries, by task and over all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.compare.differences import QueryColumns
from harness.data.embedded import situations_of
from harness.stats.samples import Values


@dataclass(frozen=True, slots=True)
class ComparedValues:
    """Per-query values `[systems, queries]`, the systems' labels, and what the columns are."""

    rows: Values
    labels: tuple[str, ...]
    columns: QueryColumns

    def of(self, task: str) -> Values:
        """Return the values on one task."""
        return np.ascontiguousarray(self.rows[:, self.columns.of(task)])

    def overall(self) -> ComparedValues:
        """Return the values that a mean over the tasks is of: by situation where tasks share them.

        One situation in several wordings is one unit, not several. Values are scaled so that the
        mean over what tasks stand for (`situations_of`) of the means over units is the mean over
        the tasks: tasks that share their situations count as often as they are.
        """
        tasks = tuple(dict.fromkeys(self.columns.tasks))
        strata = {task: situations_of(task) for task in tasks}
        if len(set(strata.values())) == len(tasks):
            return self
        pairs = zip(self.columns.tasks, self.columns.queries, strict=True)
        units = [(strata[task], query) for task, query in pairs]
        order = sorted(set(units))
        place = {unit: at for at, unit in enumerate(order)}
        sums = np.zeros((len(self.rows), len(order)))
        for at, unit in enumerate(units):
            sums[:, place[unit]] += self.rows[:, at]
        columns = QueryColumns(*map(tuple, zip(*order, strict=True)))
        return ComparedValues(sums * len(set(strata.values())) / len(tasks), self.labels, columns)
