"""The columns of a board, each once: its name on the command line, its head and its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.core.errors import UnknownName
from harness.core.types import Json
from harness.data.bright_tasks import HEAVY_FLOOR, TASKS
from harness.leaderboard.cost import row_work
from harness.leaderboard.measures import (
    billed,
    documents_per_second,
    hardware,
    price,
    truncation_rate,
)
from harness.leaderboard.rows import ABOVE, Board, Row
from harness.metrics.headroom import Lost, lost_points
from harness.metrics.names import Metric, is_metric, label, parse_metric
from harness.metrics.score import overall
from harness.render.numbers import short_points


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `value` for machines, `text` for people, `priority` says which to drop last.

    `scores` stands for one column per task; its cells are the board's values. `needs` names metrics
    that are read from the stored runs for it, and only if the column is asked for.
    """

    name: str
    head: str
    numeric: bool
    priority: int
    help: str
    value: Callable[[Row, Board], Json]
    text: Callable[[Row, Board], str]
    needs: tuple[str, ...] = ()


def _plain(value: Callable[[Row, Board], Json]) -> Callable[[Row, Board], str]:
    """Return a cell text: the value as it is, a dash for none."""

    def text(row: Row, board: Board) -> str:
        found = value(row, board)
        if isinstance(found, bool):
            return "yes" if found else "no"
        return f"{found:,}" if isinstance(found, int) else str(found or "–")

    return text


def _group(row: Row, board: Board) -> Json:
    return row.standing.group if row.standing else None


def _ranks(row: Row, board: Board) -> Json:
    return [row.standing.best, row.standing.worst] if row.standing else None


def _ranks_text(row: Row, board: Board) -> str:
    if row.standing is None:
        return "–"
    best, worst = row.standing.best, row.standing.worst
    return str(best) if best == worst else f"{best}–{worst}"


def _interval(row: Row, board: Board) -> Json:
    found = row.standing.interval if row.standing else None
    return [found.low, found.high] if found else None


def _interval_text(row: Row, board: Board) -> str:
    found = row.standing.interval if row.standing else None
    return f"{short_points(found.low)}–{short_points(found.high)}" if found else "–"


def _mean_text(row: Row, board: Board) -> str:
    marks = ("*" if row.printed_mean else "") + ("†" if ABOVE in row.provenance else "")
    return short_points(row.mean) + marks


def _parameters_text(row: Row, board: Board) -> str:
    count = row.facts.parameters
    if not count:
        return "–"
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= size:
            digits = 1 if count < 100 * size else 0
            return f"{count / size:.{digits}f}".removesuffix(".0") + unit
    return str(count)


def _dimension(row: Row, board: Board) -> Json:
    for entry in row.entries:
        found = entry.facts.get("dimension")
        if isinstance(found, int) and found:
            return found
    return row.facts.dimension or None


def _covered(row: Row, board: Board) -> Json:
    return len(board.members) if row.printed_mean else len(row.values)


def _covered_text(row: Row, board: Board) -> str:
    return f"{_covered(row, board)}/{len(board.members)}"


def _rate_text(row: Row, board: Board) -> str:
    rate = documents_per_second(row.entries)
    return "–" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _truncation_text(row: Row, board: Board) -> str:
    rate = truncation_rate(row.entries)
    return "–" if rate is None else f"{100 * rate:.1f} %"


def _price(row: Row, board: Board) -> float | None:
    return price(row.entries, row.facts.price)


def _billed(row: Row, board: Board) -> float | None:
    return billed(row.entries)


def _money(amount: Callable[[Row, Board], float | None]) -> Callable[[Row, Board], str]:
    """Return a cell text: an amount in the card's currency, a dash for none."""

    def text(row: Row, board: Board) -> str:
        value = amount(row, board)
        if value is None:
            return "–"
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    return text


def _tokens(row: Row, board: Board) -> float | None:
    work = row_work(row)
    return work.tokens_per_query if work else None


def _calls(row: Row, board: Board) -> float | None:
    work = row_work(row)
    return work.calls / work.queries if work and work.queries else None


