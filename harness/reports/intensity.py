"""Quality by reasoning intensity: the less a lexical match explains, the further to the right."""

from __future__ import annotations

from harness.compare.build import Comparison
from harness.compare.wording import percent
from harness.metrics.names import label, parse_metric
from harness.reports.figures import colour, drawing, faint_grid, marker, rendered

SPREAD = 0.1
"""How far apart the systems of one bin stand, of the distance between bins."""

WIDEST = 0.55
"""How much of that distance all of them may take."""


def intensity(found: Comparison) -> dict[str, bytes] | None:
    """Return the figure's files, `None` where the intensity of the queries is not known."""
    bins = [each for each in found.slices if each.kind == "intensity"]
    if not bins:
        return None
    with drawing(7.2, 4.0) as figure:
        axes = figure.add_subplot()
        for place, system in enumerate(found.systems):
            apart = min(SPREAD, WIDEST / len(found.systems))
            shift = (place - (len(found.systems) - 1) / 2) * apart
            own = [each.means[place] for each in bins]
            xs = [at + shift for at in range(len(bins))]
            for x, mean in zip(xs, own, strict=True):
                if mean.interval is not None:
                    ends = (100 * mean.interval.low, 100 * mean.interval.high)
                    axes.plot((x, x), ends, color=colour(place), linewidth=1.4)
            axes.plot(
                xs, [100 * mean.mean for mean in own], color=colour(place), marker=marker(place),
                markersize=7, linewidth=1, linestyle=":", label=system.label,
            )  # fmt: skip
        names = [f"{each.name}\n({_count(each.queries)})" for each in bins]
        axes.set_xticks(range(len(bins)), names)
        _, top = axes.get_ylim()
        axes.set_ylim(-0.03 * top, top)  # markers at 0 stay whole
        axes.set_xlabel("BM25 rank of the best gold document → more reasoning needed")
        metric = label(parse_metric(found.metric))
        axes.set_ylabel(f"{metric} × 100 ({percent(found.plan.level)} intervals)")
        faint_grid(axes, "y")
        figure.legend(loc="outside upper center", ncols=min(3, len(found.systems)))
        return rendered(figure)


def _count(queries: int) -> str:
    """Return a number of queries with its noun."""
    return "1 query" if queries == 1 else f"{queries:,} queries"
