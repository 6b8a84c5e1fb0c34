"""What the static page shows, as one JSON value: boards, their rows, and a page for each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.core.types import Json
from harness.leaderboard.columns import COLUMNS, Column
from harness.leaderboard.html_pairs import BoardPairs, pairs_data
from harness.leaderboard.measures import documents_per_second, truncation_rate
from harness.leaderboard.rank import QueryValues
from harness.leaderboard.rows import Board, Row
from harness.leaderboard.wording import board_notes, board_title, task_heads
from harness.metrics.names import label, parse_metric
from harness.render.colour_scale import step
from results.schema import Entry

Texts = Mapping[str, Mapping[str, str]]
"""Task -> query id -> text, for tasks whose queries are at hand."""

ENTRY_METRICS = ("ndcg@10", "recall@1", "recall@10", "recall@100", "mrr")
"""Metrics that the page of an entry shows by task, where the entry has them."""

SCALE = 10_000
"""Per-query values are whole ten-thousandths: four digits are what a page can show."""


def page_data(
    boards: Sequence[Board],
    values: Sequence[QueryValues],
    columns: Sequence[Column],
    texts: Texts,
    pairs: Sequence[BoardPairs] = (),
) -> dict[str, Json]:
    """Return all that the page shows; `values[i]` and `pairs[i]` belong to `boards[i]`."""
    addresses = _distinct(f"{board.group}.{board.query_set}" for board in boards)
    given = pairs or [BoardPairs()] * len(boards)
    shown = {column.name for column in columns}
    return {
        "columns": [
            {
                "name": column.name,
                "head": column.head,
                "help": column.help,
                "numeric": column.numeric,
                "shown": column.name in shown,
            }
            for column in COLUMNS
        ],
        "boards": [
            {
                **_board(board, found, texts),
                "address": address,
                "pairs": pairs_data(own, board.tasks),
            }
            for board, found, address, own in zip(boards, values, addresses, given, strict=True)
        ],
    }


def _board(board: Board, values: QueryValues, texts: Texts) -> dict[str, Json]:
    """Return one board."""
    scales = {task: _ends(board, task) for task in board.tasks}
    queries: dict[str, Json] = {task: list(ids) for task, ids in values.queries.items()}
    names = _distinct(f"{row.kind}.{row.name}" for row in board.rows)
    known = {
        task: [texts[task].get(qid, "") for qid in ids]
        for task, ids in values.queries.items()
        if task in texts
    }
    return {
        "title": board_title(board),
        "group": board.group,
        "querySet": board.query_set,
        "metric": label(parse_metric(board.metric)),
        "tasks": list(board.tasks),
        "heads": list(task_heads(board.tasks)),
        "notes": list(board_notes(board)),
        "scale": SCALE,
        "queries": queries,
        "texts": known,
        "rows": [
            {**_row(row, board, values.rows.get(place, {}), scales), "address": address}
            for place, (row, address) in enumerate(zip(board.rows, names, strict=True))
        ],
    }


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names as addresses keep them: one that came before gets a number, from 2."""
    counts: Counter[str] = Counter()
    found = []
    for name in names:
        counts[name] += 1
        found.append(name if counts[name] == 1 else f"{name}.{counts[name]}")
    return found


def _ends(board: Board, task: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a task on a board."""
    found = [row.values[task] for row in board.rows if task in row.values]
    return min(found), max(found)


def _row(
    row: Row,
    board: Board,
    by_query: Mapping[str, Sequence[float]],
    scales: Mapping[str, tuple[float, float]],
) -> dict[str, Json]:
    """Return one row: its cells, and what its page shows."""
    return {
        "name": row.name,
        "model": row.model,
        "kind": row.kind,
        "source": row.source,
        "told": dict(row.provenance),
        "cells": {
            column.name: [column.value(row, board), column.text(row, board)]
            for column in COLUMNS
            if column.name != "scores" and column.value(row, board) is not None
        },
        "values": [_rounded(row.values.get(task)) for task in board.tasks],
        "heat": [
            step(row.values[task], *scales[task]) if task in row.values else None
            for task in board.tasks
        ],
        "card": {key: value for key, value in row.facts.card.items() if _said(value)},
        "entries": [_entry(entry) for entry in _in_order(row.entries, board)],
        "commands": _commands(row),
        "machines": _machines(row),
        "queries": {
            task: [round(SCALE * value) for value in by_query[task]]
            for task in board.tasks
            if task in by_query
        },
    }


def _in_order(entries: Sequence[Entry], board: Board) -> list[Entry]:
    """Return a row's entries in the order of the board's tasks."""
    return sorted(entries, key=lambda entry: board.tasks.index(entry.task.name))


def _rounded(value: float | None, digits: int = 6) -> float | None:
    """Return a value with as many digits as the page could ever show."""
    return None if value is None else round(value, digits)


def _entry(entry: Entry) -> dict[str, Json]:
    """Return what the page says of one task of a row."""
    return {
        "task": entry.task.name,
        "revision": entry.task.revision,
        "queries": entry.task.n_queries,
        "documents": entry.task.n_documents,
        "depth": entry.k,
        "missing": len(entry.missing_queries),
        "created": entry.created,
        "identity": entry.identity_hash[:12],
        "rate": _rounded(documents_per_second([entry]), 1),
        "cut": _rounded(truncation_rate([entry]), 4),
        "timings": {phase: _rounded(seconds, 3) for phase, seconds in entry.timings.items()},
        "metrics": {
            label(parse_metric(name)): _rounded(entry.metrics[name])
            for name in ENTRY_METRICS
            if name in entry.metrics
        },
        "notes": list(entry.task.notes),
    }


def _commands(row: Row) -> list[Json]:
    """Return the command lines that made a row, each once, in order."""
    import shlex

    return list(dict.fromkeys(shlex.join(entry.command) for entry in row.entries if entry.command))


def _machines(row: Row) -> list[Json]:
    """Return the machines and versions a row was measured with, each once."""
    found: list[Json] = []
    for entry in row.entries:
        told = {key: value for key, value in entry.environment.items() if _said(value)}
        if told and told not in found:
            found.append(told)
    return found


def _said(value: Json) -> bool:
    """Tell whether a value says anything: false does, a length of 0 and an empty text do not."""
    return isinstance(value, bool) or bool(value)
