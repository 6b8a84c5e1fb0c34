"""Boards: entries grouped by ground, so that only comparable rows are ranked together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from harness.core.hashing import sha256_json
from harness.leaderboard.headroom import Candidates
from harness.leaderboard.labels import with_labels
from harness.leaderboard.rows import NO_FACTS, Board, ModelFacts, Row
from harness.metrics.score import overall
from harness.render.numbers import short_points
from results.bundle import ORIGIN, contested, unmarked
from results.imported import UNVERIFIED, ImportedRow
from results.published import CURRENT_GOLD, PublishedRow
from results.schema import Entry
from results.systems import configuration_hash, oldest_first

MEASURED = "measured by rebench"


class Key(NamedTuple):
    """What rows of one board share."""

    group: str
    query_set: str
    metric: str
    gold: str


@dataclass(frozen=True, slots=True)
class Sources:
    """All that boards are made of.

    `members` maps a group to its tasks in order (a task of no listed group is a group of its
    own), `facts` a model's name, or its name on the hub, to what is known of it. `ceilings` maps
    what published rerankers ordered to its ceiling by task, where it is stored here.
    """

    entries: Sequence[Entry]
    published: Sequence[PublishedRow]
    imported: Sequence[ImportedRow]
    members: Mapping[str, Sequence[str]]
    facts: Mapping[str, ModelFacts]
    ceilings: Mapping[Candidates, Mapping[str, float]] = field(default_factory=dict)


def build_boards(sources: Sources, metric: str | None = None) -> tuple[Board, ...]:
    """Return the boards of all rows, none of them ranked by statistics yet.

    `metric` overrides each task's head metric; rows without it are left out. Rows that disagree
    on the judgements, the documents or the queries of a task they share are never on one board.
    """
    rows: dict[Key, list[Row]] = {}
    for found in (
        _measured(sources, metric),
        _published(sources, metric),
        _imported(sources, metric),
    ):
        for key, row in found:
            known = sources.facts.get(row.model, NO_FACTS)
            trained = row.facts.trained_on_bright
            if trained is not None:
                known = replace(known, trained_on_bright=trained)
            rows.setdefault(key, []).append(replace(row, facts=known))
    boards = []
    for key, found_rows in rows.items():
        parts = _split_by_ground(_merge_repeats(found_rows))
        for part in parts:
            board = _board(key, part, sources.members.get(key.group, ()))
            boards.append(replace(board, ground=_ground(part)) if len(parts) > 1 else board)
    return tuple(sorted(boards, key=lambda board: _board_key(board, sources.members)))


def _board(key: Key, rows: Sequence[Row], members: Sequence[str]) -> Board:
    """Return one board of rows that share their ground."""
    present = {task for row in rows for task in row.values}
    tasks = (*(task for task in members if task in present), *sorted(present - set(members)))
    means_over = tuple(members) or tasks
    return Board(
        group=key.group,
        query_set=key.query_set,
        metric=key.metric,
        gold=key.gold,
        members=means_over,
        whole=len(means_over),
        tasks=tasks,
        rows=tuple(sorted(with_labels(rows), key=rank_key)),
    )


def _measured(sources: Sources, metric: str | None) -> list[tuple[Key, Row]]:
    """Fold a model's entries into one row per board."""
    folded: dict[Key, dict[tuple[str, str], dict[str, Entry]]] = {}
    for entry in oldest_first(sources.entries):
        task = entry.task
        grouped = task.group in sources.members and not task.gold
        group = task.group if grouped else task.name
        key = Key(group, task.query_set, metric or task.head_metric, task.gold)
        if key.metric in entry.metrics:
            # The newest entry on a task counts; another configuration makes another row.
            system = (entry.model, configuration_hash(entry))
            folded.setdefault(key, {}).setdefault(system, {})[entry.task.name] = entry
    members, several = sources.members, contested(sources.entries)
    return [
        (key, _measured_row(model, tuple(found.values()), members.get(key.group), key, several))
        for key, by_model in folded.items()
        for (model, _), found in by_model.items()
    ]


def _measured_row(
    model: str,
    entries: tuple[Entry, ...],
    members: Sequence[str] | None,
    key: Key,
    several: frozenset[str],
) -> Row:
    """Return the row of a model's entries on one group; `several` are contested identities."""
    values = {entry.task.name: entry.metrics[key.metric] for entry in entries}
    return Row(
        model=model,
        kind="measured",
        values=values,
        mean=overall(values, members or tuple(values)),
        source=_measured_source(entries, several),
        grounds=_grounds(entries),
        entries=entries,
    )


def _measured_source(entries: Sequence[Entry], several: frozenset[str]) -> str:
    """Return who ran what a row shows, and whether another row claims to be the same."""
    source = "bundle, scored again" if any(ORIGIN in each.facts for each in entries) else MEASURED
    if several and any(unmarked(each).identity_hash in several for each in entries):
        return f"{source}; one of several results under one identity"
    return source


