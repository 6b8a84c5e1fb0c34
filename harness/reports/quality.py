"""Quality against speed and size: documents per second, and parameters."""

from __future__ import annotations

from collections.abc import Mapping

from harness.compare.comparison import Comparison
from harness.metrics.names import label, parse_metric
from harness.render.figures import drawing, rendered
from harness.render.scatter import ScatterPoint, scatter
from harness.reports.report_data import SystemFacts


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
            scatter(axes, points)
            axes.set_xlabel(f"{head} (log scale)")
            if at == 0:
                axes.set_ylabel(f"{label(parse_metric(found.metric))} × 100")
        return rendered(figure)


def _points(found: Comparison, cost: Mapping[str, float | int | None]) -> list[ScatterPoint]:
    """Return the systems whose cost is known."""
    last = "" if len(found.tasks) > 1 else found.tasks[0]
    means = {each.system: each for each in found.means if each.task == last}
    points = []
    for place, system in enumerate(found.systems):
        own, mean = cost.get(system.label), means[system.label]
        span = mean.interval
        ends = None if span is None else (100 * span.low, 100 * span.high)
        if own:
            points.append(ScatterPoint(system.label, float(own), 100 * mean.mean, ends, place))
    return points
