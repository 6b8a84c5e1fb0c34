"""The figures of a comparison: differences by task, a heat map, quality by reasoning intensity."""

from __future__ import annotations

from harness.compare.comparison import Comparison
from harness.compare.differences import Difference
from harness.leaderboard.wording import task_heads
from harness.metrics.names import label, parse_metric
from harness.render.bins import BinAxes, BinSeries, BinValue, bins_figure
from harness.render.forest import LONG, ForestLabels, ForestLine, ForestPanel, forest
from harness.render.heatmap import HeatTable, heatmap
from harness.render.numbers import MINUS, percent

MOST_PANELS = 3
"""With more pairs only their means are drawn: panels would be too narrow to read."""


def differences_figure(comparison: Comparison) -> dict[str, bytes]:
    """Return the forest plot's files by suffix."""
    plan = comparison.settings
    labels = ForestLabels(_metric(comparison), plan.level, plan.alpha)
    return forest(_panels(comparison), labels)


def tasks_figure(comparison: Comparison) -> dict[str, bytes]:
    """Return the heat map of systems by tasks; the mean over several tasks is the last column."""
    several = len(comparison.tasks) > 1
    tasks = [*comparison.tasks, *([""] if several else [])]
    values = {(each.system, each.task): each.mean for each in comparison.means}
    table = HeatTable(
        rows=[system.label for system in comparison.systems],
        heads=[*task_heads(comparison.tasks), *(["mean"] if several else [])],
        values=[[values[system.label, task] for task in tasks] for system in comparison.systems],
        mean=several,
    )
    return heatmap(table, _metric(comparison))


def levels_figure(comparison: Comparison) -> dict[str, bytes] | None:
    """Return quality by wording of the embedded tasks, `None` unless several are compared."""
    return _slices_figure(comparison, "level", "wording of the query → more reasoning needed")


def intensity_figure(comparison: Comparison) -> dict[str, bytes] | None:
    """Return quality by reasoning intensity, `None` if the intensity is not known."""
    x = "BM25 rank of the best gold document → more reasoning needed"
    return _slices_figure(comparison, "intensity", x)


def _slices_figure(comparison: Comparison, kind: str, x: str) -> dict[str, bytes] | None:
    """Return the systems' means over the slices of one kind, `None` if there are none."""
    bins = [each for each in comparison.slices if each.kind == kind]
    if not bins:
        return None
    series = [
        BinSeries(
            system.label,
            {each.name: BinValue(each.means[at].mean, each.means[at].interval) for each in bins},
        )
        for at, system in enumerate(comparison.systems)
    ]
    axes = BinAxes(
        queries={each.name: each.queries for each in bins},
        x=x,
        y=f"{_metric(comparison)} × 100 ({percent(comparison.settings.level)} intervals)",
    )
    return bins_figure(series, axes)


def _metric(comparison: Comparison) -> str:
    return label(parse_metric(comparison.metric))


def _panels(comparison: Comparison) -> list[ForestPanel]:
    """Return one panel a pair, tasks above the mean; or one panel of the pairs' means."""
    headline = comparison.headline
    if len(headline) > MOST_PANELS or len(comparison.tasks) == 1:
        title = "means over tasks" if comparison.overall else comparison.tasks[0]
        lines = [
            _line(comparison, f"{each.a} {MINUS} {each.b}", each, total=False) for each in headline
        ]
        single = headline[0] if len(headline) == 1 else None
        return [_panel(title, lines, single)]
    panels = []
    for at, head in enumerate(headline):
        lines = [
            _line(comparison, task, comparison.by_task[task][at], total=False)
            for task in comparison.tasks
        ]
        if comparison.overall:
            name = f"mean of {len(comparison.tasks)} tasks"
            lines.append(_line(comparison, name, comparison.overall[at], total=True))
        title = f"{head.a} {MINUS} {head.b}"
        short = title if len(title) < LONG else f"{head.a}\n{MINUS} {head.b}"
        panels.append(_panel(short, lines, head))
    return panels


def _panel(title: str, lines: list[ForestLine], pair: Difference | None) -> ForestPanel:
    return ForestPanel(title, tuple(lines), pair.a if pair else "", pair.b if pair else "")


def _line(comparison: Comparison, name: str, each: Difference, *, total: bool) -> ForestLine:
    p = each.p_corrected
    separable = p is not None and p <= comparison.settings.alpha
    return ForestLine(name, each.delta, each.interval, separable, total)
