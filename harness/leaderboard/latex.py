r"""Boards as LaTeX tables with booktabs: best in bold, second underlined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.leaderboard.columns import Column, with_any
from harness.leaderboard.rows import Board, Row
from harness.leaderboard.wording import board_notes, board_title, task_heads
from harness.render.latex import PREAMBLE, LatexTable, escape
from harness.render.numbers import short_points

LATEX_COLUMNS = ("group", "model", "mean", "interval", "scores")
"""What a page has room for, unless other columns are asked for."""


def to_latex(boards: Sequence[Board], columns: Sequence[Column]) -> str:
    """Return one table per board, with booktabs.

    Where no column tells the kinds of rows apart, a dagger marks the measured ones.
    """
    return PREAMBLE + "\n".join(_board(board, columns) for board in boards)


def _board(board: Board, columns: Sequence[Column]) -> str:
    """Return one board as a table."""
    shown = with_any(columns, board)
    heads: list[str] = []
    numeric: list[bool] = []
    for column in shown:
        names = task_heads(board.tasks) if column.name == "scores" else (column.head,)
        heads.extend(map(escape, names))
        numeric.extend([column.numeric] * len(names))
    marks = _marks(board)
    daggers = len({row.kind for row in board.rows}) > 1 and "kind" not in {c.name for c in shown}
    caption = escape(" ".join((f"{board_title(board)}.", *board_notes(board))))
    if daggers:
        caption += f" {_DAGGER} measured here."
    rows = [_cells(row, board, shown, marks, daggers) for row in board.rows]
    return LatexTable(caption, heads, numeric, rows).render()


_DAGGER = "\\textsuperscript{\\textdagger}"

_Marks = dict[str, tuple[str, str]]
"""Task (empty for the mean) -> best and second value as printed."""


def _marks(board: Board) -> _Marks:
    """Return what is best and second in each column of values, as printed: ties share a mark."""
    found = {"": _best_two(row.mean for row in board.rows)}
    for task in board.tasks:
        found[task] = _best_two(row.values.get(task) for row in board.rows)
    return found


def _best_two(values: Iterable[float | None]) -> tuple[str, str]:
    """Return the best and the second of several values as printed, empty where there is none."""
    printed = {short_points(value) for value in values if value is not None}
    ordered = [*sorted(printed, key=float, reverse=True), "", ""]
    return ordered[0], ordered[1]


def _cells(
    row: Row, board: Board, columns: Sequence[Column], marks: _Marks, daggers: bool
) -> list[str]:
    """Return the cells of one row."""
    cells: list[str] = []
    for column in columns:
        if column.name == "scores":
            cells.extend(
                _marked(short_points(row.values.get(task)), *marks[task]) for task in board.tasks
            )
        elif column.name == "mean":
            star = "*" if row.printed_mean else ""
            cells.append(_marked(short_points(row.mean), *marks[""]) + star)
        else:
            dagger = daggers and column.name == "model" and row.kind == "measured"
            cells.append(escape(column.text(row, board)) + (_DAGGER if dagger else ""))
    return cells


def _marked(value: str, best: str, second: str) -> str:
    """Return a printed value in bold if it is the best, underlined if it is the second."""
    if value == best:
        return f"\\textbf{{{value}}}"
    return f"\\underline{{{value}}}" if value == second else escape(value)
