"""The forest plot: each difference with its interval, filled if it stands after correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.render.figures import COLOURS, INK, drawing, faint_grid, rendered
from harness.render.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.stats.bootstrap import Interval

LEAST_WIDTH = 6.0
"""Inches: room for the legend."""

LONG = 44
"""Characters from which a title needs two lines, or names no longer fit below the axis."""


@dataclass(frozen=True, slots=True)
class ForestLine:
    """One difference: a fraction and its interval, and the same for each seed if there are any.

    `separable`: it stands after correction. `total`: it is over all tasks, so it is drawn apart.
    """

    name: str
    delta: float
    interval: Interval | None
    separable: bool
    total: bool = False
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ForestPanel:
    """Lines under one title; `better` and `worse` are named at the ends of the axis."""

    title: str
    lines: tuple[ForestLine, ...]
    better: str = ""
    worse: str = ""


@dataclass(frozen=True, slots=True)
class ForestLabels:
    """The metric as people write it, the level of the intervals, and the limit for corrected p."""

    metric: str
    level: float
    alpha: float


def forest(panels: Sequence[ForestPanel], labels: ForestLabels) -> dict[str, bytes]:
    """Return the figure's files by suffix; differences are drawn in points of 100."""
    lines = max(len(panel.lines) for panel in panels)
    widest = max(len(line.name) for panel in panels for line in panel.lines)
    seeds = any(line.seeds for panel in panels for line in panel.lines)
    width = 0.095 * widest + 3.9 * len(panels) + 0.3
    with drawing(max(width, LEAST_WIDTH), 0.34 * lines + 1.6) as figure:
        for at, panel in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), at + 1)
            _draw(axes, panel, labels)
            axes.set_title(panel.title)
            axes.set_xlim(*_limits(panels))
            if at:
                axes.set_yticklabels([])
        handles = _legend(labels, seeds=seeds)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
        return rendered(figure)


def _limits(panels: Sequence[ForestPanel]) -> tuple[float, float]:
    """Return the ends of an axis that holds every difference and 0, so that panels compare."""
    ends = [0.0]
    for panel in panels:
        for line in panel.lines:
            ends += [100 * line.delta, *(100 * seed for seed in line.seeds)]
            if line.interval is not None:
                ends += [100 * line.interval.low, 100 * line.interval.high]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def _draw(axes: Axes, panel: ForestPanel, labels: ForestLabels) -> None:
    axes.axvline(0, color=INK, linewidth=1)
    for row, line in enumerate(panel.lines):
        _draw_line(axes, row, line)
    axes.set_ylim(len(panel.lines) - 0.4, -0.6)
    axes.set_yticks(range(len(panel.lines)), [line.name for line in panel.lines])
    if len(panel.lines) > 1 and panel.lines[-1].total:
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.axhline(len(panel.lines) - 1.5, color=INK, linewidth=0.6)
    better, worse = panel.better, panel.worse
    if not 0 < len(better + worse) < LONG:
        better, worse = "first", "second"
    axes.set_xlabel(
        f"difference in {labels.metric}, points of 100\n← {worse} better · {better} better →"
    )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    faint_grid(axes, "x")


def _draw_line(axes: Axes, row: int, line: ForestLine) -> None:
    size, colour = (8.5, COLOURS[1]) if line.total else (6.5, COLOURS[0])
    if line.interval is not None:
        ends = (100 * line.interval.low, 100 * line.interval.high)
        axes.plot(ends, (row, row), color=colour, linewidth=2.2 if line.total else 1.6)
    axes.plot(
        [100 * line.delta], [row], marker="D" if line.total else "o", markersize=size,
        markerfacecolor=colour if line.separable else "white", markeredgecolor=colour,
        markeredgewidth=1.6,
    )  # fmt: skip
    if line.seeds:
        axes.plot(
            [100 * seed for seed in line.seeds], [row + 0.22] * len(line.seeds), linestyle="none",
            marker="|", markersize=8, markeredgewidth=1.4, color=INK,
        )  # fmt: skip


def _legend(labels: ForestLabels, *, seeds: bool) -> list[object]:
    """Return what filled and hollow markers mean, and ticks if seeds are drawn."""
    from matplotlib.lines import Line2D

    texts = (
        (f"corrected p ≤ {labels.alpha:g}", COLOURS[0]),
        (f"not distinguishable from zero (bars: {percent(labels.level)} intervals)", "white"),
    )
    marks: list[object] = [
        Line2D(
            [], [], marker="o", linestyle="none", markersize=6.5, markerfacecolor=face,
            markeredgecolor=COLOURS[0], markeredgewidth=1.6, label=text,
        )
        for text, face in texts
    ]  # fmt: skip
    if seeds:
        tick = Line2D([], [], marker="|", linestyle="none", markersize=8, color=INK)
        tick.set_label("one seed")
        marks.append(tick)
    return marks
