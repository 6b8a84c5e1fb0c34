"""Profiles: what a system scores by level of the wording, and loses from one level to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.data.embedded import level_of, share_situations
from harness.leaderboard.rank import QueryValues, by_situation
from harness.leaderboard.rows import Board, LevelMean, LevelStep, Profile
from harness.metrics.names import label, parse_metric
from harness.render.numbers import percent, points, signed, signed_interval
from harness.stats.conventions import LEVEL, RESAMPLES, SEED

if TYPE_CHECKING:
    from harness.stats.samples import Values

STEP = "→"


def with_profiles(board: Board, values: QueryValues) -> Board:
    """Return the board with the profiles of its measured rows that have every level.

    None unless the board's tasks are wordings of the same situations. Intervals are BCa bootstrap
    over situations; a step's is that of the paired change.
    """
    if not share_situations(board.members):
        return board
    profiles = tuple(
        _profile(row.name, by_situation(board, values, place), board.members)
        for place, row in enumerate(board.rows)
        if set(values.rows.get(place, ())) >= set(board.members)
    )
    return replace(board, profiles=profiles)


def _profile(system: str, rows: Values, tasks: Sequence[str]) -> Profile:
    """Return the profile of `[levels, situations]`."""
    import numpy as np

    from harness.stats.bootstrap import mean_intervals

    names = [level_of(task) or task for task in tasks]
    changes = np.diff(rows, axis=0)
    rng = np.random.default_rng(SEED)
    own, steps = (
        mean_intervals(each, rng, resamples=RESAMPLES, level=LEVEL) for each in (rows, changes)
    )
    return Profile(
        system,
        tuple(map(LevelMean, names, map(float, rows.mean(axis=1)), own)),
        tuple(map(LevelStep, names[1:], map(float, changes.mean(axis=1)), steps)),
    )


def profile_heads(found: Sequence[Profile]) -> tuple[str, ...]:
    """Return the heads of the table of losses."""
    first = found[0].means[0].level
    return ("model", first, *(f"{STEP} {each.level}" for each in found[0].steps))


def profile_rows(found: Sequence[Profile]) -> tuple[tuple[str, ...], ...]:
    """Return a row for each system: the first level's mean, then the change at each step."""
    return tuple(
        (
            each.system,
            points(each.means[0].mean),
            *(f"{signed(s.change)} ({signed_interval(s.interval)})" for s in each.steps),
        )
        for each in found
    )


def profile_note(board: Board) -> str:
    """Return what the table of losses shows."""
    return (
        f"What {label(parse_metric(board.metric))} × 100 changes from one wording to the next, the "
        f"same situations asked about with less of the answer in the words ({percent(LEVEL)} "
        "intervals, paired by situation)."
    )


def profile_figure(board: Board, found: Sequence[Profile]) -> dict[str, bytes]:
    """Return the figure's files by suffix: one line a system over the levels, with intervals."""
    from harness.render.bins import BinAxes, BinSeries, BinValue, bins_figure

    series = [
        BinSeries(each.system, {one.level: BinValue(one.mean, one.interval) for one in each.means})
        for each in found
    ]
    count = board.statistics.queries if board.statistics else 0
    axes = BinAxes(
        queries={one.level: count for one in found[0].means},
        x="wording of the query → more reasoning needed",
        y=f"{label(parse_metric(board.metric))} × 100 ({percent(LEVEL)} intervals)",
    )
    return bins_figure(series, axes)
