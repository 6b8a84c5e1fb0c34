"""Which stored entries a name stands for: a model's newest on each task, under one setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from harness.core.errors import BadInput, NotComparable, UnknownName
from harness.core.hashing import canonical_json, sha256_json
from harness.core.types import Json
from results.schema import Entry

MOST_TOLD = 4
"""Tasks of a system that an error names; more are counted."""

BY_TASK = ("spaces", "external_run")
"""Parts of an identity that change from task to task: instructions, and a given run's content."""

MARK = "#"
"""Stands between a model's name and the six hex digits of one of its variants."""


@dataclass(frozen=True, slots=True)
class System:
    """One side of a comparison: a model's entries by task, all of one variant.

    `variant` is the hash of what they share (settings, depth, query set), `label` what the system
    is called in tables: the model's name, with the variant where that was asked for.
    """

    label: str
    model: str
    variant: str
    entries: Mapping[str, Entry]

    @property
    def query_set(self) -> str:
        """Return the query set that all the entries share."""
        return next(iter(self.entries.values())).task.query_set

    def on(self, tasks: Iterable[str]) -> System:
        """Return the system with its entries on these tasks only, in their order."""
        return replace(self, entries={t: self.entries[t] for t in tasks if t in self.entries})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compare on: task names (none: the group that is shared most) and a query set.

    `groups` maps a group to its tasks; a task of no listed group is a group of its own.
    """

    groups: Mapping[str, Sequence[str]]
    tasks: tuple[str, ...] = ()
    query_set: str = ""

    def lets_through(self, entry: Entry) -> bool:
        """Tell whether an entry is on one of the wanted tasks and query sets."""
        return (not self.tasks or entry.task.name in self.tasks) and (
            not self.query_set or entry.task.query_set == self.query_set
        )

    @property
    def described(self) -> str:
        """Return `on biology, pony with gpt4 queries`, as far as either is wanted."""
        on = f"on {', '.join(self.tasks)}" if self.tasks else ""
        queries = f"with {self.query_set} queries" if self.query_set else ""
        return " ".join(filter(None, (on, queries)))

    def group_of(self, entry: Entry) -> str:
        """Return the name of the group that a mean over an entry's task belongs to."""
        return entry.task.group if entry.task.group in self.groups else entry.task.name


@dataclass(frozen=True, slots=True)
class Selection:
    """Systems on the tasks that all of them were measured on, and what was left out."""

    systems: tuple[System, ...]
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def settings(entry: Entry) -> dict[str, Json]:
    """Return what tells apart two variants of a model: settings, query set and depth.

    A run that was given has the depth it came with, which may differ by task.
    """
    own: dict[str, Json] = {
        key: value for key, value in entry.identity.items() if key not in BY_TASK
    }
    own["query_set"] = entry.task.query_set
    return own if "external_run" in entry.identity else {**own, "k": entry.k}


def known_systems(entries: Iterable[Entry]) -> tuple[System, ...]:
    """Return every variant of every model, the newest entry standing for each task."""
    folded: dict[tuple[str, str], dict[str, Entry]] = {}
    for entry in sorted(entries, key=lambda each: (each.created, each.identity_hash)):
        key = (entry.model, sha256_json(settings(entry))[:6])
        folded.setdefault(key, {})[entry.task.name] = entry
    return tuple(
        System(f"{model}{MARK}{variant}", model, variant, found)
        for (model, variant), found in sorted(folded.items())
    )


def find_systems(entries: Sequence[Entry], names: Sequence[str], wanted: Wanted) -> Selection:
    """Return what the names stand for, cut to the tasks that all were measured on.

    A name is a model's, or `MODEL#HASH` for one variant of it. Raises `UnknownName` for a model
    that was never measured, `BadInput` for one that has several variants or is named twice, and
    `NotComparable` where there is no task in common.
    """
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"{twice[0]!r} is named twice", fix="Name different systems.")
    matches = [_matching(name, entries, wanted) for name in names]
    tasks = _shared_tasks(names, matches, wanted)
    systems = tuple(
        _only_variant(name, [system.on(tasks) for system in found], wanted)
        for name, found in zip(names, matches, strict=True)
    )
    shared = tuple(t for t in tasks if all(t in system.entries for system in systems))
    if not shared:
        raise _nothing_shared(names, [(system,) for system in systems])
    notes = [
        f"{system.label}: {', '.join(rest)} left out, which not all were measured on"
        for system in systems
        if (rest := [t for t in system.entries if t not in shared])
    ]
    return Selection(tuple(system.on(shared) for system in systems), shared, tuple(notes))


def all_systems(entries: Sequence[Entry], wanted: Wanted) -> Selection:
    """Return every variant measured on the tasks that most were measured on, best first.

    Raises `BadInput` where nothing fits.
    """
    known = known_systems(filter(wanted.lets_through, entries))
    if not known:
        raise BadInput(
            "no measured entry fits",
            fix="Measure some with `rebench eval`, or ask for other tasks.",
        )
    grounds = sorted(
        (_ground(system, wanted) for system in known), key=lambda g: (g[0], g[1], sorted(g[2]))
    )
    counted = [(len(list(same)), ground) for ground, same in groupby(grounds)]
    _, (query_set, group, tasks) = max(counted, key=lambda each: each[0] * len(each[1][2]))
    ordered = _ordered(tasks, wanted.tasks or wanted.groups.get(group, ()))
    chosen = [s.on(ordered) for s in known if s.query_set == query_set and tasks <= set(s.entries)]
    single = {m for m in (s.model for s in chosen) if [s.model for s in chosen].count(m) == 1}
    best_first = sorted(chosen, key=lambda each: (-_mean(each), each.label))
    systems = tuple(replace(s, label=s.model) if s.model in single else s for s in best_first)
    taken = {(each.model, each.variant) for each in chosen}
    rest = [each.label for each in known if (each.model, each.variant) not in taken]
    notes = (f"left out, not measured on all of these: {', '.join(rest)}",) if rest else ()
    return Selection(systems, ordered, notes)


