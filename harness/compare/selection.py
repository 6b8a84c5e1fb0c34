"""Choose the systems that a comparison is about, and the tasks on which all were measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from harness.core.errors import BadInput, NotComparable, UnknownName
from harness.core.names import split_names
from harness.data.grounds.table import kinship
from harness.data.registry import group_members, groups, resolve_tasks, source_of
from results.schema import Entry
from results.systems import System, all_systems, differing_settings, split_name, systems_named

MOST_NAMED = 4
"""Tasks of a system that an error names; more are counted."""

LONGEST_VALUE = 40
"""Characters of a setting's value that an error shows."""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What to compare on: task names (none: the group that is shared most) and a query set.

    `groups` maps a group to its tasks; a task of no listed group is a group of its own.
    """

    groups: Mapping[str, Sequence[str]]
    tasks: tuple[str, ...] = ()
    query_set: str = ""

    def matches(self, entry: Entry) -> bool:
        """Tell whether an entry is on one of the tasks and has the query set."""
        return (not self.tasks or entry.task.name in self.tasks) and (
            not self.query_set or entry.task.query_set == self.query_set
        )

    @property
    def description(self) -> str:
        """`on biology, pony with gpt4 queries`, as far as either is given."""
        on = f"on {', '.join(self.tasks)}" if self.tasks else ""
        queries = f"with {self.query_set} queries" if self.query_set else ""
        return " ".join(filter(None, (on, queries)))

    def group_of(self, entry: Entry) -> str:
        """Return the name of the group that a mean over an entry's task belongs to."""
        return entry.task.group if entry.task.group in self.groups else entry.task.name


@dataclass(frozen=True, slots=True)
class NamedTasks:
    """Tasks that a user named; those of folders or the hub with what loads them."""

    tasks: tuple[str, ...]
    folders: Mapping[str, Path]

    def only(self, query_set: str) -> EntryFilter:
        """Return the filter for these tasks and a query set (empty: any)."""
        members = {group: group_members(group) for group in groups()}
        return EntryFilter(groups=members, tasks=self.tasks, query_set=query_set)


def named_tasks(spec: str, entries: Sequence[Entry]) -> NamedTasks:
    """Return the tasks of a comma-separated list of stored or known tasks, groups and folders.

    Raises `UnknownName` with the nearest names.
    """
    stored = {entry.task.name for entry in entries}
    tasks: dict[str, None] = {}
    folders: dict[str, Path] = {}
    for part in split_names(spec):
        for name in (part,) if part in stored else resolve_tasks(part):
            source = None if name in stored else source_of(name)
            if source is not None:
                folders[source.task] = Path(name)
            tasks[name if source is None else source.task] = None
    return NamedTasks(tuple(tasks), folders)


@dataclass(frozen=True, slots=True)
class SelectedSystems:
    """Systems, cut to the tasks that all of them were measured on; notes say what was left out."""

    systems: tuple[System, ...]
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The systems that one name may mean."""

    name: str
    systems: tuple[System, ...]

    @property
    def tasks(self) -> set[str]:
        return {task for system in self.systems for task in system.entries}


@dataclass(frozen=True, slots=True, order=True)
class _Coverage:
    """The query set and the tasks of one group that a system was measured on."""

    query_set: str
    group: str
    tasks: tuple[str, ...]


def select_named(
    entries: Sequence[Entry], names: Sequence[str], only: EntryFilter
) -> SelectedSystems:
    """Return the systems with these names, cut to the tasks that all were measured on.

    A name is a model's, or one that `results.systems.systems_named` takes. Raises `UnknownName`
    for a model that was never measured, `BadInput` for one that was measured under several
    configurations or is named twice, and `NotComparable` if there is no task in common.
    """
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"{twice[0]!r} is named twice", fix="Name different systems.")
    candidates = [_candidates(name, entries, only) for name in names]
    tasks = _shared_tasks(candidates, only)
    systems = tuple(_only_system(each, tasks, only) for each in candidates)
    shared = tuple(t for t in tasks if all(t in system.entries for system in systems))
    if not shared:
        raise _nothing_shared([_Candidates(s.label, (s,)) for s in systems])
    notes = [
        f"{system.label}: {', '.join(rest)} left out, which not all were measured on"
        for system in systems
        if (rest := [t for t in system.entries if t not in shared])
    ]
    return SelectedSystems(tuple(system.on(shared) for system in systems), shared, tuple(notes))


def select_all(entries: Sequence[Entry], only: EntryFilter) -> SelectedSystems:
    """Return every system measured on the tasks that most were measured on, best first.

    Raises `BadInput` if no entry passes the filter.
    """
    systems = all_systems(filter(only.matches, entries))
    if not systems:
        raise BadInput(
            "no measured entry fits",
            fix="Measure some with `rebench eval`, or ask for other tasks.",
        )
    best = _widest_coverage([_coverage(system, only) for system in systems])
    ordered = _ordered(best.tasks, only.tasks or only.groups.get(best.group, ()))
    chosen = [
        system.on(ordered)
        for system in systems
        if system.query_set == best.query_set and set(best.tasks) <= set(system.entries)
    ]
    models = [system.model for system in chosen]
    named = [
        replace(system, label=system.model) if models.count(system.model) == 1 else system
        for system in sorted(chosen, key=lambda each: (-_mean(each), each.label))
    ]
    taken = {(system.model, system.variant) for system in chosen}
    rest = [each.label for each in systems if (each.model, each.variant) not in taken]
    notes = (f"left out, not measured on all of these: {', '.join(rest)}",) if rest else ()
    return SelectedSystems(tuple(named), ordered, notes)


def _mean(system: System) -> float:
    """Return the mean of each entry's head metric; it only orders systems."""
    values = [e.metrics.get(e.task.head_metric, 0.0) for e in system.entries.values()]
    return sum(values) / len(values)


