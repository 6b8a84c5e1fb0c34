r"""Boards as LaTeX tables with booktabs: best in bold, second underlined."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from harness.leaderboard.columns import Column, with_any
from harness.leaderboard.rows import Board, Row
from harness.leaderboard.wording import board_notes, board_title, short_value, task_heads

_MARKUP = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "–": "--", "·": r"\textperiodcentered{}", "×": r"\ensuremath{\times}", "…": r"\ldots{}",
}  # fmt: skip


LATEX_COLUMNS = ("group", "model", "mean", "interval", "scores")
"""What a page has room for, unless other columns are asked for."""

WIDE = 10
"""From so many columns on a table spans both columns of a page, in small print."""

_SMALL = ("\\scriptsize", "\\setlength{\\tabcolsep}{2.5pt}")


def to_latex(boards: Sequence[Board], columns: Sequence[Column]) -> str:
    """Return one table per board, with booktabs.

    Where no column tells the kinds of rows apart, a dagger marks the measured ones.
    """
    head = "% \\usepackage{booktabs} and \\usepackage[T1]{fontenc} in the preamble\n\n"
    return head + "\n".join(_board(board, columns) for board in boards)


def _board(board: Board, columns: Sequence[Column]) -> str:
    """Return one board as a table."""
    shown = with_any(columns, board)
    heads: list[str] = []
    spec = ""
    for column in shown:
        names = task_heads(board.tasks) if column.name == "scores" else (column.head,)
        heads.extend(names)
        spec += ("r" if column.numeric else "l") * len(names)
    marks = _marks(board)
    daggers = len({row.kind for row in board.rows}) > 1 and "kind" not in {c.name for c in shown}
    body = [f"{_joined(_cells(row, board, shown, marks, daggers))} \\\\" for row in board.rows]
    caption = escape(" ".join((f"{board_title(board)}.", *board_notes(board))))
    if daggers:
        caption += f" {_DAGGER} measured here."
    wide = len(heads) >= WIDE
    table = "table*" if wide else "table"
    return "\n".join(
        (
            f"\\begin{{{table}}}", "\\centering", *(_SMALL if wide else ()),
            f"\\caption{{{caption}}}", f"\\begin{{tabular}}{{{spec}}}", "\\toprule",
            f"{_joined(map(escape, heads))} \\\\", "\\midrule", *body, "\\bottomrule",
            "\\end{tabular}", f"\\end{{{table}}}", "",
        )
    )  # fmt: skip


def escape(text: str) -> str:
    """Return a text that LaTeX prints as it is, on one line and without control characters."""
    one_line = " ".join(text.split())
    kept = (each for each in one_line if unicodedata.category(each)[0] != "C")
    return "".join(_MARKUP.get(each, each) for each in kept)


def _joined(cells: Iterable[str]) -> str:
    """Return the cells of one line."""
    return " & ".join(cells)


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
    printed = {short_value(value) for value in values if value is not None}
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
                _marked(short_value(row.values.get(task)), marks[task]) for task in board.tasks
            )
        elif column.name == "mean":
            star = "*" if row.printed_mean else ""
            cells.append(_marked(short_value(row.mean), marks[""]) + star)
        else:
            dagger = daggers and column.name == "model" and row.kind == "measured"
            cells.append(escape(column.text(row, board)) + (_DAGGER if dagger else ""))
    return cells


def _marked(value: str, best_two: tuple[str, str]) -> str:
    """Return a printed value in bold if it is the best, underlined if it is the second."""
    best, second = best_two
    if value == best:
        return f"\\textbf{{{value}}}"
    return f"\\underline{{{value}}}" if value == second else escape(value)
