"""Which rows, tasks and query sets of the boards are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.core.errors import UnknownName
from harness.leaderboard.build import rank_key
from harness.leaderboard.rows import KINDS, Board, Kind, Row
from harness.metrics.score import overall
from results.schema import Entry


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Filters; an empty set of names lets everything through.

    `tasks` holds tasks and groups: a group that is named stays whole, any other is cut down to
    the named tasks, and its means with it.
    """

    kinds: frozenset[Kind] = frozenset(KINDS)
    tasks: frozenset[str] = frozenset()
    query_sets: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()

    def wants(self, entry: Entry) -> bool:
        """Tell whether an entry may be on a chosen board, by its task and query set."""
        tasks = {entry.task.name, entry.task.group}
        return (not self.tasks or not tasks.isdisjoint(self.tasks)) and (
            not self.query_sets or entry.task.query_set in self.query_sets
        )


def filter_boards(boards: Iterable[Board], choice: BoardFilter) -> tuple[Board, ...]:
    """Return what is left of the boards; those without rows are dropped."""
    chosen = []
    for board in boards:
        if choice.query_sets and board.query_set not in choice.query_sets:
            continue
        cut = _cut_to_tasks(board, choice.tasks)
        rows = tuple(row for row in cut.rows if _fits(row, choice))
        if rows:
            present = {task for row in rows for task in row.values}
            tasks = tuple(task for task in cut.tasks if task in present)
            chosen.append(replace(cut, rows=rows, tasks=tasks))
    return tuple(chosen)


def check_names(boards: Iterable[Board], choice: BoardFilter, tasks: Iterable[str]) -> None:
    """Raise `UnknownName` for a task, query set or family that nothing here has.

    `tasks` are the names of all known tasks and groups, measured or not.
    """
    given = tuple(boards)
    known_tasks = {*tasks, *(each for board in given for each in (board.group, *board.tasks))}
    families = {row.facts.family for board in given for row in board.rows} - {""}
    query_sets = {board.query_set for board in given}
    for kind, wanted, known in (
        ("task", choice.tasks, known_tasks),
        ("query set", choice.query_sets, query_sets),
        ("model family", choice.families, families),
    ):
        for name in sorted(wanted - known):
            shown = ", ".join(sorted(known)) or "none yet"
            raise UnknownName(kind, name, known, listing=f"Known here: {shown}.")


def _fits(row: Row, choice: BoardFilter) -> bool:
    """Tell whether a row passes the filters of rows."""
    if choice.families and row.facts.family not in choice.families:
        return False
    return row.kind in choice.kinds


def _cut_to_tasks(board: Board, names: frozenset[str]) -> Board:
    """Return a board with only the named tasks, its rows' means anew; whole if none is named."""
    if not names or board.group in names or names >= set(board.members):
        return board
    keep: Callable[[str], bool] = names.__contains__
    members = tuple(filter(keep, board.members))
    rows = []
    for row in board.rows:
        values = {task: value for task, value in row.values.items() if keep(task)}
        if values:
            entries = tuple(entry for entry in row.entries if keep(entry.task.name))
            mean = overall(values, members)
            rows.append(replace(row, values=values, entries=entries, mean=mean))
    ordered = tuple(sorted(rows, key=rank_key))
    return replace(board, members=members, tasks=tuple(filter(keep, board.tasks)), rows=ordered)
