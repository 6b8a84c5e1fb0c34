"""Every embedded task: which group and level it is, and which tasks share their situations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.types import Task
from harness.data.embedded_task import EmbeddedGroup, load_embedded
from harness.data.scientific.task import SCIENTIFIC
from harness.data.stdlib.task import STDLIB

GROUP = "embedded"
"""Names the tasks of every embedded group."""

GROUPS = {group.name: group for group in (STDLIB, SCIENTIFIC)}


@dataclass(frozen=True, slots=True)
class EmbeddedTask:
    """What an embedded task is made of: its group, and the level of its wording."""

    group: EmbeddedGroup
    level: str

    def load(self) -> Task:
        """Load the task; raises `DataUnavailable` if its documents are not to be had."""
        return load_embedded(self.group, self.level)


TASKS: Mapping[str, EmbeddedTask] = {
    name: EmbeddedTask(group, level)
    for group in GROUPS.values()
    for name, level in group.tasks.items()
}
"""Task -> what it is, by group, from the least reasoning to the most."""


def situations_of(task: str) -> str:
    """Return what a task's queries are wordings of: its embedded group, or nothing but itself.

    Tasks of one group hold one situation under one query id. It is the unit of any test or
    interval of their mean: its values in the several wordings are not independent of each other.
    """
    return TASKS[task].group.name if task in TASKS else task


def share_situations(tasks: Sequence[str]) -> bool:
    """Tell whether several tasks are wordings of the same situations."""
    return len(tasks) > 1 and len({situations_of(task) for task in tasks}) == 1


def level_of(task: str) -> str | None:
    """Return the level of a task's wording, `None` for a task that has none."""
    return TASKS[task].level if task in TASKS else None


def levels() -> tuple[str, ...]:
    """Return the levels, from the least reasoning to the most."""
    return STDLIB.collection.levels
