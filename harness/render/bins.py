"""Values over bins of the queries, such as reasoning intensity, one series per system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.render.figures import INK, colour, drawing, faint_grid, marker, rendered
from harness.render.numbers import counted

if TYPE_CHECKING:
    from harness.stats.bootstrap import Interval

WIDEST = 0.55
"""How much of the distance between two bins the series of one bin may take."""


@dataclass(frozen=True, slots=True)
class BinValue:
    """A fraction and its interval, `None` if there is none."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class BinSeries:
    """A named series: bin -> value; bins without a value are left out."""

    label: str
    values: Mapping[str, BinValue]


@dataclass(frozen=True, slots=True)
class BinAxes:
    """Bins in order with the number of queries in each, and what the axes show.

    `differences`: values have signs, so 0 gets a line and points are not joined. `spread` is how
    far the series of a bin are apart, of the distance between bins.
    """

    queries: Mapping[str, int]
    x: str
    y: str
    differences: bool = False
    spread: float = 0.1


def bins_figure(series: Sequence[BinSeries], axes_of: BinAxes) -> dict[str, bytes]:
    """Return the figure's files by suffix; values are drawn in points of 100."""
    names = list(axes_of.queries)
    legend_rows = -(-len(series) // 3)
    size = (7.6, 3.6 + 0.22 * legend_rows) if axes_of.differences else (7.2, 4.0)
    with drawing(*size) as figure:
        axes = figure.add_subplot()
        if axes_of.differences:
            axes.axhline(0, color=INK, linewidth=1)
        apart = min(axes_of.spread, WIDEST / max(1, len(series)))
        for place, each in enumerate(series):
            shift = (place - (len(series) - 1) / 2) * apart
            xs = [names.index(name) + shift for name in each.values]
            for x, value in zip(xs, each.values.values(), strict=True):
                if value.interval is not None:
                    ends = (100 * value.interval.low, 100 * value.interval.high)
                    axes.plot((x, x), ends, color=colour(place), linewidth=1.4)
            axes.plot(
                xs, [100 * value.value for value in each.values.values()], color=colour(place),
                marker=marker(place), markersize=7, linewidth=1,
                linestyle="none" if axes_of.differences else ":", label=each.label,
            )  # fmt: skip
        ticks = [
            f"{name}\n({counted(count, 'query', 'queries')})"
            for name, count in axes_of.queries.items()
        ]
        axes.set_xticks(range(len(names)), ticks)
        if not axes_of.differences:
            _, top = axes.get_ylim()
            axes.set_ylim(-0.03 * top, top)  # markers at 0 stay whole
        axes.set_xlabel(axes_of.x)
        axes.set_ylabel(axes_of.y)
        faint_grid(axes, "y")
        figure.legend(loc="outside upper center", ncols=min(3, len(series)))
        return rendered(figure)
