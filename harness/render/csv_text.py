"""CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that starts so is a formula to a spreadsheet (OWASP, "CSV Injection")."""


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV with line feeds; `None` is an empty cell, numbers are not rounded.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    return "".join(f"{','.join(map(_field, row))}\n" for row in (head, *rows))


def _field(cell: object) -> str:
    """Return a cell, quoted if it needs to be.

    Python's `csv.writer` leaves a lone carriage return unquoted when lines end in line feeds, and
    readers then see two lines.
    """
    if cell is None:
        return ""
    text = str(cell)
    if isinstance(cell, str) and text.startswith(FORMULA_STARTS):
        text = f"'{text}"
    if any(special in text for special in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text
