"""The heat map: systems by tasks, each cell with its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.render.colour_scale import light_ramp, step
from harness.render.figures import INK, drawing, rendered
from harness.render.numbers import short_points

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

LEAST_WIDTH = 5.6
"""Inches: room for the line below the figure."""

APART = 0.15
"""How far the column of means stands from the tasks it is made of, in columns."""


@dataclass(frozen=True, slots=True)
class HeatTable:
    """Values by row and column, as fractions; `mean`: the last column is the mean of the others."""

    rows: Sequence[str]
    heads: Sequence[str]
    values: Sequence[Sequence[float]]
    mean: bool


def heatmap(table: HeatTable, metric: str) -> dict[str, bytes]:
    """Return the figure's files by suffix; shades run from the lowest to the highest value."""
    every = [value for row in table.values for value in row]
    low, high = min(every), max(every)
    ramp = light_ramp()
    lefts = [
        at + (APART if table.mean and at == len(table.heads) - 1 else 0)
        for at in range(len(table.heads))
    ]
    width = max(LEAST_WIDTH, 0.09 * max(map(len, table.rows)) + 0.72 * (lefts[-1] + 1) + 0.6)
    with drawing(width, 0.42 * len(table.rows) + 1.0) as figure:
        axes = figure.add_subplot()
        for row, values in enumerate(table.values):
            for column, (left, value) in enumerate(zip(lefts, values, strict=True)):
                shade = ramp[step(value, low, high)]
                axes.add_patch(_cell(left, row, shade.background))
                axes.text(
                    left + 0.5, row + 0.5, short_points(value), color=shade.text, ha="center",
                    va="center", fontweight="bold" if _is_best(table, row, column) else "normal",
                )  # fmt: skip
        axes.set_xlim(0, lefts[-1] + 1)
        axes.set_ylim(len(table.rows), 0)
        axes.set_xticks([left + 0.5 for left in lefts], table.heads)
        axes.set_yticks([row + 0.5 for row in range(len(table.rows))], table.rows)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"{metric} × 100 · darker is higher · bold: best of its column", color=INK)
        return rendered(figure)


def _cell(left: float, top: float, background: str) -> Rectangle:
    from matplotlib.patches import Rectangle as Cell

    return Cell((left, top), 1, 1, facecolor=background, edgecolor="white", linewidth=1.5)


def _is_best(table: HeatTable, row: int, column: int) -> bool:
    """Tell whether a cell holds its column's highest value (never of a single row)."""
    highest = max(values[column] for values in table.values)
    return len(table.rows) > 1 and table.values[row][column] == highest
