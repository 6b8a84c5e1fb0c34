"""The columns of a board, each once: its name on the command line, its head and its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.core.errors import UnknownName
from harness.core.types import Json
from harness.leaderboard.measures import (
    billed,
    documents_per_second,
    hardware,
    price,
    truncation_rate,
)
from harness.leaderboard.rows import Board, Row
from harness.render.numbers import short_points


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `value` for machines, `text` for people, `priority` says which to drop last.

    `scores` stands for one column per task; its cells are the board's values.
    """

    name: str
    head: str
    numeric: bool
    priority: int
    help: str
    value: Callable[[Row, Board], Json]
    text: Callable[[Row, Board], str]


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
    return short_points(row.mean) + ("*" if row.printed_mean else "")


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
    "group", "ranks", "model", "kind", "parameters", "mean", "interval", "covered", "scores",
)  # fmt: skip

BY_NAME = {column.name: column for column in COLUMNS}


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
        if name not in BY_NAME:
            listing = f"Columns are {', '.join(BY_NAME)}, or `all`; +NAME adds one."
            raise UnknownName("column", name, BY_NAME, listing=listing)
    if added:
        return _unique(name for name in (*default, *wanted))
    return _unique(wanted if "model" in wanted else ("model", *wanted))


def _unique(names: Iterable[str]) -> tuple[Column, ...]:
    """Return columns by name, each once."""
    return tuple(BY_NAME[name] for name in dict.fromkeys(names))


def with_any(columns: Iterable[Column], board: Board) -> tuple[Column, ...]:
    """Return the columns without those that are empty in every row of the board."""
    return tuple(
        column
        for column in columns
        if column.name in ("model", "mean")
        or any(column.value(row, board) is not None for row in board.rows)
    )
