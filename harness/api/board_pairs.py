"""Every pair of a board's measured rows, tested as `rebench compare` tests the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.compare.differences import Difference
    from harness.compare.every_pair import PairDifferences
    from harness.leaderboard.html_pairs import BoardPairs, PairChange, RowPair
    from harness.leaderboard.rank import QueryValues
    from harness.leaderboard.rows import Board


def board_pairs(board: Board, values: QueryValues) -> BoardPairs:
    """Return the pairs of measured rows that stand on the same tasks, or none of a board of one.

    Of many rows only the best `MOST_ROWS` by mean are paired, and the note says so.
    """
    from harness.compare.differences import ComparisonSettings
    from harness.leaderboard.html_pairs import MOST_ROWS, BoardPairs
    from harness.render.numbers import percent

    settings = ComparisonSettings()
    by_tasks = _by_tasks(board, values.rows)
    left_out = sum(len(places[MOST_ROWS:]) for places in by_tasks.values())
    found: list[RowPair] = []
    for tasks, places in by_tasks.items():
        found += _pairs(board, values, tasks, sorted(places[:MOST_ROWS]))
    note = (
        f"Intervals of {percent(settings.level)} by BCa bootstrap over queries, p by paired "
        "randomisation, corrected by Holm over this pair's own tests: what `rebench compare` says "
        "of the two. Who looks through many pairs finds some that differ by chance: the rank "
        "groups of the board are corrected over all of them."
    )
    if left_out:
        note += f" The {left_out} lowest rows are not paired here."
    return BoardPairs(tuple(found), note if found else "")


def _by_tasks(
    board: Board, rows: Mapping[int, Mapping[str, Sequence[float]]]
) -> dict[tuple[str, ...], list[int]]:
    """Return the places of measured rows by the tasks that they stand on, best mean first."""
    found: dict[tuple[str, ...], list[int]] = {}
    best = sorted(rows, key=lambda place: (-(board.rows[place].mean or 0.0), place))
    for place in best:
        tasks = tuple(task for task in board.tasks if task in rows[place])
        found.setdefault(tasks, []).append(place)
    return {tasks: places for tasks, places in found.items() if tasks and len(places) > 1}


def _pairs(
    board: Board, values: QueryValues, tasks: tuple[str, ...], places: Sequence[int]
) -> list[RowPair]:
    import numpy as np

    from harness.compare.differences import ComparisonSettings, QueryColumns
    from harness.compare.every_pair import every_pair
    from harness.compare.values import ComparedValues
    from harness.leaderboard.html_pairs import RowPair

    columns = QueryColumns(
        tuple(task for task in tasks for _ in values.queries[task]),
        tuple(query for task in tasks for query in values.queries[task]),
    )
    rows = [[value for task in tasks for value in values.rows[place][task]] for place in places]
    labels = tuple(board.rows[place].name for place in places)
    compared = ComparedValues(np.asarray(rows, dtype=np.float64), labels, columns)
    pairs = every_pair(compared, tasks, ComparisonSettings())
    return [
        RowPair(one, other, _changes(pair))
        for (one, other), pair in zip(combinations(places, 2), pairs, strict=True)
    ]


def _changes(pair: PairDifferences) -> tuple[PairChange, ...]:
    over = () if pair.overall is None else (_change("", pair.overall),)
    return (*over, *(_change(task, each) for task, each in pair.by_task.items()))


def _change(task: str, found: Difference) -> PairChange:
    from harness.leaderboard.html_pairs import PairChange

    interval, counts = found.interval, found.counts
    return PairChange(
        task=task,
        change=found.delta,
        interval=None if interval is None else (interval.low, interval.high),
        p=1.0 if found.p_corrected is None else found.p_corrected,
        detectable=found.detectable,
        better=counts.wins,
        equal=counts.ties,
        worse=counts.losses,
    )
