"""Markdown building blocks. Whatever a cell or a line holds is shown as it is, never as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.render.text import one_line

_SPECIAL = re.compile(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)")
"""What Markdown would take for markup; an underscore inside a word is none."""


def escape(text: str) -> str:
    """Return a text that Markdown, and the HTML in it, shows as it is on one line."""
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", safe)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Return a table's lines; the first `texts` columns are left-aligned, others right."""
    return aligned_table(heads, rows, [at >= texts for at in range(len(heads))])


def aligned_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]
) -> list[str]:
    """Return a table's lines; `numeric` columns are right-aligned."""
    rule = ("--:" if right else "---" for right in numeric)
    return [_line(heads), f"| {' | '.join(rule)} |", *map(_line, rows)]


def figure(name: str, folder: str, alt: str) -> list[str]:
    """Return the lines that show a figure and link its vector form."""
    path = f"{folder}/{name}"
    return [f"![{escape(alt)}]({path}.png)", "", f"([SVG]({path}.svg))"]


def section(head: str, *blocks: Sequence[str], level: int = 2) -> list[str]:
    """Return a heading and its non-empty blocks, a blank line after each."""
    lines = [f"{'#' * level} {escape(head)}", ""]
    for block in blocks:
        if block:
            lines += [*block, ""]
    return lines


def bullets(texts: Iterable[str]) -> list[str]:
    """Return a list, a line per text."""
    return [f"- {escape(text)}" for text in texts]


def fenced(lines: Sequence[str]) -> list[str]:
    """Return lines as a block of commands, behind a fence that none of them can close."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *lines, fence]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"
