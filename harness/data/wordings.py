"""Tasks that ask about the same situations in other words: their values pair by situation."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.stdlib import task as stdlib


def share_situations(tasks: Sequence[str]) -> bool:
    """Tell whether several tasks hold one situation under one query id.

    Then a situation is the unit of any test or interval of their mean: its values in the several
    wordings are not independent of each other.
    """
    return len(tasks) > 1 and all(task in stdlib.TASKS for task in tasks)


def level_of(task: str) -> str | None:
    """Return the level of a task's wording, `None` for a task that has none."""
    return stdlib.TASKS.get(task)


def levels() -> tuple[str, ...]:
    """Return the levels, from the least reasoning to the most."""
    return tuple(stdlib.TASKS.values())
