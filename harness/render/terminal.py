"""Tables for a terminal of any width: as many columns as fit whole, and never a cut number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.render.numbers import DASH
from harness.render.text import one_line

if TYPE_CHECKING:
    from rich.table import Table

GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True, slots=True)
class TerminalColumn:
    """One column: head, cells, and how it behaves when there is little room.

    Columns with the same `group` are dropped together. `fold_to` is the width that its cells may
    be folded to (`None`: they are never folded), and `reserve` the width that fitting counts for
    it at most (`None`: its full width).
    """

    head: str
    cells: tuple[str, ...]
    numeric: bool = False
    group: str = ""
    fold_to: int | None = None
    reserve: int | None = None

    @property
    def width(self) -> int:
        """Terminal cells of the widest text."""
        from rich.cells import cell_len

        return max(map(cell_len, (self.head, *self.cells)))


@dataclass(frozen=True, slots=True)
class FittedColumns:
    """The columns that fit, and the groups that were dropped, first dropped first."""

    columns: tuple[TerminalColumn, ...]
    dropped: tuple[str, ...]


def fit(columns: Sequence[TerminalColumn], spare: Iterable[str], width: int) -> FittedColumns:
    """Drop the groups named in `spare`, in that order, until the columns fit a width.

    If dropping all of them is not enough, what is left is returned as it is.
    """
    shown = list(columns)
    dropped = []
    for group in spare:
        if _needed(shown) <= width:
            break
        if any(column.group == group for column in shown):
            dropped.append(group)
            shown = [column for column in shown if column.group != group]
    return FittedColumns(tuple(shown), tuple(dropped))


def text_columns(rows: Sequence[Mapping[str, str]], *, least_name: int) -> list[TerminalColumn]:
    """Return rows with equal keys as columns: the first holds names, the others numbers.

    Names may be folded to `least_name` cells, numbers never.
    """
    return [
        TerminalColumn(
            head=key,
            cells=tuple(one_line(row[key]) for row in rows),
            numeric=at > 0,
            group=key,
            fold_to=None if at else least_name,
        )
        for at, key in enumerate(rows[0])
    ]


def value_columns(rows: Sequence[Mapping[str, Any]]) -> list[TerminalColumn]:
    """Return rows with equal keys as columns; one that holds only numbers is right-aligned."""
    return [
        TerminalColumn(
            head=key,
            cells=tuple(cell_text(row[key]) for row in rows),
            numeric=numeric,
            group=key,
            fold_to=None if numeric else 1,
        )
        for key in rows[0]
        for numeric in [all(_is_number(row[key]) or row[key] is None for row in rows)]
    ]


def rich_table(columns: Sequence[TerminalColumn], styles: Sequence[str] = ()) -> Table:
    """Return columns as a table for rich; `styles` holds one style per row, or nothing."""
    from rich.cells import cell_len
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for column in columns:
        widest = max(map(cell_len, column.cells), default=0)
        table.add_column(
            escape(one_line(column.head)),
            justify="right" if column.numeric else "left",
            overflow="fold",
            min_width=widest if column.fold_to is None else min(widest, column.fold_to),
            no_wrap=column.fold_to is None and widest >= cell_len(column.head),
        )
    for at, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*map(escape, cells), style=styles[at] if styles else "")
    return table


def cell_text(value: object) -> str:
    """Return a value as a cell: numbers grouped, fractions to four decimals, nothing as a dash."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return one_line(str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _needed(columns: Sequence[TerminalColumn]) -> int:
    """Return the width of columns side by side."""
    widths = [
        column.width if column.reserve is None else min(column.width, column.reserve)
        for column in columns
    ]
    return sum(widths) + GAP * (len(widths) - 1)
