"""The forest plot: each difference with its interval, filled where it stands after correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.compare.build import Comparison
from harness.compare.contrast import Difference
from harness.compare.wording import MINUS, percent
from harness.metrics.names import label, parse_metric
from harness.reports.figures import COLOURS, INK, drawing, faint_grid, rendered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 3
"""With more pairs only their means are drawn: panels would be too narrow to read."""

LEAST_WIDTH = 6.0
"""Inches: room for the legend."""

LONG = 44
"""Characters from which a title needs two lines."""

Lines = list[tuple[str, Difference]]


def forest(found: Comparison) -> dict[str, bytes]:
    """Return the figure's files; differences are in points, intervals at the plan's level."""
    panels = _panels(found)
    lines = max(len(panel) for _, panel in panels)
    widest = max(len(name) for _, panel in panels for name, _ in panel)
    width = 0.095 * widest + 3.9 * len(panels) + 0.3
    with drawing(max(width, LEAST_WIDTH), 0.34 * lines + 1.6) as figure:
        for at, (title, panel) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), at + 1)
            _draw(axes, panel, found)
            axes.set_title(title)
            axes.set_xlim(*_limits(panels))
            if at:
                axes.set_yticklabels([])
        figure.legend(handles=_legend(found), loc="outside lower center", ncols=2, fontsize=9)
        return rendered(figure)


def _panels(found: Comparison) -> list[tuple[str, Lines]]:
    """Return one panel a pair, tasks above the mean; or one panel of the pairs' means."""
    if len(found.headline) > MOST_PANELS or len(found.tasks) == 1:
        lines = [(f"{each.a} {MINUS} {each.b}", each) for each in found.headline]
        return [("means over tasks" if found.overall else found.tasks[0], lines)]
    panels = []
    for at, head in enumerate(found.headline):
        lines = [(task, found.by_task[task][at]) for task in found.tasks]
        if found.overall:
            lines.append((f"mean of {len(found.tasks)} tasks", found.overall[at]))
        title = f"{head.a} {MINUS} {head.b}"
        panels.append((title if len(title) < LONG else f"{head.a}\n{MINUS} {head.b}", lines))
    return panels


def _limits(panels: list[tuple[str, Lines]]) -> tuple[float, float]:
    """Return the ends of an axis that holds every difference and 0, so that panels compare."""
    ends = [0.0]
    for _, lines in panels:
        for _, each in lines:
            ends.append(100 * each.delta)
            if each.interval is not None:
                ends += [100 * each.interval.low, 100 * each.interval.high]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def _draw(axes: Axes, lines: Lines, found: Comparison) -> None:
    """Draw one panel."""
    axes.axvline(0, color=INK, linewidth=1)
    for row, (name, each) in enumerate(lines):
        is_mean = bool(found.overall) and name.startswith("mean of ")
        size, colour = (8.5, COLOURS[1]) if is_mean else (6.5, COLOURS[0])
        if each.interval is not None:
            ends = (100 * each.interval.low, 100 * each.interval.high)
            axes.plot(ends, (row, row), color=colour, linewidth=2.2 if is_mean else 1.6)
        filled = each.p_corrected is not None and each.p_corrected <= found.plan.alpha
        axes.plot(
            [100 * each.delta], [row], marker="D" if is_mean else "o", markersize=size,
            markerfacecolor=colour if filled else "white", markeredgecolor=colour,
            markeredgewidth=1.6,
        )  # fmt: skip
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_yticks(range(len(lines)), [name for name, _ in lines])
    if found.overall and len(lines) > 1 and lines[-1][0].startswith("mean of "):
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.axhline(len(lines) - 1.5, color=INK, linewidth=0.6)
    metric = label(parse_metric(found.metric))
    pairs = {(each.a, each.b) for _, each in lines}
    better, worse = pairs.pop() if len(pairs) == 1 else ("", "")
    if not 0 < len(better + worse) < LONG:
        better, worse = "first", "second"
    axes.set_xlabel(f"difference in {metric}, points of 100\n← {worse} better · {better} better →")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    faint_grid(axes, "x")


def _legend(found: Comparison) -> list[object]:
    """Return what filled and hollow markers mean."""
    from matplotlib.lines import Line2D

    alpha, level = f"{found.plan.alpha:g}", percent(found.plan.level)
    texts = (
        (f"corrected p ≤ {alpha}", COLOURS[0]),
        (f"not distinguishable from zero (bars: {level} intervals)", "white"),
    )
    return [
        Line2D(
            [], [], marker="o", linestyle="none", markersize=6.5, markerfacecolor=face,
            markeredgecolor=COLOURS[0], markeredgewidth=1.6, label=text,
        )
        for text, face in texts
    ]  # fmt: skip
