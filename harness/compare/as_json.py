"""A comparison as JSON: unrounded, with what every number was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.compare.comparison import Comparison
from harness.compare.reproduce import Reproduction
from results.systems import System


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison's JSON object; fractions are not rounded."""
    return {
        "metric": comparison.metric,
        "query_set": comparison.query_set,
        "tasks": list(comparison.tasks),
        "systems": [system_json(system) for system in comparison.systems],
        "plan": asdict(comparison.settings),
        "tests": comparison.tests,
        "permutations": comparison.permutations,
        "means": [asdict(each) for each in comparison.means],
        "overall": [asdict(each) for each in comparison.overall],
        "by_task": {
            task: [asdict(each) for each in differences]
            for task, differences in comparison.by_task.items()
        },
        "slices": [asdict(each) for each in comparison.slices],
        "changes": [
            {**asdict(each), "delta": each.delta, "snippets": dict(each.snippets or {})}
            for each in comparison.changes
        ],
        "notes": list(comparison.notes),
    }


def system_json(system: System) -> dict[str, Any]:
    """Return what a system is and which entries it consists of."""
    return {
        "label": system.label,
        "model": system.model,
        "variant": system.variant,
        "settings": system.configuration,
        "entries": {
            task: {
                "identity_hash": entry.identity_hash,
                "task_fingerprint": entry.task.fingerprint,
                "revision": entry.task.revision,
                "queries": entry.task.n_queries,
                "k": entry.k,
                "missing_queries": list(entry.missing_queries),
                "command": list(entry.command),
                "created": entry.created,
            }
            for task, entry in system.entries.items()
        },
    }


def reproduction_json(reproduction: Reproduction) -> dict[str, Any]:
    """Return a reproduction's JSON object."""
    return {
        "system": system_json(reproduction.system),
        "metric": reproduction.metric,
        "query_set": reproduction.query_set,
        "level": reproduction.level,
        "sources": [_plain(asdict(each)) for each in reproduction.sources],
        "left_out": list(reproduction.left_out),
    }


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its tuples as lists."""
    return {key: list(inner) if isinstance(inner, tuple) else inner for key, inner in value.items()}