def _grounds(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the fingerprints of entries' judgements, queries and, where read, documents."""
    grounds = {}
    for entry in entries:
        grounds[entry.task.name] = entry.task.fingerprint
        grounds[f"{entry.task.name}, queries"] = entry.task.queries_fingerprint
        if entry.task.corpus_fingerprint is not None:
            grounds[f"{entry.task.name}, documents"] = entry.task.corpus_fingerprint
    return grounds


def _published(sources: Sources, metric: str | None) -> list[tuple[Key, Row]]:
    """Return the published rows; a printed average stands where there are no tasks."""
    return [
        (
            Key(row.group, row.query_set, row.metric, _gold(row.gold)),
            Row(
                model=row.model,
                kind="published",
                values=row.values,
                mean=_published_mean(row, sources.members.get(row.group, ())),
                source=row.source,
                tag=row.tag,
                printed_mean=not row.values,
                facts=ModelFacts(trained_on_bright=row.trained_on_bright),
                provenance=_told(
                    protocol=row.protocol,
                    date=row.date,
                    note=row.note,
                    system=row.kind,
                    average=_mismatch(row),
                    above_its_candidates=_above(row, sources.ceilings),
                    file=f"results/published/{row.file}, row {row.row}",
                ),
            ),
        )
        for row in sources.published
        if metric is None or row.metric == metric
    ]


def _above(row: PublishedRow, ceilings: Mapping[Candidates, Mapping[str, float]]) -> str:
    """Return on which tasks a reranker is printed above the ceiling of its own candidates."""
    key = Candidates(row.candidates, row.candidates_query_set, row.candidates_depth)
    ceiling = ceilings.get(key, {}) if row.candidates and row.metric == "ndcg@10" else {}
    above = [
        f"{task} {short_points(value)} > {short_points(ceiling[task])}"
        for task, value in row.values.items()
        if task in ceiling and value > ceiling[task] + HALF_A_DIGIT
    ]
    if not above:
        return ""
    return (
        f"ceiling of {key.model}'s first {key.depth} documents as stored here: {', '.join(above)}"
    )


def _mismatch(row: PublishedRow) -> str:
    """Return what is odd about a printed average, if anything is."""
    if not row.average_mismatch:
        return ""
    return (
        f"printed as {short_points(row.average)}, but its tasks give {short_points(row.mean)}: "
        "one of them is wrong in the source"
    )


def _published_mean(row: PublishedRow, members: Sequence[str]) -> float | None:
    """Return the printed average if the values cover the group (or none are given), else ours."""
    if not row.values:
        return row.average
    mean = overall(row.values, members)
    return mean if mean is None or row.average is None else row.average


def _imported(sources: Sources, metric: str | None) -> list[tuple[Key, Row]]:
    """Return the rows of imported result files."""
    found = []
    for row in sources.imported:
        key = Key(row.group, row.query_set, metric or row.head_metric, _gold(row.gold))
        values = {task: own[key.metric] for task, own in row.metrics.items() if key.metric in own}
        if values:
            members = sources.members.get(key.group) or tuple(values)
            imported = Row(
                model=row.model,
                kind="imported",
                values=values,
                mean=overall(values, members),
                source=row.layout if row.layout == UNVERIFIED else f"{row.layout} result files",
                tag=row.revision[:8] or row.layout,
                provenance=_told(
                    protocol=row.protocol,
                    date=row.date,
                    revision=row.revision,
                    dataset_revision=row.dataset_revision,
                    imported=row.imported,
                ),
            )
            found.append((key, imported))
    return found


def _gold(gold: str) -> str:
    """Return a gold version as boards name it: empty for the judgements of today."""
    return "" if gold in CURRENT_GOLD else gold


def _told(**said: str) -> dict[str, str]:
    """Return what is said, without what is not."""
    return {key.replace("_", " "): text for key, text in said.items() if text}


SOURCES = " · "
HALF_A_DIGIT = 0.0006
"""Means are printed × 100 with one decimal: half of the last digit, and room for its rounding."""


def _merge_repeats(rows: Iterable[Row]) -> list[Row]:
    """Fold published rows that say the same of a model into one that names all its sources.

    Two rows say the same when their task values are equal, or when one of them gives only a mean
    and it is the other's to the printed digit.
    """
    merged: list[Row] = []
    for row in sorted(rows, key=lambda each: not each.values):
        for at, other in enumerate(merged):
            if row.kind == other.kind == "published" and _say_the_same(row, other):
                sources = dict.fromkeys((*other.source.split(SOURCES), row.source))
                merged[at] = replace(other, source=SOURCES.join(sources))
                break
        else:
            merged.append(row)
    return merged


def _say_the_same(row: Row, other: Row) -> bool:
    """Tell whether two published rows repeat each other."""
    if row.model != other.model:
        return False
    if row.values or not other.values:
        return row.values == other.values and row.mean == other.mean
    if row.mean is None or other.mean is None:
        return False
    return abs(row.mean - other.mean) <= HALF_A_DIGIT


def _split_by_ground(rows: Sequence[Row]) -> list[list[Row]]:
    """Partition rows so that no two of a part disagree on judgements, documents or queries.

    Published and imported rows stand with the part that has the most measured ones.
    """
    parts: list[tuple[dict[str, str], list[Row]]] = []
    others = [row for row in rows if not row.grounds]
    for row in (row for row in rows if row.grounds):
        for grounds, part in parts:
            if all(grounds.get(of, ground) == ground for of, ground in row.grounds.items()):
                grounds.update(row.grounds)
                part.append(row)
                break
        else:
            parts.append((dict(row.grounds), [row]))
    split = [part for _, part in parts] or [[]]
    max(split, key=len).extend(others)
    return [part for part in split if part]


def _ground(rows: Iterable[Row]) -> str:
    """Return six hex digits for the data that rows share."""
    return sha256_json({of: ground for row in rows for of, ground in row.grounds.items()})[:6]


def rank_key(row: Row) -> tuple[bool, float, str]:
    """Order rows: those with a mean first, best first, then by name."""
    best = row.mean if row.mean is not None else max(row.values.values(), default=0.0)
    return row.mean is None, -best, row.name


def _board_key(
    board: Board, members: Mapping[str, Sequence[str]]
) -> tuple[bool, int, str, bool, str, str]:
    """Order boards: measured ones first, then by group, original queries first, and gold."""
    measured = any(row.kind == "measured" for row in board.rows)
    order = list(members)
    place = order.index(board.group) if board.group in order else len(order)
    other = board.query_set != "original"
    return not measured, place, board.group, other, board.query_set, board.gold