def _charged(row: Row, board: Board) -> float | None:
    work = row_work(row)
    return work.cost_per_thousand if work else None


def _count(amount: Callable[[Row, Board], float | None]) -> Callable[[Row, Board], str]:
    """Return a cell text: a mean count, a dash for none."""

    def text(row: Row, board: Board) -> str:
        value = amount(row, board)
        return "–" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"

    return text


LOST_DEPTH = 100
LOST_FROM = ("ndcg@10", f"ceiling@{LOST_DEPTH}")
"""The metrics that lost points are split by."""


def _lost(row: Row) -> Lost | None:
    return lost_points(row.extras, LOST_DEPTH)


def floor_free_mean(row: Row, board: Board) -> float | None:
    """Return the mean without floor-heavy tasks; `None` where the board has none of those."""
    light = [
        task for task in board.members if task not in TASKS or TASKS[task].floor <= HEAVY_FLOOR
    ]
    return overall(row.values, light) if light and len(light) < len(board.members) else None


def _floor_free(row: Row, board: Board) -> Json:
    return floor_free_mean(row, board)


def _column(
    name: str, head: str, priority: int, help: str, value: Callable[[Row, Board], Json]
) -> Column:
    """Return a column of words whose text is its value."""
    return Column(name, head, False, priority, help, value, _plain(value))


COLUMNS: tuple[Column, ...] = (
    Column("group", "#", True, 100, "rank group", _group, _plain(_group)),
    Column("ranks", "ranks", True, 60, "interval of the rank", _ranks, _ranks_text),
    _column("model", "model", 100, "the model's name", lambda row, _: row.name),
    _column("kind", "kind", 70, "measured, published or imported", lambda row, _: row.kind),
    Column(
        "parameters", "params", True, 50, "number of weights",
        lambda row, _: row.facts.parameters, _parameters_text,
    ),
    Column(
        "dimension", "dim", True, 30, "numbers per vector", _dimension,
        lambda row, board: str(_dimension(row, board) or "–"),
    ),
    Column("mean", "mean", True, 100, "mean over the tasks", lambda row, _: row.mean, _mean_text),
    Column("interval", "95 %", True, 80, "interval of the mean", _interval, _interval_text),
    Column("covered", "tasks", True, 40, "tasks with a value", _covered, _covered_text),
    Column(
        "scores", "", True, 10, "one column per task",
        lambda row, _: dict(row.values), lambda row, _: "",
    ),
    Column(
        "docs-per-second", "docs/s", True, 20, "documents encoded or indexed per second",
        lambda row, _: documents_per_second(row.entries), _rate_text,
    ),
    _column("hardware", "hardware", 5, "GPUs or processor", lambda row, _: hardware(row.entries)),
    Column(
        "truncation", "cut off", True, 20, "share of documents cut at the length limit",
        lambda row, _: truncation_rate(row.entries), _truncation_text,
    ),
    Column(
        "floor-free", "no floor", True, 35, "mean over the tasks with a floor of at most 0.10",
        _floor_free, lambda row, board: short_points(floor_free_mean(row, board)),
    ),
    Column(
        "not-retrieved", "not found", True, 30,
        "points of nDCG@10 lost since gold is not in the top 100",
        lambda row, _: lost.not_retrieved if (lost := _lost(row)) else None,
        lambda row, _: _with_depth(row, lost.not_retrieved if (lost := _lost(row)) else None, 100),
        needs=LOST_FROM,
    ),
    Column(
        "ranked-low", "too low", True, 30,
        "points of nDCG@10 lost in the order of the top 100",
        lambda row, _: lost.ranked_low if (lost := _lost(row)) else None,
        lambda row, _: _with_depth(row, lost.ranked_low if (lost := _lost(row)) else None, 100),
        needs=LOST_FROM,
    ),
    Column(
        "tokens-per-query", "tokens/q", True, 20,
        "tokens through models for a query, computed or stored (`rebench report` says more)",
        _tokens, _count(_tokens),
    ),
    Column(
        "calls-per-query", "calls/q", True, 20, "calls of chat models for a query",
        _calls, _count(_calls),
    ),
    Column(
        "cost-per-thousand", "per 1,000", True, 20,
        "what 1,000 queries are charged by the prices that were given",
        _charged, _money(_charged),
    ),
    Column(
        "price", "price/M", True, 20, "per million tokens, in the card's currency",
        _price, _money(_price),
    ),
    Column(
        "cost", "billed", True, 20,
        "what a server billed when measured (stored vectors cost nothing), in that currency",
        _billed, _money(_billed),
    ),
    _column(
        "trained-on-bright", "on BRIGHT", 20, "whether it was trained on BRIGHT's texts",
        lambda row, _: row.facts.trained_on_bright,
    ),
    _column("licence", "licence", 15, "of the weights", lambda row, _: row.facts.licence or None),
    _column("family", "family", 15, "model family", lambda row, _: row.facts.family or None),
    _column("query-set", "queries", 15, "original or rewritten", lambda _, board: board.query_set),
    _column("source", "source", 5, "where the numbers come from", lambda row, _: row.source),
)  # fmt: skip
"""All columns in their order. `priority`: a narrow terminal drops the lowest first, 100 never."""

