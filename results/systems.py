"""Systems: the entries of one model under one configuration, and the names they go by.

The leaderboard, comparisons, reports and exported files all decide here which entries belong
together, so a label that one of them prints is a name that the others take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.hashing import canonical_json, sha256_json
from harness.core.types import Json
from results.schema import Entry

BY_TASK = ("spaces", "external_run", "part_runs")
"""Parts of an identity that differ between the tasks of one system: the instructions, the content
of a run that was scored from a file, and that of the runs a pipeline's stage was made from."""

MARK = "#"
"""Stands between a model's name and the first digits of a configuration's hash."""

SHORTEST_HASH = 6
"""Hex digits of a configuration's hash in a name, unless two systems of a model share them."""

LONGEST_SETTING = 16
"""A setting with more characters does not fit a label, which then holds the hash."""

ABSENT = "–"
"""Written for a setting that other systems of the model have and this one lacks."""


@dataclass(frozen=True, slots=True)
class System:
    """A model's entries by task, all measured under one configuration.

    `variant` holds the first digits of the configuration's hash, `label` what the system is
    called in tables: `MODEL#VARIANT`, or the name that it was asked for by.
    """

    label: str
    model: str
    variant: str
    entries: Mapping[str, Entry]

    @property
    def name(self) -> str:
        """`MODEL#VARIANT`, which `systems_named` takes."""
        return f"{self.model}{MARK}{self.variant}"

    @property
    def query_set(self) -> str:
        """The query set that all the entries share."""
        return next(iter(self.entries.values())).task.query_set

    @property
    def configuration(self) -> dict[str, Json]:
        """The settings that all the entries share."""
        return configuration(next(iter(self.entries.values())))

    def on(self, tasks: Iterable[str]) -> System:
        """Return the system with its entries on these tasks only, in their order."""
        return replace(self, entries={t: self.entries[t] for t in tasks if t in self.entries})


def configuration(entry: Entry) -> dict[str, Json]:
    """Return the settings that an entry shares with all others of its system.

    They are its identity without the parts `BY_TASK`, its query set and, unless the run was
    scored from a file, its depth `k`: such runs have the depth they came with, which may differ
    by task.
    """
    shared: dict[str, Json] = {
        key: value for key, value in entry.identity.items() if key not in BY_TASK
    }
    shared["query_set"] = entry.task.query_set
    return shared if "external_run" in entry.identity else {**shared, "k": entry.k}


def configuration_hash(entry: Entry) -> str:
    """Return the 64 hex digits of an entry's configuration."""
    return sha256_json(configuration(entry))


def oldest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries by age, those of one second in the order given."""
    return sorted(entries, key=lambda entry: entry.created)


def all_systems(entries: Iterable[Entry]) -> tuple[System, ...]:
    """Return every system, by name and variant; the newest entry on a task counts."""
    by_system: dict[tuple[str, str], dict[str, Entry]] = {}
    for entry in oldest_first(entries):
        by_system.setdefault((entry.model, configuration_hash(entry)), {})[entry.task.name] = entry
    keys = sorted(by_system)
    return tuple(
        System(f"{model}{MARK}{variant}", model, variant, by_system[model, digits])
        for (model, digits), variant in zip(keys, _variants(keys), strict=True)
    )


def systems_named(name: str, entries: Iterable[Entry]) -> tuple[System, ...]:
    """Return the systems that a name may mean; none where no such system was measured.

    A name is a model's, `MODEL#DIGITS` with the first digits of a configuration's hash, or a
    leaderboard's label `MODEL (key=value, …)`.
    """
    systems = all_systems(entries)
    model, selector = split_name(name, {system.model for system in systems})
    return tuple(
        system for system in systems if system.model == model and _selects(selector, system)
    )


def split_name(name: str, models: Iterable[str]) -> tuple[str, str]:
    """Return a known model's name and what follows it in `name`; unknown names come back whole."""
    known = set(models)
    if name in known:
        return name, ""
    for model, mark, selector in (name.rpartition(MARK), name.rpartition(" (")):
        if mark and model in known and (mark == MARK or selector.endswith(")")):
            return model, f"{mark}{selector}"
    return name, ""


