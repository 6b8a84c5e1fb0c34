"""Systems as named points: quality against a cost on a log scale, and the front of the cheapest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.render.figures import INK, colour, faint_grid, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY_TICKS = 300
"""An axis over such a ratio and more has a tick at powers of ten only."""

MANY_NAMES = 12
"""With more points only those of the front are named: other names would cover one another."""


@dataclass(frozen=True, slots=True)
class ScatterPoint:
    """A system: its cost (0 or more), its quality, and the ends of the quality's interval.

    `place` decides colour and marker.
    """

    name: str
    cost: float
    quality: float
    ends: tuple[float, float] | None = None
    place: int = 0


def pareto_front(points: Sequence[ScatterPoint]) -> list[ScatterPoint]:
    """Return the points that no other beats in one of cost and quality without losing the other.

    The cheapest comes first. Of two equal points the first one given stands.
    """
    front: list[ScatterPoint] = []
    for point in sorted(points, key=lambda each: (each.cost, -each.quality)):
        if not front or point.quality > front[-1].quality:
            front.append(point)
    return front


def scatter(axes: Axes, points: Sequence[ScatterPoint], *, front: bool = False) -> None:
    """Draw points, each named where there is room; `front` joins those of the Pareto front.

    Costs lie on a log scale. If one is 0, it has a place of its own at the left.
    """
    from matplotlib.patheffects import withStroke

    top = 1.05 * max(max(each.quality, *(each.ends or (each.quality,))) for each in points) or 1.0
    axes.set_ylim(0, top)
    _scale(axes, [each.cost for each in points])
    best = pareto_front(points) if front else []
    if best:
        right = axes.get_xlim()[1]
        costs = [*(each.cost for each in best), right]
        values = [*(each.quality for each in best), best[-1].quality]
        axes.step(costs, values, where="post", color=INK, linewidth=1.0, linestyle=":", zorder=1)
    named = points if len(points) <= MANY_NAMES else best
    places = [(_place(axes, each.cost), each.quality / top) for each in points]
    sides = name_sides([each.name if each in named else "" for each in points], places)
    for each, side in zip(points, sides, strict=True):
        if each.ends is not None:
            axes.plot((each.cost, each.cost), each.ends, color=colour(each.place), linewidth=1.4)
        axes.plot(
            [each.cost], [each.quality],
            marker=marker(each.place), markersize=8, color=colour(each.place),
        )  # fmt: skip
        if each in named:
            axes.annotate(
                each.name, (each.cost, each.quality), xytext=side.offset,
                textcoords="offset points", ha=side.horizontal, va=side.vertical, fontsize=9,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip
    faint_grid(axes, "both")


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    """Give the cost axis its scale, limits and ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    positive = [cost for cost in costs if cost > 0] or [1.0]
    low, high = min(positive), max(positive)
    room = max(high / low, 3.0) ** 0.25
    if min(costs) > 0:
        axes.set_xscale("log")
        axes.set_xlim(low / room, high * room)
        low = low / room
    else:
        axes.set_xscale("symlog", linthresh=low / room, linscale=0.4)
        axes.set_xlim(-0.5 * low / room, high * room)
    subs = (1.0, 2.0, 5.0) if high * room / low < MANY_TICKS else (1.0,)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high * room)) + 1)
    ticks = [sub * 10.0**exponent for exponent in exponents for sub in subs]
    ticks = [tick for tick in ticks if low <= tick <= high * room]
    axes.xaxis.set_major_locator(FixedLocator([*([] if min(costs) > 0 else [0.0]), *ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _place(axes: Axes, cost: float) -> float:
    """Return where a cost lies, in parts of the axes' width."""
    transform = axes.xaxis.get_transform()
    low, high, at = transform.transform([*axes.get_xlim(), cost])
    return float((at - low) / (high - low))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in parts of the axes."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def inside(self) -> bool:
        """Return True if it lies within the axes."""
        return min(self.left, self.bottom) >= 0 and max(self.right, self.top) <= 1

    def overlaps(self, other: Box) -> bool:
        """Return True if the two have a point in common, borders apart."""
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top


@dataclass(frozen=True, slots=True)
class Side:
    """Where a name stands by its point: in points of print, and which of its edges is there."""

    offset: tuple[float, float]
    horizontal: Literal["left", "right", "center"]
    vertical: Literal["center", "bottom", "top"]

    def box(self, x: float, y: float, letters: int) -> Box:
        """Return the box of so many letters by a point at `x` and `y`, in parts of the axes."""
        width, height = LETTER * letters, 0.055
        left = x + {"left": 0.03, "right": -0.03 - width, "center": -width / 2}[self.horizontal]
        bottom = {"center": -height / 2, "bottom": 0.035, "top": -0.035 - height}[self.vertical] + y
        return Box(left, bottom, left + width, bottom + height)


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
    taken = [Box(x - 0.02, y - 0.025, x + 0.02, y + 0.025) for x, y in places]
    chosen = []
    for name, (x, y) in zip(names, places, strict=True):
        boxes = {side: side.box(x, y, len(name)) for side in SIDES}
        free = [
            side
            for side, box in boxes.items()
            if box.inside and not any(box.overlaps(other) for other in taken)
        ]
        chosen.append((free or SIDES)[0])
        taken.append(boxes[chosen[-1]])
    return chosen


def short(value: float) -> str:
    """Return a count as people write model sizes: 500, 20k, 300M, 8B."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
