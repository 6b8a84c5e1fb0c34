"""The task heat map: systems by tasks, each cell with its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.compare.build import Comparison
from harness.leaderboard.heat import light_ramp, step
from harness.leaderboard.wording import short_value, task_heads
from harness.metrics.names import label, parse_metric
from harness.reports.figures import INK, drawing, rendered

LEAST_WIDTH = 5.6
"""Inches: room for the line below the figure."""

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle


def heatmap(found: Comparison) -> dict[str, bytes]:
    """Return the figure's files; shades run from the lowest to the highest value shown."""
    labels = [system.label for system in found.systems]
    heads = [*task_heads(found.tasks), *(["mean"] if len(found.tasks) > 1 else [])]
    tasks = [*found.tasks, *([""] if len(found.tasks) > 1 else [])]
    values = {(each.system, each.task): each.mean for each in found.means}
    low, high = min(values.values()), max(values.values())
    ramp = light_ramp()
    widest = max(map(len, labels))
    columns = len(tasks) + 0.15 * (len(tasks) > 1)
    width = max(LEAST_WIDTH, 0.09 * widest + 0.72 * columns + 0.6)
    with drawing(width, 0.42 * len(labels) + 1.0) as figure:
        axes = figure.add_subplot()
        for row, name in enumerate(labels):
            for column, task in enumerate(tasks):
                shade = ramp[step(values[name, task], low, high)]
                # The mean stands a little apart from the tasks it is made of.
                left = column + (0.15 if not task else 0)
                axes.add_patch(_cell(left, row, shade.background))
                text = short_value(values[name, task])
                weight = "bold" if _is_best(values, labels, name, task) else "normal"
                axes.text(
                    left + 0.5, row + 0.5, text, color=shade.text, ha="center", va="center",
                    fontweight=weight,
                )  # fmt: skip
        axes.set_xlim(0, columns)
        axes.set_ylim(len(labels), 0)
        places = [column + 0.5 + (0.15 if not task else 0) for column, task in enumerate(tasks)]
        axes.set_xticks(places, heads)
        axes.set_yticks([row + 0.5 for row in range(len(labels))], labels)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        metric = label(parse_metric(found.metric))
        axes.set_xlabel(f"{metric} × 100 · darker is higher · bold: best of its column", color=INK)
        return rendered(figure)


def _cell(left: float, top: float, background: str) -> Rectangle:
    """Return the rectangle of one cell."""
    from matplotlib.patches import Rectangle as Cell

    return Cell((left, top), 1, 1, facecolor=background, edgecolor="white", linewidth=1.5)


def _is_best(values: dict[tuple[str, str], float], labels: list[str], name: str, task: str) -> bool:
    """Tell whether a cell holds its column's highest value (never of a single row)."""
    return len(labels) > 1 and values[name, task] == max(values[each, task] for each in labels)
