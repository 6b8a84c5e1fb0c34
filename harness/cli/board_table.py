"""A board in the terminal: as many columns as fit whole, and a word on those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.console import cell, stdout_console

if TYPE_CHECKING:
    from rich.console import Console

    from harness.leaderboard.columns import Column
    from harness.leaderboard.rows import Board

GAP = 2
"""Blanks between two columns."""

LEAST_NAME = 16
"""A model's name is folded to no less than this."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One column as printed; `owner` is the board's column it belongs to."""

    owner: str
    head: str
    texts: tuple[str, ...]
    numeric: bool

    @property
    def width(self) -> int:
        """Return the terminal cells that it needs."""
        from rich.cells import cell_len

        return max(map(cell_len, (self.head, *self.texts)))


def print_boards(boards: Sequence[Board], columns: Sequence[Column]) -> None:
    """Print boards one below the other, and what of them did not fit the terminal."""
    console = stdout_console()
    dropped: dict[str, None] = {}
    for board in boards:
        dropped.update(dict.fromkeys(_print_board(console, board, columns)))
    if dropped:
        note = (
            f"Left out at {console.width} columns: {', '.join(dropped)}. Widen the terminal, "
            "choose with --columns, or take --format markdown or html."
        )
        console.print(note, style="dim", highlight=False)


def _print_board(console: Console, board: Board, columns: Sequence[Column]) -> list[str]:
    """Print one board, rows best first, measured ones bold; return what was left out."""
    from rich.markup import escape
    from rich.table import Table

    from harness.leaderboard.columns import with_any
    from harness.leaderboard.wording import board_notes, board_title

    parts = _parts(board, with_any(columns, board))
    shown, dropped = _fitting(parts, columns, console.width)
    console.print(f"[bold]{cell(board_title(board))}[/bold]", highlight=False)
    table = Table(pad_edge=False, box=None, header_style="bold", padding=(0, GAP, 0, 0))
    for part in shown:
        table.add_column(
            escape(part.head),
            justify="right" if part.numeric else "left",
            no_wrap=part.owner != "model",
            overflow="fold",
        )
    for place, row in enumerate(board.rows):
        style = "bold" if row.kind == "measured" else ""
        table.add_row(*(escape(part.texts[place]) for part in shown), style=style)
    console.print(table)
    for note in board_notes(board):
        console.print(escape(note), style="dim", highlight=False)
    console.print()
    return dropped


def _parts(board: Board, columns: Sequence[Column]) -> list[_Part]:
    """Return the printed columns, the tasks' one by one."""
    from harness.leaderboard.wording import short_value, task_heads

    parts = []
    for column in columns:
        if column.name == "scores":
            for task, head in zip(board.tasks, task_heads(board.tasks), strict=True):
                texts = tuple(short_value(row.values.get(task)) for row in board.rows)
                parts.append(_Part(column.name, head, texts, numeric=True))
        else:
            texts = _under_one_another([_one_line(column.text(row, board)) for row in board.rows])
            parts.append(_Part(column.name, column.head, texts, column.numeric))
    return parts


def _under_one_another(texts: Sequence[str]) -> tuple[str, ...]:
    """Make room beside numbers for the star that others carry, so that decimals line up."""
    if not any(text.endswith("*") for text in texts):
        return tuple(texts)
    return tuple(text if text.endswith("*") else f"{text}\u00a0" for text in texts)


def _one_line(text: str) -> str:
    """Return a text without line ends and control characters (names come from files)."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _fitting(
    parts: Sequence[_Part], columns: Sequence[Column], width: int
) -> tuple[list[_Part], list[str]]:
    """Return the columns that fit a width, and what was left out, a whole column at a time."""
    shown = list(parts)
    dropped: list[str] = []
    for column in sorted(columns, key=lambda each: each.keep):
        if column.keep == 100 or _needed(shown) <= width:
            break
        if any(part.owner == column.name for part in shown):
            dropped.append("the tasks' columns" if column.name == "scores" else column.head)
            shown = [part for part in shown if part.owner != column.name]
    return shown, dropped


def _needed(parts: Sequence[_Part]) -> int:
    """Return the width of columns side by side, the model's name folded where it is long."""
    widths = [
        min(part.width, 2 * LEAST_NAME) if part.owner == "model" else part.width for part in parts
    ]
    return sum(widths) + GAP * (len(widths) - 1)
