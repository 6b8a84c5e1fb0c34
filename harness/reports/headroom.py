"""Where the points of nDCG@10 go: won, ranked too low, not retrieved; a bar for each system."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.compare.comparison import Comparison
from harness.derived import EntryReader
from harness.metrics.headroom import CEILING_DEPTHS, CUT, Lost, split_loss
from harness.render.figures import COLOURS, FAINT, drawing, rendered
from harness.render.markdown import escape, table

DEPTH = CEILING_DEPTHS[-1]
"""Documents that a reranker is usually fed."""


def lost_by_system(found: Comparison, reader: EntryReader) -> dict[str, Lost]:
    """Return the split of each system's mean over tasks; empty unless nDCG@10 is compared.

    If a run holds fewer documents than 100, the depth is that of the deepest run of the system.
    Raises `StoreError` for a run that cannot be read.
    """
    if found.metric != f"ndcg@{CUT}":
        return {}
    lost = {}
    for system in found.systems:
        entries = [system.entries[task] for task in found.tasks]
        means = []
        for metric in (found.metric, f"ceiling@{DEPTH}"):
            values = [reader.values(entry, metric) for entry in entries]
            means.append(math.fsum(math.fsum(v.values()) / len(v) for v in values) / len(values))
        depth = min(DEPTH, max(reader.depth(entry) for entry in entries))
        lost[system.label] = split_loss(means[0], means[1], depth)
    return lost


def headroom_figure(lost: Mapping[str, Lost]) -> dict[str, bytes] | None:
    """Return the figure's files: stacked bars in points of 100; `None` for no system."""
    if not lost:
        return None
    names = list(lost)
    parts = (
        ("won", COLOURS[0], [each.ndcg for each in lost.values()]),
        ("ranked too low", COLOURS[4], [each.ranked_low for each in lost.values()]),
        ("not retrieved", FAINT, [each.not_retrieved for each in lost.values()]),
    )
    with drawing(7.2, 1.5 + 0.42 * len(names)) as figure:
        axes = figure.add_subplot()
        left = [0.0] * len(names)
        for label, colour, values in parts:
            widths = [100 * value for value in values]
            axes.barh(names, widths, left=left, color=colour, label=label, height=0.62)
            for row, (start, width) in enumerate(zip(left, widths, strict=True)):
                if width >= 7:
                    axes.text(
                        start + width / 2, row, f"{width:.1f}", ha="center", va="center",
                        color="white" if label == "won" else "#222222", fontsize=9,
                    )  # fmt: skip
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        depth = max(each.depth for each in lost.values())
        axes.set_xlabel(
            f"points of nDCG@10; what the first {depth} documents lack is not retrieved"
        )
        figure.legend(loc="outside upper center", ncols=len(parts))
        return rendered(figure)


def headroom_table(lost: Mapping[str, Lost]) -> list[str]:
    """Return the split as a Markdown table, in points of 100."""
    heads = ["system", "nDCG@10", "ranked too low", "not retrieved", "depth"]
    rows = [
        [
            escape(name),
            *(f"{100 * value:.2f}" for value in (each.ndcg, each.ranked_low, each.not_retrieved)),
            str(each.depth),
        ]
        for name, each in lost.items()
    ]
    return table(heads, rows)
