"""Every pair of many systems, each as a comparison of the two alone would tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.compare.differences import (
    ComparisonSettings,
    Difference,
    correct,
    macro_differences,
    task_differences,
)
from harness.compare.values import ComparedValues


@dataclass(frozen=True, slots=True)
class PairDifferences:
    """What two systems differ by: on each task, and over all of them if there are several."""

    by_task: Mapping[str, Difference]
    overall: Difference | None

    @property
    def headline(self) -> Difference:
        """The difference over all that is compared."""
        return self.overall or next(iter(self.by_task.values()))


def every_pair(
    values: ComparedValues, tasks: Sequence[str], settings: ComparisonSettings
) -> tuple[PairDifferences, ...]:
    """Return the differences of each pair, in the order of `compared_pairs`.

    Each pair is corrected for its own tests only, as if nothing else had been compared: that is
    right for a reader who picks one pair before seeing the numbers, and too mild for one who looks
    through all of them. The work on resamples and permutations is shared by the pairs.
    """
    count = settings.permutations_for(len(tasks) + (len(tasks) > 1))
    blocks = [
        task_differences(values.of(task), values.labels, settings, count, task) for task in tasks
    ]
    if len(tasks) > 1:
        over = values.overall()
        overall = macro_differences(over.rows, over.labels, settings, count, over.columns.tasks)
        blocks.append(overall)
    pairs = (correct([own], settings)[0] for own in zip(*blocks, strict=True))
    return tuple(
        PairDifferences(dict(zip(tasks, pair, strict=False)), pair[-1] if len(tasks) > 1 else None)
        for pair in pairs
    )
