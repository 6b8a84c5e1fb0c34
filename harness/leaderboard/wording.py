"""The words around a board: title, short task names, and notes under the table."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.embedded import level_of, share_situations
from harness.data.folds import FOLDS
from harness.leaderboard.headroom import depth_note, fold_note
from harness.leaderboard.rows import ABOVE, Board
from harness.metrics.names import label, parse_metric
from harness.render.numbers import counted, percent

SHORT_NAMES = {
    "biology": "Bio", "earth_science": "Earth", "economics": "Econ", "psychology": "Psy",
    "robotics": "Rob", "stackoverflow": "Stack", "sustainable_living": "Sus",
    "leetcode": "Leet", "pony": "Pony", "aops": "AoPS", "theoremqa_questions": "TheoQ",
    "theoremqa_theorems": "TheoT",
}  # fmt: skip
"""BRIGHT's tasks as its papers head their columns; wordings go by their level."""


def board_title(board: Board) -> str:
    """Return `bright · original queries · nDCG@10 × 100`."""
    gold = f" · gold version {board.gold}" if board.gold else ""
    metric = label(parse_metric(board.metric))
    part = ""
    if len(board.members) < board.whole:
        part = f" · {len(board.members)} of {board.whole} tasks"
    ground = f" · ground {board.ground}" if board.ground else ""
    fold = f" · fold {board.fold} of {FOLDS}" if board.fold is not None else ""
    head = f"{board.group} · {board.query_set} queries · {metric} × 100"
    return f"{head}{gold}{part}{fold}{ground}"


def task_heads(tasks: Sequence[str]) -> tuple[str, ...]:
    """Return a narrow column head for each task, as papers shorten BRIGHT's names."""
    return tuple(
        level_of(task) or SHORT_NAMES.get(task.removesuffix("-long"), task) for task in tasks
    )


def board_notes(board: Board) -> tuple[str, ...]:
    """Return what a reader must know of a board: one sentence or two each."""
    notes = []
    if board.ground:
        notes.append(
            "Boards of this name are on different data (judgements, documents or queries), so "
            "their rows are not ranked together; `rebench compare` says what differs."
        )
    if board.fold is not None:
        notes.append(fold_note(board.fold))
    if shallow := depth_note(board):
        notes.append(shallow)
    for row in board.rows:
        if ABOVE in row.provenance:
            notes.append(f"† {row.name}: above the {row.provenance[ABOVE]}.")
    if any(row.printed_mean for row in board.rows):
        notes.append("* as printed by its source, which gives no values by task.")
    if board.statistics is not None:
        notes.extend(_on_statistics(board))
    return tuple(notes)


def _on_statistics(board: Board) -> list[str]:
    """Return how the standings were computed."""
    found = board.statistics
    if found is None:
        return []
    notes = []
    if any(row.standing and row.standing.interval for row in board.rows):
        notes.append(
            f"Intervals ({percent(found.level)}) are over resampled "
            f"{'situations' if share_situations(board.members) else 'queries'}: BCa bootstrap, "
            f"{found.resamples:,} resamples, seed {found.seed}."
        )
    elif found.queries:
        notes.append("No intervals: a task with a single query does not say how queries differ.")
    if found.pairs:
        shared = share_situations(board.members)
        strata = " within tasks" if len(board.members) > 1 and not shared else ""
        unit = (
            f"{counted(found.queries, 'situation', 'situations')} (means over the wordings)"
            if shared
            else counted(found.queries, "query", "queries")
        )
        notes.append(
            f"Measured rows with one # are not separable from the best of them at {found.alpha:g}: "
            f"paired randomisation over {unit}{strata}, "
            f"{found.permutations:,} permutations, "
            f"Holm over {counted(found.pairs, 'pair', 'pairs')}."
        )
    if not found.reachable:
        notes.append(
            f"{found.pairs:,} pairs are too many for these permutations: no difference can count. "
            "Show fewer rows (--family, --tasks)."
        )
    if any(row.kind != "measured" for row in board.rows):
        notes.append("Published and imported rows have no per-query values and are not tested.")
    return notes
