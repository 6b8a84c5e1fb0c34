"""A board as Markdown, CSV or JSON; values × 100 for reading, unrounded for machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.core.types import Json
from harness.leaderboard.build import Board, Row
from harness.metrics.names import label, parse_metric

SHORT_NAMES = {
    "biology": "Bio", "earth_science": "Earth", "economics": "Econ", "psychology": "Psy",
    "robotics": "Rob", "stackoverflow": "Stack", "sustainable_living": "Sus",
    "leetcode": "Leet", "pony": "Pony", "aops": "AoPS", "theoremqa_questions": "TheoQ",
    "theoremqa_theorems": "TheoT",
}  # fmt: skip
"""BRIGHT's tasks as its papers head their columns; other tasks keep their names."""


def board_title(board: Board) -> str:
    """Return `bright · original queries · nDCG@10 × 100`."""
    gold = f" · gold version {board.gold}" if board.gold else ""
    metric = label(parse_metric(board.metric))
    return f"{board.group} · {board.query_set} queries · {metric} × 100{gold}"


def task_heads(tasks: Sequence[str]) -> tuple[str, ...]:
    """Return a narrow column head for each task, as papers shorten BRIGHT's names."""
    return tuple(SHORT_NAMES.get(task.removesuffix("-long"), task) for task in tasks)


def short_value(value: float | None) -> str:
    """Return a fraction × 100 with one decimal, as papers print it; a dash for none."""
    return "–" if value is None else f"{100 * value:.1f}"


def to_markdown(boards: Sequence[Board]) -> str:
    """Return all boards as Markdown tables under headings."""
    return "\n".join(_markdown_board(board) for board in boards)


def _markdown_board(board: Board) -> str:
    """Return one board as a Markdown table."""
    heads = ("#", "model", "kind", "mean", *board.tasks, "source")
    rule = ("--:", "---", "---", "--:", *("--:" for _ in board.tasks), "---")
    lines = [f"## {board_title(board)}", "", _markdown_line(heads), _markdown_line(rule)]
    for place, row in enumerate(board.rows, start=1):
        values = (short_value(row.values.get(task)) for task in board.tasks)
        lines.append(
            _markdown_line(
                (str(place), row.model, row.kind, short_value(row.mean), *values, row.source)
            )
        )
    return "\n".join((*lines, ""))


def _markdown_line(cells: Sequence[str]) -> str:
    """Return one table line; bars and line ends inside a cell are escaped."""
    safe = (text.replace("|", "\\|").replace("\n", " ") for text in cells)
    return f"| {' | '.join(safe)} |"


def to_csv(boards: Sequence[Board]) -> str:
    """Return one line per row and task, values as unrounded fractions; the mean is task ``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        (
            "group",
            "query_set",
            "metric",
            "gold",
            "place",
            "model",
            "kind",
            "task",
            "value",
            "source",
        )
    )
    for board in boards:
        for place, row in enumerate(board.rows, start=1):
            ground = (board.group, board.query_set, board.metric, board.gold)
            head = (*ground, place, row.model, row.kind)
            if row.mean is not None:
                writer.writerow((*head, "", row.mean, row.source))
            for task in board.tasks:
                if task in row.values:
                    writer.writerow((*head, task, row.values[task], row.source))
    return out.getvalue()


def to_json(boards: Sequence[Board]) -> list[Json]:
    """Return the boards as plain JSON values; numbers are unrounded fractions."""
    return [
        {
            "group": board.group,
            "query_set": board.query_set,
            "metric": board.metric,
            "gold": board.gold,
            "tasks": list(board.tasks),
            "rows": [_row_json(place, row) for place, row in enumerate(board.rows, start=1)],
        }
        for board in boards
    ]


def _row_json(place: int, row: Row) -> dict[str, Json]:
    """Return one row; a measured one names its entries' identities."""
    return {
        "place": place,
        "model": row.model,
        "kind": row.kind,
        "mean": row.mean,
        "mean_as_printed": row.printed_mean,
        "values": dict(row.values),
        "source": row.source,
        "grounds": dict(row.grounds),
        "entries": [entry.identity_hash for entry in row.entries],
    }