def _coverage(system: System, only: EntryFilter) -> _Coverage:
    """Return a system's query set and the group of which it has the most tasks."""
    by_group: dict[str, set[str]] = {}
    for entry in system.entries.values():
        group = "" if only.tasks else only.group_of(entry)
        by_group.setdefault(group, set()).add(entry.task.name)
    group = max(by_group, key=lambda name: len(by_group[name]))
    return _Coverage(system.query_set, group, tuple(sorted(by_group[group])))


def _widest_coverage(coverages: Sequence[_Coverage]) -> _Coverage:
    """Return the coverage with the most entries: systems that have it times its tasks."""
    counted = [(len(list(same)), each) for each, same in groupby(sorted(coverages))]
    return max(counted, key=lambda pair: pair[0] * len(pair[1].tasks))[1]


def _candidates(name: str, entries: Sequence[Entry], only: EntryFilter) -> _Candidates:
    models = {entry.model for entry in entries}
    model, _ = split_name(name, models)
    if model not in models:
        listing = f"Measured are: {', '.join(sorted(models))}." if models else "None is measured."
        raise UnknownName("measured model", name, models, listing=listing)
    of_model = [entry for entry in entries if entry.model == model]
    matching = [entry for entry in of_model if only.matches(entry)]
    systems = systems_named(name, matching)
    if not systems:
        measured = ", ".join(map(_described, all_systems(of_model)))
        lacks = "is no variant that was measured" if matching else "has no entry"
        message = f"{name!r} {lacks} {only.description}".rstrip()
        raise BadInput(message, fix=f"Measured was: {measured}.")
    return _Candidates(name, tuple(replace(system, label=name) for system in systems))


def _described(system: System) -> str:
    """Return what a system was measured on, in a few words."""
    tasks = tuple(system.entries)
    more = f" and {len(tasks) - MOST_NAMED} more" if len(tasks) > MOST_NAMED else ""
    return f"{system.label} on {', '.join(tasks[:MOST_NAMED])}{more} ({system.query_set} queries)"


def _shared_tasks(candidates: Sequence[_Candidates], only: EntryFilter) -> tuple[str, ...]:
    """Return the tasks of the filter, or those of the group of which the systems share most."""
    if only.tasks:
        return only.tasks
    groups: list[dict[str, str]] = [
        {
            task: only.group_of(entry)
            for system in each.systems
            for task, entry in system.entries.items()
        }
        for each in candidates
    ]
    shared = [task for task in groups[0] if all(task in each for each in groups)]
    if not shared:
        raise _nothing_shared(candidates)
    shared_groups = [groups[0][task] for task in shared]
    group = max(shared_groups, key=shared_groups.count)
    members = {task for each in groups for task, its_group in each.items() if its_group == group}
    return _ordered(members, only.groups.get(group, ()))


def _ordered(tasks: Iterable[str], members: Sequence[str]) -> tuple[str, ...]:
    """Return tasks in their group's order, others after them by name."""
    given = set(tasks)
    return (*(task for task in members if task in given), *sorted(given - set(members)))


def _only_system(candidates: _Candidates, tasks: Sequence[str], only: EntryFilter) -> System:
    """Return the one candidate with entries on the tasks; raises `BadInput` for several."""
    name = candidates.name
    left = [cut for system in candidates.systems if (cut := system.on(tasks)).entries]
    if len(left) == 1:
        return left[0]
    if not left:
        raise BadInput(f"{name!r} was not measured on these tasks", fix="Name other --tasks.")
    firsts = [next(iter(system.entries.values())) for system in left]
    described = "; ".join(
        f"{system.name} ({_settings_text(settings)}, {len(system.entries)} tasks)"
        for system, settings in zip(left, differing_settings(firsts), strict=True)
    )
    fix = "Name one of them" + ("." if only.query_set else ", or choose with --query-set.")
    raise BadInput(f"{name!r} was measured in {len(left)} variants: {described}", fix=fix)


def _settings_text(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value[:LONGEST_VALUE]}" for key, value in list(settings.items())[:3])


def _nothing_shared(candidates: Sequence[_Candidates]) -> NotComparable:
    """Return the error for systems that have no measured task in common."""
    have = "; ".join(f"{each.name} has {', '.join(sorted(each.tasks))}" for each in candidates)
    first, *others = candidates
    near = kinship(first.tasks, {task for each in others for task in each.tasks})
    return NotComparable(
        "\n  ".join((f"there is no task that all were measured on: {have}", *near)),
        fix="Measure them on the same tasks with `rebench eval`.",
    )
