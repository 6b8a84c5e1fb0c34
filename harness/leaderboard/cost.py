"""Cost beside quality: what answering a query takes, and which systems no cheaper one beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.leaderboard.rows import Board, Row
from harness.render.figures import drawing, rendered
from harness.render.numbers import DASH
from harness.render.scatter import ScatterPoint, pareto_front, scatter
from harness.stats.bootstrap import Interval
from results.schema import Entry
from results.work import Work, together, work_of

NOTE = (
    "Tokens are those that models read and write to answer a query: queries and rewrites that are "
    "encoded, pairs of query and passage, prompts and replies. They are counted whole, whether "
    "computed or read from a store; how large the models are is not in them, nor are the "
    "documents, which are encoded once for a collection. The dotted line joins the systems that "
    "no cheaper one beats."
)
"""What the figure shows."""


@dataclass(frozen=True, slots=True)
class Costed:
    """A system with its mean (a fraction) and its work over all tasks, `None` if not known."""

    name: str
    mean: float
    interval: Interval | None
    work: Work | None


def work_of_entries(entries: Sequence[Entry]) -> Work | None:
    """Return the work of a system on all of its tasks; `None` if one does not tell."""
    works = [work_of(entry) for entry in entries]
    known = [work for work in works if work is not None]
    return together(known) if known and len(known) == len(works) else None


def costed_rows(board: Board) -> list[Costed]:
    """Return the measured rows of a board that have a mean."""
    return [
        Costed(
            row.name, row.mean, row.standing.interval if row.standing else None, row_work(row)
        )
        for row in board.rows
        if row.kind == "measured" and row.mean is not None
    ]  # fmt: skip


def row_work(row: Row) -> Work | None:
    """Return the work of a measured row."""
    return work_of_entries(row.entries)


def tokens_per_query(system: Costed) -> float | None:
    """Return the cost that compares whatever was stored."""
    return system.work.tokens_per_query if system.work else None


def money(system: Costed) -> float | None:
    """Return what a thousand queries are charged; `None` without prices."""
    return system.work.cost_per_thousand if system.work else None


AXES: tuple[tuple[str, Callable[[Costed], float | None]], ...] = (
    ("tokens through models for a query", tokens_per_query),
    ("money for a thousand queries", money),
)
"""What quality is drawn against, one panel each."""


def cost_figure(systems: Sequence[Costed], metric: str) -> dict[str, bytes] | None:
    """Return the figure's files by suffix: one panel a cost that two systems are known by.

    `metric` is the label of the quality. `None` where there is no such cost.
    """
    panels = [
        (head, points)
        for head, cost in AXES
        if len(points := cost_points(systems, cost)) > 1 and any(each.cost for each in points)
    ]
    if not panels:
        return None
    with drawing(1.2 + 4.8 * len(panels), 4.2) as figure:
        for at, (head, points) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), at + 1)
            scatter(axes, points, front=True)
            axes.set_xlabel(f"{head} (log scale)")
            if at == 0:
                axes.set_ylabel(f"{metric} × 100")
        return rendered(figure)


def cost_points(
    systems: Sequence[Costed], cost: Callable[[Costed], float | None]
) -> list[ScatterPoint]:
    """Return the systems whose cost is known, in points of 100."""
    points = []
    for place, each in enumerate(systems):
        value, span = cost(each), each.interval
        ends = None if span is None else (100 * span.low, 100 * span.high)
        if value is not None:
            points.append(ScatterPoint(each.name, value, 100 * each.mean, ends, place))
    return points


HEADS = (
    "system", "documents (tokens, once)", "encoded", "pairs", "pair tokens", "LLM calls",
    "LLM tokens", "tokens", "money, thousand queries", "front",
)  # fmt: skip


def cost_cells(systems: Sequence[Costed]) -> list[tuple[str, ...]]:
    """Return a row of cells for each system: work for a query, by its parts; see `HEADS`."""
    front = {each.name for each in pareto_front(cost_points(systems, tokens_per_query))}
    return [(each.name, *_cells(each.work), "✓" if each.name in front else "") for each in systems]


def _cells(work: Work | None) -> tuple[str, ...]:
    if work is None:
        return (DASH,) * (len(HEADS) - 2)
    return (
        DASH if work.index_tokens is None else f"{work.index_tokens:,}",
        *(DASH if one is None else f"{one:,.1f}" for one in per_query(work).values()),
        DASH if work.cost_per_thousand is None else f"{work.cost_per_thousand:,.2f}",
    )


def per_query(work: Work) -> dict[str, float | None]:
    """Return the parts of the work for a query, and the tokens of all of them."""
    counts = {
        "query_tokens": work.query_tokens,
        "pairs": work.pairs,
        "pair_tokens": work.pair_tokens,
        "calls": work.calls,
        "chat_tokens": work.prompt_tokens + work.reply_tokens,
        "tokens": work.model_tokens,
    }
    queries = work.queries or 1
    return {name: None if each is None else each / queries for name, each in counts.items()}
