"""The figures of an ablation: differences by task and by intensity, weights and losses by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.ablation.curves import Curves, smoothed
from harness.ablation.findings import pair_title, scope_title
from harness.ablation.spec import AblationSpec
from harness.ablation.table import OVERALL, SETTINGS, AblationTable, SeededDifference
from harness.metrics.names import label, parse_metric
from harness.render.bins import BinAxes, BinSeries, BinValue, bins_figure
from harness.render.figures import colour, drawing, faint_grid, marker, rendered
from harness.render.forest import ForestLabels, ForestLine, ForestPanel, forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 3
MOST_BANDS = 3
"""With more variants only medians are drawn: overlapping bands cannot be read."""

SMOOTH = 12
"""Curves are running means over a twelfth of the steps: single batches differ in what they hold."""


def differences_figure(
    spec: AblationSpec, table: AblationTable, metric: str
) -> dict[str, bytes] | None:
    """Return the differences with intervals, and a tick for each seed.

    On one task a line is a comparison. On several, each of the first three comparisons has a panel
    and a line is a task; the report's table has them all.
    """
    if not table.differences:
        return None
    labels = ForestLabels(label(parse_metric(metric)), SETTINGS.level, SETTINGS.alpha)
    return forest(_panels(spec, table), labels)


def _panels(spec: AblationSpec, table: AblationTable) -> list[ForestPanel]:
    if len(spec.tasks) == 1:
        lines = [
            _forest_line(pair_title(spec, each.difference.a, each.difference.b), each)
            for each in table.differences
        ]
        return [ForestPanel("", tuple(lines))]
    pairs = list(dict.fromkeys((e.difference.a, e.difference.b) for e in table.differences))
    return [
        ForestPanel(
            pair_title(spec, a, b).replace(" − ", "\n− "),
            tuple(
                _forest_line(scope_title(spec, each.task), each)
                for each in table.differences
                if (each.difference.a, each.difference.b) == (a, b)
            ),
            better=spec.title_of(a),
            worse=spec.title_of(b),
        )
        for a, b in pairs[:MOST_PANELS]
    ]


def _forest_line(name: str, each: SeededDifference) -> ForestLine:
    return ForestLine(
        name=name,
        delta=each.difference.delta,
        interval=each.difference.interval,
        separable=each.separable,
        total=each.task == OVERALL,
        seeds=tuple(each.by_seed.values()) if len(each.by_seed) > 1 else (),
    )


def intensity_figure(
    spec: AblationSpec, table: AblationTable, metric: str
) -> dict[str, bytes] | None:
    """Return the differences by bin of reasoning intensity; `None` if it is not known."""
    if not table.bins:
        return None
    every = list(dict.fromkeys((each.a, each.b) for each in table.bins))
    # Against the reference differences are far larger; beside them the others could not be read.
    pairs = [pair for pair in every if spec.reference.title not in pair] or every
    series = [
        BinSeries(
            pair_title(spec, a, b),
            {e.bin: BinValue(e.delta, e.interval) for e in table.bins if (e.a, e.b) == (a, b)},
        )
        for a, b in pairs
    ]
    axes = BinAxes(
        queries={each.bin: each.queries for each in table.bins},
        x="BM25 rank of the best gold document → more reasoning needed",
        y=f"difference in {label(parse_metric(metric))},\npoints of 100",
        differences=True,
    )
    return bins_figure(series, axes)


def losses_figure(spec: AblationSpec, curves: Mapping[str, Curves]) -> dict[str, bytes] | None:
    """Return the mean plain loss by step: the mean over seeds, and from least to most of them."""
    shown = {name: each for name, each in curves.items() if "plain_loss" in each.values}
    if not shown:
        return None
    with drawing(7.2, 3.8) as figure:
        axes = figure.add_subplot()
        for place, name in enumerate(spec.variants):
            if name in shown:
                _band(axes, shown[name], "plain_loss", place, spec.title_of(name))
        axes.set_xlabel("step")
        axes.set_ylabel("mean InfoNCE loss of a batch, nats")
        faint_grid(axes, "both")
        figure.legend(loc="outside upper center", ncols=min(4, len(shown)), fontsize=9)
        return rendered(figure)


def weights_figure(spec: AblationSpec, curves: Mapping[str, Curves]) -> dict[str, bytes] | None:
    """Return the spread of reasoning intensity and of the weights by step."""
    told = [name for name in spec.variants if name in curves and "ri_q50" in curves[name].values]
    weighed = [
        name for name in spec.variants if name in curves and "ess_share" in curves[name].values
    ]
    if not told and not weighed:
        return None
    with drawing(9.2, 3.9) as figure:
        left, right = figure.subplots(1, 2)
        for place, name in enumerate(spec.variants):
            if name in told:
                _quantiles(left, curves[name], place, ends=len(told) <= MOST_BANDS)
            if name in weighed:
                _band(right, curves[name], "ess_share", place, spec.title_of(name))
        left.set_title("reasoning intensity")
        shown = "median, dotted: 10 % and 90 %" if len(told) <= MOST_BANDS else "median"
        left.set_ylabel(f"L(q) / L(q′), capped at κ\n{shown}")
        left.set_ylim(bottom=0)
        right.set_title("how even the weights are")
        right.set_ylabel("effective sample size / batch")
        right.set_ylim(0, 1.04)
        for axes in (left, right):
            axes.set_xlabel("step")
            faint_grid(axes, "both")
        figure.legend(loc="outside upper center", ncols=min(4, len(weighed)), fontsize=9)
        return rendered(figure)


def _band(axes: Axes, curves: Curves, key: str, place: int, name: str) -> None:
    """Draw a curve: the mean over seeds, and a band from the least to the most of them."""
    width = max(1, len(curves.steps) // SMOOTH)
    values = smoothed(curves.values[key], width)
    axes.plot(
        curves.steps, values.mean(axis=0), color=colour(place), linewidth=1.7, label=name,
        marker=marker(place), markevery=max(1, len(curves.steps) // 6), markersize=5,
    )  # fmt: skip
    if len(values) > 1:
        axes.fill_between(
            curves.steps, values.min(axis=0), values.max(axis=0), color=colour(place), alpha=0.15,
            linewidth=0,
        )  # fmt: skip


def _quantiles(axes: Axes, curves: Curves, place: int, *, ends: bool) -> None:
    """Draw the median of the intensity, and its 10 % and 90 % quantiles as dotted lines."""
    width = max(1, len(curves.steps) // SMOOTH)
    low, middle, high = (
        smoothed(np.asarray(curves.values[key]), width).mean(axis=0)
        for key in ("ri_q10", "ri_q50", "ri_q90")
    )
    axes.plot(
        curves.steps, middle, color=colour(place), linewidth=1.7, marker=marker(place),
        markevery=max(1, len(curves.steps) // 6), markersize=5,
    )  # fmt: skip
    for edge in (low, high) if ends else ():
        axes.plot(curves.steps, edge, color=colour(place), linewidth=1.2, linestyle=":")


def draw(
    spec: AblationSpec, table: AblationTable, metric: str, curves: Mapping[str, Curves]
) -> dict[str, dict[str, bytes]]:
    """Return the figures that the numbers allow: name -> suffix -> file."""
    drawn = {
        "deltas": differences_figure(spec, table, metric),
        "intensity": intensity_figure(spec, table, metric),
        "losses": losses_figure(spec, curves),
        "weights": weights_figure(spec, curves),
    }
    return {name: files for name, files in drawn.items() if files is not None}


def alt_text(name: str, spec: AblationSpec, metric: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return what a figure shows, for those who cannot see it."""
    titles = "; ".join(pair_title(spec, *pair) for pair in pairs)
    return {
        "deltas": f"Differences in {metric} with intervals: {titles}",
        "intensity": f"Differences in {metric} by BM25 rank of the best gold document: {titles}",
        "losses": "Mean InfoNCE loss by step of each variant",
        "weights": "Reasoning intensity and effective sample size of the weights by step",
    }[name]
