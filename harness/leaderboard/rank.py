"""Which ranks of a board are real: standings of its measured rows from stored per-query values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import StoreError
from harness.data.embedded import share_situations
from harness.leaderboard.rows import Board, Row, Standing, Statistics
from harness.stats.conventions import ALPHA, LEVEL, RESAMPLES, SEED, permutations_for
from results.schema import Entry

if TYPE_CHECKING:
    from harness.stats.samples import Values


class ReadValues(Protocol):
    """Where per-query values come from."""

    def __call__(self, entry: Entry, metric: str, /) -> Mapping[str, float]:
        """Return query id -> value; raises `StoreError` where they cannot be read."""


@dataclass(frozen=True, slots=True)
class QueryValues:
    """Per-query values of a board's measured rows: `rows[place][task]` in the order of `queries`.

    `place` counts all rows of the board from 0. `problems` names what could not be read; a row
    of which any task is missing here has no standing.
    """

    queries: Mapping[str, tuple[str, ...]]
    rows: Mapping[int, Mapping[str, tuple[float, ...]]]
    problems: tuple[StoreError, ...] = ()


def read_values(board: Board, read: ReadValues) -> QueryValues:
    """Read the per-query values of all measured rows of a board."""
    queries: dict[str, tuple[str, ...]] = {}
    rows: dict[int, dict[str, tuple[float, ...]]] = {}
    problems: list[StoreError] = []
    for place, row in enumerate(board.rows):
        for entry in row.entries:
            try:
                found = read(entry, board.metric)
                ids = queries.setdefault(entry.task.name, tuple(found))
                rows.setdefault(place, {})[entry.task.name] = _in_order(found, ids, entry)
            except StoreError as error:
                problems.append(error)
    return QueryValues(queries, rows, tuple(problems))


def _in_order(found: Mapping[str, float], ids: Sequence[str], entry: Entry) -> tuple[float, ...]:
    """Return values in the order of ids; rows of one board were judged on the same queries."""
    if len(found) != len(ids) or any(qid not in found for qid in ids):
        raise StoreError(
            f"the per-query values of {entry.model} on {entry.task.name} are for other queries "
            "than its judgements name",
            fix="Measure it again with --force.",
        )
    return tuple(found[qid] for qid in ids)


def rank_board(board: Board, values: QueryValues, seed: int = SEED) -> Board:
    """Return the board with the standings of its measured rows that cover all its members.

    Every pair of them is tested by paired randomisation within tasks with the macro-mean as the
    statistic, Holm-corrected over all pairs. Where the tasks ask about the same situations, the
    unit is the situation with its mean over the tasks. Published and imported rows have no
    per-query values and get nothing.
    """
    tested = [
        place
        for place, row in enumerate(board.rows)
        if row.kind == "measured" and set(values.rows.get(place, ())) >= set(board.members)
    ]
    if not tested:
        return board
    if share_situations(board.members):
        matrix = [by_situation(board, values, place).mean(axis=0).tolist() for place in tested]
        tasks = [board.group] * len(matrix[0])
    else:
        matrix = [
            [value for task in board.members for value in values.rows[place][task]]
            for place in tested
        ]
        tasks = [task for task in board.members for _ in values.queries[task]]
    standings, statistics = _standings(matrix, tasks, seed)
    found = dict(zip(tested, standings, strict=True))
    rows: list[Row] = [
        replace(row, standing=found.get(place)) for place, row in enumerate(board.rows)
    ]
    return replace(board, rows=tuple(rows), statistics=statistics)


def by_situation(board: Board, values: QueryValues, place: int) -> Values:
    """Return a row's values `[tasks, situations]`, for tasks that share their query ids."""
    import numpy as np

    order = values.queries[board.members[0]]
    found = []
    for task in board.members:
        own = dict(zip(values.queries[task], values.rows[place][task], strict=True))
        found.append([own[situation] for situation in order])
    return np.asarray(found, dtype=np.float64)


def _standings(
    matrix: Sequence[Sequence[float]], tasks: Sequence[str], seed: int
) -> tuple[list[Standing], Statistics]:
    """Return the standing of each row of `[entries, queries]`, and how they were computed."""
    import numpy as np

    from harness.stats.bootstrap import Interval, intervals_of, resamplable, resampled_means
    from harness.stats.holm import holm_pairs
    from harness.stats.ranks import rank_groups, ranks_of
    from harness.stats.stratified import macro_mean, stratified_sign_flip_pairs

    rows = np.asarray(matrix, dtype=np.float64)
    pairs = len(rows) * (len(rows) - 1) // 2
    permutations = permutations_for(pairs)
    flips, resampling = (np.random.default_rng(each) for each in (seed, seed + 1))
    p = stratified_sign_flip_pairs(rows, tasks, flips, permutations=permutations)
    # Equal means differ in the last bits by the order of summing: then rows keep their order.
    means = np.round(macro_mean(rows, tasks), 12)
    groups = rank_groups(means, holm_pairs(p), alpha=ALPHA)
    intervals: tuple[Interval | None, ...] = (None,) * len(rows)
    ranks = ((1, len(rows)),) * len(rows)
    if resamplable(rows.shape[1], tasks):
        resampled = resampled_means(rows, resampling, tasks=tasks, resamples=RESAMPLES)
        intervals = intervals_of(rows, resampled, tasks=tasks, level=LEVEL)
        ranks = ranks_of(resampled, level=LEVEL)
    standings = [
        Standing(group, best, worst, interval)
        for group, (best, worst), interval in zip(groups, ranks, intervals, strict=True)
    ]
    statistics = Statistics(
        entries=len(rows),
        queries=rows.shape[1],
        pairs=pairs,
        permutations=permutations,
        resamples=RESAMPLES,
        seed=seed,
        alpha=ALPHA,
        level=LEVEL,
    )
    return standings, statistics