DEFAULT = (
    "group", "ranks", "model", "kind", "parameters", "mean", "interval", "floor-free", "covered",
    "scores",
)  # fmt: skip

BY_NAME = {column.name: column for column in COLUMNS}


def extra_metrics(columns: Iterable[Column]) -> tuple[str, ...]:
    """Return the metrics that columns need beside the board's own."""
    found: dict[str, None] = {}
    for column in columns:
        found.update(dict.fromkeys(column.needs))
    return tuple(found)


def _extra_column(metric: Metric) -> Column:
    """Return the column of a metric beside the board's own: its mean over the board's tasks."""
    name = str(metric)
    return Column(
        name, label(metric), True, 45, f"mean {label(metric)}",
        lambda row, _: row.extras.get(name),
        lambda row, _: _with_depth(row, row.extras.get(name), metric.cutoff),
        needs=(name,),
    )  # fmt: skip


def _with_depth(row: Row, value: float | None, cutoff: int | None) -> str:
    """Return a value in points, with the depth of the row's runs if they are shallower."""
    text = short_points(value)
    if value is None or row.depth is None or cutoff is None or row.depth >= cutoff:
        return text
    return f"{text} (depth {row.depth})"


def parse_columns(spec: str | None, default: Sequence[str] = DEFAULT) -> tuple[Column, ...]:
    """Return the columns that a text names: `a,b` those, `+a,b` the default and those, `all`.

    The model is always there. Raises `UnknownName`.
    """
    if spec is None:
        return tuple(BY_NAME[name] for name in default)
    if spec.strip() == "all":
        return COLUMNS
    added = spec.startswith("+")
    wanted = [name.strip().lstrip("+") for name in spec.split(",") if name.strip(" +")]
    for name in wanted:
        if name not in BY_NAME and not is_metric(name):
            listing = (
                f"Columns are {', '.join(BY_NAME)}, any metric (ceiling@100, recall@20), or `all`; "
                "+NAME adds one."
            )
            raise UnknownName("column", name, BY_NAME, listing=listing)
    if added:
        return _unique(name for name in (*default, *wanted))
    return _unique(wanted if "model" in wanted else ("model", *wanted))


def _unique(names: Iterable[str]) -> tuple[Column, ...]:
    """Return columns by name, each once."""
    return tuple(
        BY_NAME[name] if name in BY_NAME else _extra_column(parse_metric(name))
        for name in dict.fromkeys(names)
    )


def with_any(columns: Iterable[Column], board: Board) -> tuple[Column, ...]:
    """Return the columns without those that are empty in every row of the board."""
    return tuple(
        column
        for column in columns
        if column.name in ("model", "mean")
        or any(column.value(row, board) is not None for row in board.rows)
    )