def labels_of(model: str, entries: Sequence[Entry]) -> list[str]:
    """Return a label for each of several systems of a model, given one entry of each.

    A label names the one or two short settings that differ (`bm25 (k=100)`), or the hash of the
    configuration (`bm25#0a1b2c`). A single system needs no more than the model's name.
    """
    if len(entries) < 2:
        return [model] * len(entries)
    differing = differing_settings(entries)
    texts = [
        ", ".join(f"{_short_key(key)}={value}" for key, value in each.items()) for each in differing
    ]
    settings = len(differing[0])
    short = settings <= 2 and max(map(len, texts)) <= LONGEST_SETTING * settings
    if short and all(map(str.isprintable, texts)) and _unambiguous(texts, entries):
        return [f"{model} ({text})" for text in texts]
    keys = [(model, configuration_hash(entry)) for entry in entries]
    return [f"{model}{MARK}{variant}" for variant in _variants(keys)]


def differing_settings(entries: Sequence[Entry]) -> list[dict[str, str]]:
    """Return, for each of several entries, the settings in which not all agree.

    Keys are dotted, in alphabetical order and the same for all entries; a setting that an entry
    lacks is `ABSENT`.
    """
    flat = [_flat(configuration(entry)) for entry in entries]
    keys = sorted({key for each in flat for key in each})
    differing = [key for key in keys if len({each.get(key, ABSENT) for each in flat}) > 1]
    return [{key: each.get(key, ABSENT) for key in differing} for each in flat]


def _variants(keys: Sequence[tuple[str, str]]) -> list[str]:
    """Return the digits that tell apart (model, hash) pairs among those of the same model."""
    length = SHORTEST_HASH
    longest = max((len(digits) for _, digits in keys), default=0)
    while length < longest:
        shown = Counter((model, digits[:length]) for model, digits in set(keys))
        if max(shown.values()) == 1:
            break
        length += 1
    return [digits[:length] for _, digits in keys]


def _selects(selector: str, system: System) -> bool:
    """Tell whether the part of a name behind the model's fits a system of that model."""
    if selector.startswith(MARK):
        first = next(iter(system.entries.values()))
        return configuration_hash(first).startswith(selector.removeprefix(MARK))
    if selector:
        settings = _flat(system.configuration)
        return _describes(selector.removeprefix(" (").removesuffix(")"), settings)
    return True


def _unambiguous(texts: Sequence[str], entries: Sequence[Entry]) -> bool:
    """Tell whether each text describes the configuration of one entry only."""
    settings = [_flat(configuration(entry)) for entry in entries]
    return all(sum(_describes(text, each) for each in settings) == 1 for text in texts)


def _describes(text: str, settings: Mapping[str, str]) -> bool:
    """Tell whether `key=value, key=value` holds of settings, keys being the ends of dotted ones.

    Values may hold commas, so the text is read against the settings and not split.
    """
    head, _, rest = text.partition(", ")
    if head.endswith(f"={ABSENT}"):
        key = head.removesuffix(f"={ABSENT}")
        if all(_short_key(each) != key for each in settings):
            return not rest or _describes(rest, settings)
    parts = (f"{_short_key(key)}={value}" for key, value in settings.items())
    return any(
        text == part
        or (text.startswith(f"{part}, ") and _describes(text[len(part) + 2 :], settings))
        for part in parts
    )


def _short_key(key: str) -> str:
    """Return the last part of a dotted key."""
    return key.rpartition(".")[2]


def _flat(value: Json, prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted key -> text."""
    if not isinstance(value, Mapping):
        return {prefix: value if isinstance(value, str) else canonical_json(value)}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        flat.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
    return flat
