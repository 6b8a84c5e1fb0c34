"""The figures of an ablation: differences by task and by intensity, weights and losses by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.ablation.curves import Curves, smoothed
from harness.ablation.findings import scope_title
from harness.ablation.spec import AblationSpec
from harness.ablation.table import LEVEL, OVERALL, AblationTable, SeededDifference
from harness.metrics.names import label, parse_metric
from harness.render.figures import INK, colour, drawing, faint_grid, marker, rendered
from harness.render.numbers import MINUS, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 3
MOST_BANDS = 3
"""With more variants only medians are drawn: bands over one another say nothing."""

SMOOTH = 12
"""Curves are running means over a twelfth of the steps: single batches differ in what they hold."""


def pair_title(spec: AblationSpec, one: str, other: str) -> str:
    """Return what a figure calls a comparison."""
    return f"{spec.title_of(one)} {MINUS} {spec.title_of(other)}"


def deltas_figure(spec: AblationSpec, table: AblationTable, metric: str) -> dict[str, bytes] | None:
    """Return the differences with intervals, a tick a seed.

    On one task a line is a comparison. On several, each of the first three comparisons has a panel
    and a line is a task; all of them stand in the report's table.
    """
    if not table.deltas:
        return None
    panels = _panels(spec, table)
    lines = max(len(panel) for _, panel in panels)
    widest = max(len(name) for _, panel in panels for name, _ in panel)
    width = 0.085 * widest + (5.4 if len(panels) == 1 else 3.1 * len(panels))
    with drawing(width, 0.46 * lines + 1.6) as figure:
        for at, (title, panel) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), at + 1)
            axes.axvline(0, color=INK, linewidth=1)
            for row, (_, each) in enumerate(panel):
                _delta_line(axes, row, each)
            axes.set_title(title)
            axes.set_ylim(lines - 0.4, -0.6)
            axes.set_yticks(range(len(panel)), [name if not at else "" for name, _ in panel])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            faint_grid(axes, "x")
            if at == len(panels) // 2:
                axes.set_xlabel(f"difference in {label(parse_metric(metric))}, points of 100")
        figure.legend(handles=_delta_legend(), loc="outside lower center", ncols=3, fontsize=9)
        return rendered(figure)


def _panels(
    spec: AblationSpec, table: AblationTable
) -> list[tuple[str, list[tuple[str, SeededDifference]]]]:
    """Return (title, named lines) of each panel."""
    if len(spec.tasks) == 1:
        return [("", [(pair_title(spec, each.one, each.other), each) for each in table.deltas])]
    pairs = list(dict.fromkeys((each.one, each.other) for each in table.deltas))
    return [
        (
            f"{spec.title_of(pair[0])}\n{MINUS} {spec.title_of(pair[1])}",
            [
                (scope_title(spec, each.task), each)
                for each in table.deltas
                if (each.one, each.other) == pair
            ],
        )
        for pair in pairs[:MOST_PANELS]
    ]


def _delta_line(axes: Axes, row: int, each: SeededDifference) -> None:
    """Draw one difference: interval, mean, and the seeds as small ticks."""
    shade = colour(1 if each.task == OVERALL else 0)
    if each.test.interval is not None:
        ends = (100 * each.test.interval.low, 100 * each.test.interval.high)
        axes.plot(ends, (row, row), color=shade, linewidth=1.8)
    axes.plot(
        [100 * each.delta], [row], marker="o", markersize=7.5, markeredgewidth=1.6,
        markerfacecolor=shade if each.separable else "white", markeredgecolor=shade,
    )  # fmt: skip
    seeds = [100 * value for value in each.by_seed.values()]
    if len(seeds) > 1:
        axes.plot(
            seeds, [row + 0.22] * len(seeds), linestyle="none", marker="|", markersize=8,
            markeredgewidth=1.4, color=INK,
        )  # fmt: skip


def _delta_legend() -> list[object]:
    """Return what filled, hollow and small marks mean."""
    from matplotlib.lines import Line2D

    shade = colour(0)
    marks = [
        Line2D(
            [], [], marker="o", linestyle="none", markersize=7, markerfacecolor=face,
            markeredgecolor=shade, markeredgewidth=1.6, label=text,
        )
        for face, text in (
            (shade, f"corrected p ≤ {1 - LEVEL:g}"),
            ("white", f"not distinguishable from zero (bars: {percent(LEVEL)})"),
        )
    ]  # fmt: skip
    seeds = Line2D([], [], marker="|", linestyle="none", markersize=8, color=INK, label="one seed")
    return [*marks, seeds]


def bins_figure(spec: AblationSpec, table: AblationTable, metric: str) -> dict[str, bytes] | None:
    """Return the differences by bin of reasoning intensity; `None` where it is not known."""
    if not table.bins:
        return None
    every = list(dict.fromkeys((each.one, each.other) for each in table.bins))
    # Against the reference differences are far larger; beside them the others could not be read.
    pairs = [pair for pair in every if spec.reference.title not in pair] or every
    names = list(dict.fromkeys(each.bin for each in table.bins))
    counts = {each.bin: each.queries for each in table.bins}
    rows = -(-len(pairs) // 3)
    height = 3.0 + 0.22 * rows
    with drawing(7.6, height + 0.6) as figure:
        axes = figure.add_subplot()
        axes.axhline(0, color=INK, linewidth=1)
        apart = min(0.13, 0.7 / max(1, len(pairs)))
        for place, pair in enumerate(pairs):
            shift = (place - (len(pairs) - 1) / 2) * apart
            own = {each.bin: each for each in table.bins if (each.one, each.other) == pair}
            xs = [names.index(name) + shift for name in own]
            for x, each in zip(xs, own.values(), strict=True):
                if each.low is not None and each.high is not None:
                    ends = (100 * each.low, 100 * each.high)
                    axes.plot((x, x), ends, color=colour(place), linewidth=1.4)
            axes.plot(
                xs, [100 * each.delta for each in own.values()], linestyle="none", markersize=6.5,
                marker=marker(place), color=colour(place), label=pair_title(spec, *pair),
            )  # fmt: skip
        ticks = [f"{name}\n({counts[name]} {_queries(counts[name])})" for name in names]
        axes.set_xticks(range(len(names)), ticks)
        axes.set_xlabel("BM25 rank of the best gold document → more reasoning needed")
        axes.set_ylabel(f"difference in {label(parse_metric(metric))},\npoints of 100")
        faint_grid(axes, "y")
        figure.legend(loc="outside upper center", ncols=min(3, len(pairs)), fontsize=9)
        return rendered(figure)


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


def _queries(count: int) -> str:
    """Return the noun of a number of queries."""
    return "query" if count == 1 else "queries"


def draw(
    spec: AblationSpec, table: AblationTable, metric: str, curves: Mapping[str, Curves]
) -> dict[str, dict[str, bytes]]:
    """Return the figures that the numbers allow: name -> suffix -> file."""
    drawn = {
        "deltas": deltas_figure(spec, table, metric),
        "intensity": bins_figure(spec, table, metric),
        "losses": losses_figure(spec, curves),
        "weights": weights_figure(spec, curves),
    }
    return {name: files for name, files in drawn.items() if files is not None}


def alt_text(name: str, spec: AblationSpec, metric: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return what a figure shows, for those who cannot see it."""
    told = "; ".join(pair_title(spec, *pair) for pair in pairs)
    return {
        "deltas": f"Differences in {metric} with intervals: {told}",
        "intensity": f"Differences in {metric} by BM25 rank of the best gold document: {told}",
        "losses": "Mean InfoNCE loss by step of each variant",
        "weights": "Reasoning intensity and effective sample size of the weights by step",
    }[name]
