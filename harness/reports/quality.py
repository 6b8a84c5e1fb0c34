"""Quality against what it costs: documents per second, and parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.compare.comparison import Comparison
from harness.metrics.names import label, parse_metric
from harness.render.figures import colour, drawing, faint_grid, marker, rendered
from harness.reports.report_data import SystemFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY_TICKS = 300
"""An axis over such a ratio and more has a tick at powers of ten only."""

Points = list[tuple[int, str, float, float, tuple[float, float] | None]]
"""Place of the system, its label, cost, quality × 100, and the ends of its interval × 100."""


def quality(found: Comparison, facts: Mapping[str, SystemFacts]) -> dict[str, bytes] | None:
    """Return the figure's files: one panel a cost that two systems or more are known by.

    `None` where there is no such cost.
    """
    panels = [
        (head, points)
        for head, cost in (
            ("documents per second", {n: each.documents_per_second for n, each in facts.items()}),
            ("parameters", {name: each.parameters for name, each in facts.items()}),
        )
        if len(points := _points(found, cost)) > 1
    ]
    if not panels:
        return None
    with drawing(1.2 + 4.4 * len(panels), 4.0) as figure:
        for at, (head, points) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), at + 1)
            _draw(axes, points)
            axes.set_xlabel(f"{head} (log scale)")
            if at == 0:
                axes.set_ylabel(f"{label(parse_metric(found.metric))} × 100")
        return rendered(figure)


def _points(found: Comparison, cost: Mapping[str, float | int | None]) -> Points:
    """Return the systems whose cost is known."""
    last = "" if len(found.tasks) > 1 else found.tasks[0]
    means = {each.system: each for each in found.means if each.task == last}
    points: Points = []
    for place, system in enumerate(found.systems):
        own, mean = cost.get(system.label), means[system.label]
        span = mean.interval
        ends = None if span is None else (100 * span.low, 100 * span.high)
        if own:
            points.append((place, system.label, float(own), 100 * mean.mean, ends))
    return points


def _draw(axes: Axes, points: Points) -> None:
    """Draw one panel, each point named where there is room."""
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    costs = [cost for _, _, cost, _, _ in points]
    room = max(max(costs) / min(costs), 3.0) ** 0.25
    low, high = min(costs) / room, max(costs) * room
    top = 1.05 * max(max(value, *(ends or (value,))) for _, _, _, value, ends in points) or 1.0
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    places = [(math.log(cost / low, high / low), value / top) for _, _, cost, value, _ in points]
    sides = name_sides([name for _, name, _, _, _ in points], places)
    for (place, name, cost, value, ends), side in zip(points, sides, strict=True):
        if ends is not None:
            axes.plot((cost, cost), ends, color=colour(place), linewidth=1.4)
        axes.plot([cost], [value], marker=marker(place), markersize=8, color=colour(place))
        axes.annotate(
            name, (cost, value), xytext=side.offset, textcoords="offset points",
            ha=side.horizontal, va=side.vertical, fontsize=9,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    subs = (1.0, 2.0, 5.0) if high / low < MANY_TICKS else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    faint_grid(axes, "both")


@dataclass(frozen=True, slots=True)
class Side:
    """Where a name stands by its point: in points of print, and which of its edges is there."""

    offset: tuple[float, float]
    horizontal: Literal["left", "right", "center"]
    vertical: Literal["center", "bottom", "top"]

    def box(self, at: tuple[float, float], letters: int) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of so many letters, in parts of the axes."""
        width, height = LETTER * letters, 0.055
        left = {"left": 0.03, "right": -0.03 - width, "center": -width / 2}[self.horizontal]
        bottom = {"center": -height / 2, "bottom": 0.035, "top": -0.035 - height}[self.vertical]
        return at[0] + left, at[1] + bottom, at[0] + left + width, at[1] + bottom + height


SIDES = (
    Side((9, 0), "left", "center"),
    Side((-9, 0), "right", "center"),
    Side((0, 8), "center", "bottom"),
    Side((0, -8), "center", "top"),
)
LETTER = 0.0175
"""Width of a letter in parts of the axes' width, for panels as `quality` makes them."""


def name_sides(names: Sequence[str], places: Sequence[tuple[float, float]]) -> list[Side]:
    """Return the first side of each point where its name hits no point and no other name.

    `places` are in parts of the axes. Where every side is taken the first one stands.
    """
    taken = [(x - 0.02, y - 0.025, x + 0.02, y + 0.025) for x, y in places]
    chosen = []
    for name, at in zip(names, places, strict=True):
        boxes = {side: side.box(at, len(name)) for side in SIDES}
        free = [side for side, box in boxes.items() if _inside(box) and not _hit(box, taken)]
        chosen.append((free or SIDES)[0])
        taken.append(boxes[chosen[-1]])
    return chosen


def _inside(box: tuple[float, float, float, float]) -> bool:
    """Tell whether a box lies within the axes."""
    return min(box) >= 0 and max(box) <= 1


def _hit(
    box: tuple[float, float, float, float], others: Sequence[tuple[float, float, float, float]]
) -> bool:
    """Tell whether a box overlaps one of the others."""
    left, bottom, right, top = box
    return any(left < o[2] and o[0] < right and bottom < o[3] and o[1] < top for o in others)


def short(value: float) -> str:
    """Return a count as people write model sizes: 500, 20k, 300M, 8B."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
