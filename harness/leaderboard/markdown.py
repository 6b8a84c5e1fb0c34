"""Boards as Markdown tables; values × 100 for reading."""

from __future__ import annotations

from collections.abc import Sequence

from harness.leaderboard.columns import Column, with_any
from harness.leaderboard.profile import profile_heads, profile_note, profile_rows
from harness.leaderboard.rows import Board, Row
from harness.leaderboard.wording import board_notes, board_title
from harness.render.markdown import aligned_table, escape
from harness.render.numbers import short_points


def to_markdown(boards: Sequence[Board], columns: Sequence[Column]) -> str:
    """Return all boards as Markdown tables under headings, notes below each."""
    return "\n".join(_board(board, columns) for board in boards)


def _board(board: Board, columns: Sequence[Column]) -> str:
    shown = with_any(columns, board)
    heads: list[str] = []
    numeric: list[bool] = []
    for column in shown:
        names = board.tasks if column.name == "scores" else (column.head,)
        heads.extend(names)
        numeric.extend([column.numeric] * len(names))
    table = aligned_table(heads, (cells(row, board, shown) for row in board.rows), numeric)
    notes = [line for note in board_notes(board) for line in ("", escape(note))]
    losses = _losses(board) if board.profiles else ()
    return "\n".join((f"## {escape(board_title(board))}", "", *table, *notes, *losses, ""))


def _losses(board: Board) -> tuple[str, ...]:
    """Return the table of what each system loses from one wording to the next."""
    heads = profile_heads(board.profiles)
    numeric = [head != "model" for head in heads]
    table = aligned_table(heads, profile_rows(board.profiles), numeric)
    return ("", escape(profile_note(board)), "", *table)


def cells(row: Row, board: Board, columns: Sequence[Column]) -> list[str]:
    """Return a row's cell texts, one per task if the column stands for all tasks."""
    texts: list[str] = []
    for column in columns:
        if column.name == "scores":
            texts.extend(short_points(row.values.get(task)) for task in board.tasks)
        else:
            texts.append(column.text(row, board))
    return texts
