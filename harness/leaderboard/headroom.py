"""What a board says beside its metric: other metrics per row, read from the stored runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from harness.core.errors import RebenchError, StoreError
from harness.core.types import Json
from harness.data.folds import FOLDS
from harness.derived import EntryReader, NoAspects
from harness.leaderboard.rows import Board, Row
from harness.metrics.names import is_derived, parse_metric
from harness.metrics.score import overall
from results.published import PublishedRow
from results.schema import Entry


@dataclass(frozen=True, slots=True)
class WithMetric:
    """Entries that hold a metric, and what could not be read of the others."""

    entries: tuple[Entry, ...]
    problems: tuple[StoreError, ...] = field(default=())


def with_metric(
    entries: Sequence[Entry],
    metric: str | None,
    reader: EntryReader,
    wanted: Callable[[Entry], bool],
) -> WithMetric:
    """Return entries with a metric (`None`: their head metric) as a mean over the reader's fold.

    Entries that are not `wanted` come back as they are, unread. One whose run cannot be read, or
    that has no query in the fold, is left out with a problem; one of a task without aspects is
    left out where the metric is of aspects.
    """
    if metric is None and reader.fold is None:
        return WithMetric(tuple(entries))
    found: list[Entry] = []
    problems: list[StoreError] = []
    for entry in entries:
        if not wanted(entry):
            found.append(entry)
            continue
        try:
            found.append(reader.with_metrics(entry, (metric or entry.task.head_metric,)))
        except NoAspects:
            continue  # it has no place on a board of that metric, and nothing is wrong with it
        except StoreError as error:
            problems.append(error)
        except RebenchError as error:
            problems.append(StoreError(error.message, fix=error.fix))
    return WithMetric(tuple(found), tuple(problems))


def with_extras(board: Board, metrics: Sequence[str], reader: EntryReader) -> Board:
    """Return a board whose measured rows hold the means of more metrics over its members.

    A row whose runs cannot be read goes without them. `depth` is that of the shallowest run.
    """
    deep = parse_metric(board.metric)
    if not metrics and not is_derived(deep):
        return board
    rows = []
    for row in board.rows:
        try:
            entries = [reader.with_metrics(entry, metrics) for entry in row.entries]
            depth = min((reader.depth(entry) for entry in row.entries), default=None)
        except RebenchError:
            rows.append(row)
            continue
        extras: dict[str, float] = {}
        for metric in metrics:
            values = {entry.task.name: entry.metrics[metric] for entry in entries}
            mean = overall(values, board.members)
            if mean is not None:
                extras[metric] = mean
        rows.append(replace(row, extras=extras, depth=depth))
    return replace(board, rows=tuple(rows))


class Candidates(NamedTuple):
    """What a reranker ordered: a model's first documents, found with a query set."""

    model: str
    query_set: str
    depth: int


def candidate_ceilings(
    published: Sequence[PublishedRow], entries: Sequence[Entry], reader: EntryReader
) -> dict[Candidates, dict[str, float]]:
    """Return the ceilings, by task, of the candidates that published rerankers ordered.

    Only of those that are stored here; a run that cannot be read is passed over.
    """
    found: dict[Candidates, dict[str, float]] = {}
    for row in published:
        if row.candidates:
            key = Candidates(row.candidates, row.candidates_query_set, row.candidates_depth)
            found.setdefault(key, {})
    for key, by_task in found.items():
        metric = f"ceiling@{key.depth}"
        for entry in entries:
            if (entry.model, entry.task.query_set) == (key.model, key.query_set):
                with suppress(RebenchError):
                    by_task[entry.task.name] = reader.with_metrics(entry, (metric,)).metrics[metric]
    return found


def fold_note(fold: int) -> str:
    """Return what a board of one fold says of itself."""
    return (
        f"Only fold {fold} of the queries (folds 0 to {FOLDS - 1}, docs/protocol.md): means, ranks "
        "and intervals are of that fifth. Published and imported rows have no values by query and "
        "are left out."
    )


def depth_note(board: Board) -> str:
    """Return what a board of ceilings says of runs that are shallower; empty if none is."""
    cutoff = parse_metric(board.metric).cutoff
    shallow = {
        row.name: row.depth
        for row in board.rows
        if cutoff is not None and row.depth is not None and row.depth < cutoff
    }
    if not shallow or not is_derived(parse_metric(board.metric)):
        return ""
    named = ", ".join(f"{name} ({depth} documents)" for name, depth in shallow.items())
    return f"Shallower than {cutoff}, so their {board.metric} is that of what is there: {named}."


def extras_json(row: Row) -> Mapping[str, Json]:
    """Return a row's further metrics as JSON, with the depth of its shallowest run."""
    return {"metrics": dict(row.extras), "depth": row.depth} if row.extras else {}
