"""Command lines in a report: loops that a shell expands to the very commands they stand for."""

from __future__ import annotations

import shlex
import subprocess

from harness.reports.commands import command_lines

TASKS = ("biology", "pony", "aops")


def score(task: str, name: str = "mine") -> tuple[str, ...]:
    """Return a command as `rebench score` records it."""
    run = f"runs/{name}-ponytail/{task}.trec.gz"
    return ("rebench", "score", run, "--task", task, "--name", name, "--record")


def ran(lines: list[str]) -> list[list[str]]:
    """Return the arguments that a shell passes on, command by command."""
    script = "rebench() { printf '%s\\0' rebench \"$@\"; printf '\\n'; }\n" + "\n".join(lines)
    found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return [line.removesuffix("\0").split("\0") for line in found.stdout.splitlines()]


def test_commands_that_differ_by_task_are_one_loop() -> None:
    lines = command_lines((task, score(task)) for task in TASKS)
    assert lines == [
        "for task in biology pony aops; do",
        "  rebench score runs/mine-ponytail/${task}.trec.gz --task ${task} --name mine --record",
        "done",
    ]
    assert ran(lines) == [list(score(task)) for task in TASKS]


def test_two_loops_and_single_commands_stand_side_by_side() -> None:
    pairs = [(task, score(task, name)) for name in ("a", "b") for task in TASKS]
    pairs.append(("x", ("rebench", "eval", "--model", "bm25", "--tasks", "x,y")))
    lines = command_lines(pairs)
    assert lines.count("done") == 2
    assert ran(lines) == [list(command) for _, command in pairs]


def test_one_command_for_all_tasks_stands_once() -> None:
    for tasks in ("bright", ",".join(TASKS)):
        command = ("rebench", "eval", "--model", "bm25", "--tasks", tasks)
        assert command_lines((task, command) for task in TASKS) == [shlex.join(command)]


def test_what_a_shell_would_not_fill_in_stays_as_it_is() -> None:
    pairs = [(task, ("rebench", "score", f"my runs/{task}.trec")) for task in TASKS]
    lines = command_lines(pairs)
    assert lines == [shlex.join(command) for _, command in pairs]
    odd = [(f"a {task}", ("rebench", "score", f"a {task}")) for task in TASKS]
    assert ran(command_lines(odd)) == [list(command) for _, command in odd]
