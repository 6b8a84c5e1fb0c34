"""What `compare`, `report` and `reproduce` share: options, and the library they read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.compare.selection import EntryFilter
    from harness.compare.task_context import TaskContextLoader
    from harness.core.settings import Settings
    from results.schema import Entry
    from results.store import ResultStore

TasksChoice = Annotated[
    str,
    typer.Option(
        "--tasks",
        "-t",
        metavar="NAME[,NAME…]",
        help="Tasks or groups that were measured, or folders in BEIR layout "
        "[default: the group shared most].",
    ),
]
MetricChoice = Annotated[
    str, typer.Option("--metric", metavar="NAME", help="Instead of the tasks' head metric.")
]
FoldChoice = Annotated[
    int | None,
    typer.Option("--fold", metavar="N", help="Only the queries of this fold, 0 to 4."),
]
QuerySetChoice = Annotated[
    str, typer.Option("--query-set", metavar="SET", help="Entries with this query set only.")
]
PermutationsChoice = Annotated[
    int,
    typer.Option(
        "--permutations", metavar="N", help="Random permutations [default: 10000 or more]."
    ),
]
SeedChoice = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Where the random numbers start.")
]


@dataclass(frozen=True, slots=True)
class Named:
    """The tasks that a specification names: their names, and the folders of those in one."""

    tasks: tuple[str, ...]
    folders: dict[str, Path]


def opened(settings: Settings) -> tuple[ResultStore, tuple[Entry, ...]]:
    """Return the store and its sound entries; what is damaged is named on stderr."""
    from harness.cli.progress import reporter_for_stderr
    from results.store import ResultStore

    store = ResultStore(settings.results_dir)
    loaded = store.entries()
    for problem in loaded.problems:
        reporter_for_stderr().warn(f"{problem.message} ({problem.fix})")
    return store, loaded.entries


def named_tasks(spec: str, entries: tuple[Entry, ...]) -> Named:
    """Return the tasks of a comma-separated list of stored or known tasks, groups and folders.

    Raises `UnknownName` with the nearest names.
    """
    from harness.data.registry import resolve_tasks

    stored = {entry.task.name for entry in entries}
    tasks: dict[str, None] = {}
    folders: dict[str, Path] = {}
    for part in filter(None, (part.strip() for part in spec.split(","))):
        for found in (part,) if part in stored else resolve_tasks(part):
            folder = Path(found)
            if found not in stored and folder.is_dir():
                found_name = folder.resolve().name
                folders[found_name] = folder
                tasks[found_name] = None
            else:
                tasks[found] = None
    return Named(tuple(tasks), folders)


def entry_filter(named: Named, query_set: str) -> EntryFilter:
    """Return what to compare on."""
    from harness.compare.selection import EntryFilter
    from harness.data.registry import group_members, groups

    members = {group: group_members(group) for group in groups()}
    return EntryFilter(groups=members, tasks=named.tasks, query_set=query_set)


def library_of(
    settings: Settings,
    store: ResultStore,
    entries: tuple[Entry, ...],
    named: Named,
    fold: int | None = None,
) -> TaskContextLoader:
    """Return where a comparison looks for entries and local data."""
    from harness.cli.progress import reporter_for_stderr
    from harness.compare.task_context import TaskContextLoader
    from harness.data.local_tasks import DataLocations

    places = DataLocations(bright=settings.data_dir, folders=named.folders)
    return TaskContextLoader(store, entries, places, reporter_for_stderr(), fold)


def refuse_published(names: Sequence[str], entries: Sequence[Entry]) -> None:
    """Raise `NotComparable` for a model that was published but never measured here.

    A label of a published row (`bm25 (anserini)`) counts as its model's name.
    """
    from harness.core.errors import NotComparable
    from results.published import load_published
    from results.systems import split_name

    measured = {entry.model for entry in entries}
    published = {row.model for row in load_published()}
    for name in names:
        model, _ = split_name(name, published)
        if model in published and split_name(name, measured)[0] not in measured:
            raise NotComparable(
                f"{name!r} was published but not measured, and published numbers have no "
                "per-query values to test",
                fix=f"Measure it with `rebench eval --model {model}`, or see it beside others with "
                "`rebench leaderboard`.",
            )


def metric_name(text: str) -> str:
    """Return the one name of a metric, empty for none; raises `UnknownName`."""
    from harness.metrics.names import parse_metric

    return str(parse_metric(text)) if text else ""
