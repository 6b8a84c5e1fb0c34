"""Measured against published, as text: which source, which gold, how far off, inside or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.reproduce import Line, Reproduction, SourceLines
from harness.render import numbers
from harness.render.markdown import bullets, escape, table


def reproduction_sections(found: Sequence[Reproduction]) -> Iterator[list[str]]:
    """Yield, per system and source, what it says and a table; then what was left out and why."""
    for each in found:
        for source in each.sources:
            yield [f"**{escape(each.system.label)}**: {escape(source_line(source))}"]
            yield table(heads(each), [cells(line) for line in source.lines])
            yield [escape(summary(source))]
        if each.left_out:
            yield [
                f"Not compared with {escape(each.system.label)}, since they are on other data:",
                "",
                *bullets(each.left_out),
            ]


def heads(found: Reproduction) -> tuple[str, ...]:
    """Return the heads of a source's table."""
    return (
        "task", "measured", f"{numbers.percent(found.level)} interval", "published",
        "difference", "inside",
    )  # fmt: skip


def cells(line: Line) -> tuple[str, ...]:
    """Return the cells of one line."""
    return (
        line.task or "mean",
        numbers.points(line.measured),
        numbers.interval(line.interval),
        numbers.points(line.published),
        numbers.signed(line.difference),
        {True: "yes", False: "no", None: numbers.DASH}[line.inside],
    )


def source_line(source: SourceLines) -> str:
    """Return where a published row stands and how it came about."""
    told = [source.source, f"read {source.date}", f"gold: {source.gold}", source.protocol]
    if source.note:
        told.append(source.note)
    if source.average_mismatch:
        told.append("its printed average is not the mean of its printed tasks")
    return "; ".join(told)


def summary(source: SourceLines) -> str:
    """Return how many of a source's numbers lie inside the measured intervals."""
    told = [line for line in source.lines if line.inside is not None]
    inside = sum(bool(line.inside) for line in told)
    return f"{inside} of {len(told)} published numbers lie inside the measured interval."
