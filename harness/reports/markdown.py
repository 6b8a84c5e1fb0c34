"""Markdown building blocks: tables whose cells show what they are given, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.leaderboard.markdown import escape


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Return a table's lines; the first `texts` columns are left-aligned, others right."""
    rule = ["---" if at < texts else "--:" for at in range(len(heads))]
    return [_line(heads), f"| {' | '.join(rule)} |", *(_line(row) for row in rows)]


def figure(name: str, folder: str, alt: str) -> list[str]:
    """Return the lines that show a figure and link its vector form."""
    place = f"{folder}/{name}"
    return [f"![{escape(alt)}]({place}.png)", "", f"([SVG]({place}.svg))"]


def section(head: str, *blocks: Sequence[str], level: int = 2) -> list[str]:
    """Return a heading and its non-empty blocks, a blank line after each."""
    lines = [f"{'#' * level} {escape(head)}", ""]
    for block in blocks:
        if block:
            lines += [*block, ""]
    return lines


def bullets(texts: Iterable[str]) -> list[str]:
    """Return a list."""
    return [f"- {escape(text)}" for text in texts]


def fenced(lines: Sequence[str]) -> list[str]:
    """Return lines as a block of commands, behind a fence that none of them can close."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *lines, fence]


def _line(cells: Sequence[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(map(escape, cells))} |"
