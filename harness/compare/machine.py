"""A comparison as JSON: unrounded, with what every number was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.compare.build import Comparison
from harness.compare.reproduce import Reproduction
from results.systems import System


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison's JSON object; fractions are not rounded."""
    return {
        "metric": found.metric,
        "query_set": found.query_set,
        "tasks": list(found.tasks),
        "systems": [system_json(system) for system in found.systems],
        "plan": asdict(found.plan),
        "tests": found.tests,
        "permutations": found.permutations,
        "means": [asdict(each) for each in found.means],
        "overall": [asdict(each) for each in found.overall],
        "by_task": {task: [asdict(each) for each in own] for task, own in found.by_task.items()},
        "slices": [asdict(each) for each in found.slices],
        "changes": [
            {**asdict(each), "delta": each.delta, "snippets": dict(each.snippets or {})}
            for each in found.changes
        ],
        "notes": list(found.notes),
    }


def system_json(system: System) -> dict[str, Any]:
    """Return what a system is and which entries it stands for."""
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


def reproduction_json(found: Reproduction) -> dict[str, Any]:
    """Return a reproduction's JSON object."""
    return {
        "system": system_json(found.system),
        "metric": found.metric,
        "query_set": found.query_set,
        "level": found.level,
        "sources": [_plain(asdict(each)) for each in found.sources],
        "left_out": list(found.left_out),
    }


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its tuples as lists."""
    return {key: list(inner) if isinstance(inner, tuple) else inner for key, inner in value.items()}
