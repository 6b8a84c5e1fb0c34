"""Rows of one model name, told apart: by the settings they were measured with, or by source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.core.hashing import canonical_json, sha256_json
from harness.core.types import Json
from harness.leaderboard.rows import Kind, Row
from results.schema import Entry

BY_TASK = ("spaces", "external_run")
"""Parts of an identity that change from task to task: instructions, and a given run's content."""

LONGEST = 16
"""A setting longer than this does not fit a label; its hash stands there."""


def settings(entry: Entry) -> dict[str, Json]:
    """Return what an entry's row shares over all its tasks: its identity and the run's depth.

    A run that was given has the depth it came with, which may differ by task.
    """
    own = {key: value for key, value in entry.identity.items() if key not in BY_TASK}
    return own if "external_run" in entry.identity else {**own, "k": entry.k}


def variant(entry: Entry) -> str:
    """Return what tells apart rows of one model name."""
    return canonical_json(settings(entry))


def labelled(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with labels where several of one kind share a model name.

    A label names the one or two short settings that differ (`bm25 (k=100)`), else a hash; and
    for a row that was not measured here, whose numbers they are (`bm25 (anserini)`).
    """
    given = list(rows)
    by_name: dict[tuple[Kind, str], list[Row]] = {}
    for row in given:
        by_name.setdefault((row.kind, row.model), []).append(row)
    labels: dict[int, str] = {}
    for (kind, model), same in by_name.items():
        if len(same) > 1:
            if kind == "measured":
                told = _differences([_flat(settings(row.entries[0])) for row in same])
            else:
                told = _numbered([row.tag for row in same])
            labels.update(
                (id(row), f"{model} ({what})") for row, what in zip(same, told, strict=True)
            )
    return [replace(row, label=labels[id(row)]) if id(row) in labels else row for row in given]


def _numbered(tags: Sequence[str]) -> list[str]:
    """Return the tags, those that repeat with a number behind them."""
    return [
        tag if tags.count(tag) == 1 else f"{tag} {tags[: at + 1].count(tag)}"
        for at, tag in enumerate(tags)
    ]


def _differences(flat: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a short text for each of several settings, no two of them equal."""
    keys = sorted({key for each in flat for key in each})
    differing = [key for key in keys if len({each.get(key, "–") for each in flat}) > 1]
    texts = [
        ", ".join(f"{key.rpartition('.')[2]}={each.get(key, '–')}" for key in differing)
        for each in flat
    ]
    short = len(differing) <= 2 and max(map(len, texts)) <= LONGEST * len(differing)
    if short and len(set(texts)) == len(texts):
        return texts
    return [sha256_json(dict(each))[:6] for each in flat]


def _flat(value: Json, prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted key -> text."""
    if not isinstance(value, Mapping):
        return {prefix: value if isinstance(value, str) else canonical_json(value)}
    found: dict[str, str] = {}
    for key, inner in value.items():
        found.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
    return found
