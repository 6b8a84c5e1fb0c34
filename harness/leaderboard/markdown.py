"""Boards as Markdown tables; values × 100 for reading."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.leaderboard.columns import Column, with_any
from harness.leaderboard.rows import Board, Row
from harness.leaderboard.wording import board_notes, board_title, short_value

_SPECIAL = re.compile(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)")
"""What Markdown would take for markup; an underscore inside a word is none."""


def to_markdown(boards: Sequence[Board], columns: Sequence[Column]) -> str:
    """Return all boards as Markdown tables under headings, notes below each."""
    return "\n".join(_board(board, columns) for board in boards)


def _board(board: Board, columns: Sequence[Column]) -> str:
    """Return one board."""
    shown = with_any(columns, board)
    heads: list[str] = []
    rules: list[str] = []
    for column in shown:
        names = board.tasks if column.name == "scores" else (column.head,)
        heads.extend(names)
        rules.extend(("--:" if column.numeric else "---") for _ in names)
    lines = [f"## {escape(board_title(board))}", "", _line(heads), _line(rules, plain=True)]
    lines.extend(_line(cells(row, board, shown)) for row in board.rows)
    notes = [line for note in board_notes(board) for line in ("", escape(note))]
    return "\n".join((*lines, *notes, ""))


def cells(row: Row, board: Board, columns: Sequence[Column]) -> list[str]:
    """Return a row's cell texts, one per task where the column stands for all tasks."""
    found: list[str] = []
    for column in columns:
        if column.name == "scores":
            found.extend(short_value(row.values.get(task)) for task in board.tasks)
        else:
            found.append(column.text(row, board))
    return found


def escape(text: str) -> str:
    """Return a text that Markdown, and the HTML in it, shows as it is on one line."""
    one_line = " ".join(text.split())
    safe = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", safe)


def _line(cells: Sequence[str], *, plain: bool = False) -> str:
    """Return one table line."""
    return f"| {' | '.join(cells if plain else map(escape, cells))} |"
