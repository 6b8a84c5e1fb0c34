"""Boards as CSV and JSON; numbers are unrounded fractions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from harness.core.types import Json
from harness.leaderboard.columns import COLUMNS, Column
from harness.leaderboard.headroom import extras_json
from harness.leaderboard.rows import Board, Row
from harness.render.csv_text import csv_text

_GROUND = ("group", "query_set", "metric", "gold", "ground")
_STANDING = ("rank_group", "rank_best", "rank_worst", "mean_low", "mean_high")
_TOLD = ("group", "ranks", "mean", "interval", "scores", "model", "kind", "source", "query-set")
"""Columns that have places of their own in CSV."""


def to_csv(boards: Sequence[Board], columns: Sequence[Column]) -> str:
    """Return one line per row and task; the mean has an empty task and the row's standing."""
    extra = [column for column in columns if column.name not in _TOLD]
    names = [column.name.replace("-", "_") for column in extra]
    head = (*_GROUND, "place", "model", "kind", "task", "value", *_STANDING, *names, "source")
    return csv_text(head, _csv_rows(boards, extra))


def _csv_rows(boards: Sequence[Board], extra: Sequence[Column]) -> Iterator[tuple[Json, ...]]:
    """Yield the cells of every line."""
    for board in boards:
        ground = (board.group, board.query_set, board.metric, board.gold, board.ground)
        for place, row in enumerate(board.rows, start=1):
            told = [column.value(row, board) for column in extra]
            start = (*ground, place, row.name, row.kind)
            if row.mean is not None:
                yield (*start, "", row.mean, *_standing(row), *told, row.source)
            for task in board.tasks:
                if task in row.values:
                    blank = ("",) * len(_STANDING)
                    yield (*start, task, row.values[task], *blank, *told, row.source)


def _standing(row: Row) -> tuple[Json, ...]:
    """Return a row's standing as cells, empty where it has none."""
    if row.standing is None:
        return ("",) * len(_STANDING)
    interval = row.standing.interval
    ends = (interval.low, interval.high) if interval else ("", "")
    return (row.standing.group, row.standing.best, row.standing.worst, *ends)


def to_json(boards: Sequence[Board]) -> list[Json]:
    """Return the boards as plain JSON values."""
    return [
        {
            "group": board.group,
            "query_set": board.query_set,
            "metric": board.metric,
            "gold": board.gold,
            "ground": board.ground,
            "members": list(board.members),
            "tasks": list(board.tasks),
            "fold": board.fold,
            "statistics": asdict(board.statistics) if board.statistics else None,
            "rows": [_row_json(place, row, board) for place, row in enumerate(board.rows, start=1)],
        }
        for board in boards
    ]


_FACTS = tuple(column for column in COLUMNS if column.name not in _TOLD)


def _row_json(place: int, row: Row, board: Board) -> dict[str, Json]:
    """Return one row; a measured one names its entries' identities."""
    return {
        "place": place,
        "model": row.model,
        "label": row.name,
        "kind": row.kind,
        "mean": row.mean,
        "mean_as_printed": row.printed_mean,
        "standing": asdict(row.standing) if row.standing else None,
        "values": dict(row.values),
        "source": row.source,
        "provenance": dict(row.provenance),
        "grounds": dict(row.grounds),
        "entries": [entry.identity_hash for entry in row.entries],
        **extras_json(row),
        **{column.name.replace("-", "_"): column.value(row, board) for column in _FACTS},
    }
