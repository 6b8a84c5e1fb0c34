"""Command lines for a reader: those that differ by their task alone are one loop over tasks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

_PLAIN = re.compile(r"[\w.-]+")
"""A task's name that a shell takes as it stands."""

LEAST = 3
"""So many commands are worth a loop."""


def command_lines(commands: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return the lines of (task, command) pairs, equal ones once, loops where they are shorter.

    A loop does the same as the commands it stands for, in their order.
    """
    tasks_of: dict[str, dict[str, None]] = {}
    for task, command in commands:
        tasks_of.setdefault(shlex.join(command), {})[task] = None
    groups: dict[str, list[tuple[str, str]]] = {}
    for line, tasks in tasks_of.items():
        task = next(iter(tasks))
        template = _template(task, line) if len(tasks) == 1 else line
        groups.setdefault(template, []).append((task, line))
    lines: list[str] = []
    for template, found in groups.items():
        if len(found) >= LEAST and template != found[0][1]:
            names = " ".join(task for task, _ in found)
            lines += [f"for task in {names}; do", f"  {template}", "done"]
        else:
            lines += [line for _, line in found]
    return lines


def _template(task: str, line: str) -> str:
    """Return a line with `${task}` for its task, or as it is where a shell would not fill that in.

    The name counts where it stands by itself: `pony` is no task in `ponytail`.
    """
    if not _PLAIN.fullmatch(task) or set(line) & set("'\"\\$`"):
        return line
    return re.sub(rf"(?<![\w-]){re.escape(task)}(?![\w-])", "${task}", line)
