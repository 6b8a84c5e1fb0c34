"""What every result offers: rows as a pandas table, Markdown, HTML and plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd


PANDAS = "Run: pip install pandas"


class TableResult(ABC):
    """A result with rows; numbers are fractions and unrounded but for `markdown` and HTML."""

    __slots__ = ()

    @abstractmethod
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows: equal keys in equal order."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a table; raises `BadInput` without pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise BadInput("to_pandas needs pandas, which is not installed", fix=PANDAS) from error
        return pd.DataFrame([dict(row) for row in self.rows()])

    def markdown(self) -> str:
        """Return the rows as a Markdown table; fractions have four decimals."""
        from harness.render.markdown import aligned_table
        from harness.render.terminal import value_columns

        rows = self.rows()
        if not rows:
            return "no rows\n"
        columns = value_columns(rows)
        heads = [column.head for column in columns]
        cells = zip(*(column.cells for column in columns), strict=True)
        return "\n".join(aligned_table(heads, cells, [each.numeric for each in columns])) + "\n"

    def _repr_html_(self) -> str:
        """Return the rows as an HTML table, for notebooks."""
        from html import escape

        from harness.render.terminal import value_columns

        rows = self.rows()
        if not rows:
            return "<p>no rows</p>"
        columns = value_columns(rows)
        heads = "".join(f"<th>{escape(column.head)}</th>" for column in columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
            for cells in zip(*(column.cells for column in columns), strict=True)
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
