"""What a result file says, whatever tool wrote it, and what came of reading many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BadInput
from harness.data import embedded
from harness.data.bright_tasks import TASKS
from harness.data.embedded_task import HEAD_METRIC
from harness.data.grounds.table import GROUNDS
from harness.data.grounds.table import HEAD_METRIC as GROUND_METRIC


@dataclass(frozen=True, slots=True)
class TaskHead:
    """The group of a task, and the metric that heads it."""

    group: str
    metric: str


TASK_HEAD_METRICS: Mapping[str, TaskHead] = {
    **{name: TaskHead(task.group, task.head_metric) for name, task in TASKS.items()},
    **{name: TaskHead(ground.group, GROUND_METRIC) for name, ground in GROUNDS.items()},
    **{name: TaskHead(task.group.name, HEAD_METRIC) for name, task in embedded.TASKS.items()},
}
"""The tasks that imports know."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """What one result file says: metrics by task as fractions, under our names.

    `gold` is the version of the judgements, `date` ISO 8601 or empty; `path` is what names the
    file in a folder of such files.
    """

    model: str
    revision: str
    layout: str
    query_set: str
    gold: str
    metrics: Mapping[str, Mapping[str, float]]
    dataset_revision: str
    protocol: str
    date: str
    path: str


class UnsupportedFile(BadInput):
    """A sound file that holds nothing to import: another kind of file, or an unknown task."""


def fraction(value: object, where: str) -> float:
    """Return a number from 0 to 1; raises `BadInput`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadInput(
            f"{where} is {value!r}, not a number from 0 to 1",
            fix="The file is damaged, or holds percentages; fetch or make it again.",
        )
    return float(value)


def tail(path: Path, parts: int) -> str:
    """Return the last parts of a path, as texts with slashes between them."""
    return "/".join(path.parts[-parts:])