def _mean(system: System) -> float:
    """Return the mean of the entries' own head metrics, for order only."""
    values = [e.metrics.get(e.task.head_metric, 0.0) for e in system.entries.values()]
    return sum(values) / len(values)


def _ground(system: System, wanted: Wanted) -> tuple[str, str, frozenset[str]]:
    """Return a system's query set, its best covered group and the tasks of it."""
    by_group: dict[str, set[str]] = {}
    for entry in system.entries.values():
        by_group.setdefault("" if wanted.tasks else wanted.group_of(entry), set()).add(
            entry.task.name
        )
    group = max(by_group, key=lambda name: len(by_group[name]))
    return system.query_set, group, frozenset(by_group[group])


def _matching(name: str, entries: Sequence[Entry], wanted: Wanted) -> list[System]:
    """Return the variants that a name may stand for."""
    models = {entry.model for entry in entries}
    model, _, variant = (name, "", "") if name in models else name.rpartition(MARK)
    if name not in models and model not in models:
        listing = f"Measured are: {', '.join(sorted(models))}." if models else "None is measured."
        raise UnknownName("measured model", name, models, listing=listing)
    own = [entry for entry in entries if entry.model == model]
    known = known_systems(filter(wanted.lets_through, own))
    found = [system for system in known if system.variant.startswith(variant)]
    if not found:
        have = ", ".join(map(_told, known_systems(own)))
        lacks = "is no variant that was measured" if known else "has no entry"
        told = f"{name!r} {lacks} {wanted.described}".rstrip()
        raise BadInput(told, fix=f"Measured was: {have}.")
    return [replace(system, label=name) for system in found]


def _told(system: System) -> str:
    """Return what a system was measured on, in a few words."""
    tasks = tuple(system.entries)
    more = f" and {len(tasks) - MOST_TOLD} more" if len(tasks) > MOST_TOLD else ""
    return f"{system.label} on {', '.join(tasks[:MOST_TOLD])}{more} ({system.query_set} queries)"


def _shared_tasks(
    names: Sequence[str], matches: Sequence[Sequence[System]], wanted: Wanted
) -> tuple[str, ...]:
    """Return the wanted tasks, or those of the group of which the systems share most."""
    if wanted.tasks:
        return wanted.tasks
    covered: list[dict[str, str]] = [
        {task: wanted.group_of(entry) for system in found for task, entry in system.entries.items()}
        for found in matches
    ]
    shared = [task for task in covered[0] if all(task in each for each in covered)]
    if not shared:
        raise _nothing_shared(names, matches)
    groups = [covered[0][task] for task in shared]
    group = max(groups, key=groups.count)
    names_of_group = {task for each in covered for task, own in each.items() if own == group}
    return _ordered(names_of_group, wanted.groups.get(group, ()))


def _ordered(tasks: Iterable[str], members: Sequence[str]) -> tuple[str, ...]:
    """Return tasks in their group's order, others after them by name."""
    given = set(tasks)
    return (*(task for task in members if task in given), *sorted(given - set(members)))


def _only_variant(name: str, found: Sequence[System], wanted: Wanted) -> System:
    """Return the one variant that has entries on the tasks; raises `BadInput` for several."""
    left = [system for system in found if system.entries]
    if len(left) == 1:
        return left[0]
    told = _differences([settings(next(iter(each.entries.values()))) for each in left])
    described = "; ".join(
        f"{each.model}{MARK}{each.variant} ({what}, {len(each.entries)} tasks)"
        for each, what in zip(left, told, strict=True)
    )
    if not left:
        raise BadInput(f"{name!r} was not measured on these tasks", fix="Name other --tasks.")
    fix = "Name one of them" + ("." if wanted.query_set else ", or choose with --query-set.")
    raise BadInput(f"{name!r} was measured in {len(left)} variants: {described}", fix=fix)


def _differences(found: Sequence[Mapping[str, Json]]) -> list[str]:
    """Return, for each of several settings, what it has otherwise than the rest."""
    flat = [_flat(each) for each in found]
    keys = sorted({key for each in flat for key in each})
    odd = [key for key in keys if len({each.get(key, "–") for each in flat}) > 1]
    return [", ".join(f"{key}={each.get(key, '–')[:40]}" for key in odd[:3]) for each in flat]


def _flat(value: Json, prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted key -> text."""
    if not isinstance(value, Mapping):
        return {prefix: value if isinstance(value, str) else canonical_json(value)}
    found: dict[str, str] = {}
    for key, inner in value.items():
        found.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
    return found


def _nothing_shared(names: Sequence[str], matches: Sequence[Sequence[System]]) -> NotComparable:
    """Return the error for systems that no task was measured for in common."""
    have = "; ".join(
        f"{name} has {', '.join(sorted({task for system in found for task in system.entries}))}"
        for name, found in zip(names, matches, strict=True)
    )
    return NotComparable(
        f"there is no task that all were measured on: {have}",
        fix="Measure them on the same tasks with `rebench eval`.",
    )
