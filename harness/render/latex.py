r"""LaTeX tables with booktabs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MARKUP = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "–": "--", "·": r"\textperiodcentered{}", "×": r"\ensuremath{\times}", "…": r"\ldots{}",
}  # fmt: skip

PREAMBLE = "% \\usepackage{booktabs} and \\usepackage[T1]{fontenc} in the preamble\n\n"
"""What a document needs before it takes the tables."""

WIDE = 10
"""From so many columns on a table spans both columns of a page, in small print."""

_SMALL = ("\\scriptsize", "\\setlength{\\tabcolsep}{2.5pt}")


@dataclass(frozen=True, slots=True)
class LatexTable:
    """A table: its caption, heads and cells in LaTeX, and which columns hold numbers."""

    caption: str
    heads: Sequence[str]
    numeric: Sequence[bool]
    rows: Iterable[Sequence[str]]

    def render(self) -> str:
        """Return the `table` environment, ending in a line feed."""
        wide = len(self.heads) >= WIDE
        environment = "table*" if wide else "table"
        alignment = "".join("r" if right else "l" for right in self.numeric)
        lines = (
            f"\\begin{{{environment}}}", "\\centering", *(_SMALL if wide else ()),
            f"\\caption{{{self.caption}}}", f"\\begin{{tabular}}{{{alignment}}}", "\\toprule",
            _line(self.heads), "\\midrule", *map(_line, self.rows), "\\bottomrule",
            "\\end{tabular}", f"\\end{{{environment}}}", "",
        )  # fmt: skip
        return "\n".join(lines)


def escape(text: str) -> str:
    """Return a text that LaTeX prints as it is, on one line and without control characters."""
    one_line = " ".join(text.split())
    kept = (each for each in one_line if unicodedata.category(each)[0] != "C")
    return "".join(_MARKUP.get(each, each) for each in kept)


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
