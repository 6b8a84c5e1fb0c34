"""A board in the terminal: as many columns as fit whole, and a note on those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli.console import print_line, stdout_console

if TYPE_CHECKING:
    from rich.console import Console

    from harness.leaderboard.columns import Column
    from harness.leaderboard.rows import Board
    from harness.render.terminal import TerminalColumn

NAME_WIDTH = 32
"""Room that fitting reserves for models' names; longer ones are folded if they must be."""

LEAST_NAME = 16
"""A model's name is folded to no less than this."""

ALWAYS = 100
"""A column with this `priority` is never dropped."""


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

    from harness.leaderboard.columns import with_any
    from harness.leaderboard.wording import board_notes, board_title
    from harness.render.terminal import fit, rich_table
    from harness.render.text import one_line

    spare = [each for each in sorted(columns, key=lambda c: c.priority) if each.priority < ALWAYS]
    fitted = fit(
        _terminal_columns(board, with_any(columns, board)),
        [column.name for column in spare],
        console.width,
    )
    console.print(f"[bold]{escape(one_line(board_title(board)))}[/bold]", highlight=False)
    styles = ["bold" if row.kind == "measured" else "" for row in board.rows]
    console.print(rich_table(fitted.columns, styles))
    for note in board_notes(board):
        console.print(escape(one_line(note)), style="dim", highlight=False)
    if board.profiles:
        _print_profile(board)
    print_line("")
    heads = {column.name: column.head for column in columns} | {"scores": "the tasks' columns"}
    return [heads[name] for name in fitted.dropped]


def _print_profile(board: Board) -> None:
    """Print what each system loses from one wording to the next."""
    from harness.cli.console import print_aligned, print_text
    from harness.leaderboard.profile import profile_heads, profile_note, profile_rows

    print_text(f"\n{profile_note(board)}")
    heads = profile_heads(board.profiles)
    rows = [dict(zip(heads, row, strict=True)) for row in profile_rows(board.profiles)]
    print_aligned(rows)


def _terminal_columns(board: Board, columns: Sequence[Column]) -> list[TerminalColumn]:
    """Return the columns as printed, one per task for the scores."""
    from harness.leaderboard.wording import task_heads
    from harness.render.numbers import short_points
    from harness.render.terminal import TerminalColumn
    from harness.render.text import one_line

    printed = []
    for column in columns:
        if column.name == "scores":
            for task, head in zip(board.tasks, task_heads(board.tasks), strict=True):
                texts = tuple(short_points(row.values.get(task)) for row in board.rows)
                printed.append(TerminalColumn(head, texts, numeric=True, group=column.name))
            continue
        texts = _lined_up([one_line(column.text(row, board)) for row in board.rows])
        name = column.name == "model"
        printed.append(
            TerminalColumn(
                column.head,
                texts,
                numeric=column.numeric,
                group=column.name,
                fold_to=LEAST_NAME if name else None,
                reserve=NAME_WIDTH if name else None,
            )
        )
    return printed


def _lined_up(texts: Sequence[str]) -> tuple[str, ...]:
    """Make room beside numbers for the star that others carry, so that decimals line up."""
    if not any(text.endswith("*") for text in texts):
        return tuple(texts)
    return tuple(text if text.endswith("*") else f"{text}\u00a0" for text in texts)
