"""Bundles of small made-up entries, and ways of changing them with and without new checksums."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bundles import bundle_of
from harness.core.checksums import with_checksum
from harness.core.errors import StoreError
from harness.data.bright_tasks import REVISION
from results.bundle import ENTRY, PER_QUERY, RUN, Bundle, _texts, make_bundle, pack, unpack
from results.bundle_frame import deflated, framed, stored
from results.schema import _task, from_json, identity_hash, to_json
from results.store import ResultStore
from results.strict_object import StrictObject
from tests.helpers.measured_store import make_task, measure

RANKS = (1, 2, 3, None, 5, 6, 1, 12)
"""Where the gold document of each query stands in the bundle that is tampered with."""


def sample_bundle(folder: Path) -> Bundle:
    """Return the bundle of an entry that is measured into `folder`, with its judgements."""
    store = ResultStore(folder)
    facts = {"documents": 9, "encoder": "plain"}
    return bundle_of(
        store, measure(store, "org/m", make_task(revision=REVISION), RANKS, facts=facts)
    )


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return a bundle's bytes after one random fault that leaves the checksums as they are."""
    at = rng.randrange(len(data))
    length = rng.randrange(1, 40)
    other = bytes(rng.randrange(256) for _ in range(length))
    faults: tuple[Callable[[], bytes], ...] = (
        lambda: data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
        lambda: data[:at] + other + data[at:],
        lambda: data[:at] + data[at + length :],
        lambda: data[:at],
        lambda: data + other,
        lambda: data[:at] + data[at : at + length] + data[at:],
        lambda: _edited(data, rng),
    )
    changed = rng.choice(faults)()
    return changed if changed != data else data[:-1]


def _edited(data: bytes, rng: random.Random) -> bytes:
    """Return the archive with a part changed and packed anew, under the old manifest."""
    bundle = unpack(data, "a sample")
    parts = _parts(bundle)
    name = rng.choice((ENTRY, PER_QUERY, RUN))
    at = rng.randrange(len(parts[name]))
    parts[name] = parts[name][:at] + bytes([parts[name][at] ^ 1]) + parts[name][at + 1 :]
    size = int.from_bytes(data[18:22], "little")
    manifest = data[43 : 43 + size]
    members = [deflated(each, text) for each, text in parts.items()]
    return framed([stored("manifest.json", manifest), *members])


def _parts(bundle: Bundle) -> dict[str, bytes]:
    return {name: text.encode("utf-8") for name, text in _texts(bundle).items()}


@dataclass(frozen=True, slots=True)
class Tampered:
    """The bytes of a bundle with right checksums, and which part of it was changed.

    `data` is `None` where nothing that a bundle can hold was left.
    """

    part: str
    data: bytes | None


def tampered(bundle: Bundle, rng: random.Random) -> Tampered:
    """Return a bundle with one random change somewhere, whose checksums are made anew."""
    kind = rng.choice(("entry", "per_query", "both", "run", "run"))
    if kind == "run":
        return Tampered("run", _sealed(_with_run(bundle, rng)))
    values = {metric: dict(row) for metric, row in bundle.per_query.items()}
    entry = _json_of(bundle)
    part = kind
    if kind == "entry":
        part = _change_entry(entry, rng)
    else:
        metric = rng.choice(sorted(values))
        query = rng.choice(sorted(values[metric]))
        before, after = values[metric][query], round(rng.random(), rng.choice((1, 3, 17)))
        values[metric][query] = after if after != before else (before + 0.3) % 1
        if kind == "both":
            row = values[metric]
            entry["metrics"][metric] = sum(row.values()) / len(row)
    try:
        return Tampered(part, _sealed(_resealed(entry, values, bundle.run_text)))
    except StoreError:
        return Tampered(part, None)


def _with_run(bundle: Bundle, rng: random.Random) -> Bundle:
    """Return a bundle whose run has two documents swapped, one renamed, or a score changed."""
    lines = [line.split("\t") for line in bundle.run_text.splitlines()]
    at = rng.randrange(len(lines) - 1)
    kind = rng.choice(("swap", "rename", "score", "drop"))
    if kind == "swap":
        lines[at][2], lines[at + 1][2] = lines[at + 1][2], lines[at][2]
    elif kind == "rename":
        lines[at][2] = f"new-{rng.randrange(9)}"
    elif kind == "score":
        lines[at][4] = str(rng.randrange(20) / 2)
    else:
        del lines[at]
    text = "".join("\t".join(line) + "\n" for line in lines)
    return _resealed(_json_of(bundle), bundle.per_query, text)


def _change_entry(entry: dict[str, Any], rng: random.Random) -> str:
    """Change one value of an entry in place, at any depth; return its top key."""
    leaves = [
        (key, path)
        for key in sorted(entry)
        if key not in ("files", "checksum", "identity_hash", "schema")
        for path in _leaves(entry[key])
    ]
    key, path = rng.choice(leaves)
    holder: Any = entry
    for step in (key, *path)[:-1]:
        holder = holder[step]
    last = (key, *path)[-1]
    holder[last] = _another(holder[last], rng)
    return key


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for at, each in enumerate(value) for leaf in _leaves(each, (*path, at))]
    return [path]


def _another(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool) or value is None:
        return "changed"
    if isinstance(value, int):
        return max(1, value + rng.choice((-1, 1, 7)))
    if isinstance(value, float):
        return rng.random()
    if value.startswith("2026-"):
        return value.replace("2026", "2025")
    return f"{value}{rng.randrange(9)}"


def _json_of(bundle: Bundle) -> dict[str, Any]:
    return copy.deepcopy(dict(to_json(bundle.entry)))


def _resealed(entry: dict[str, Any], values: Any, run_text: str) -> Bundle:
    """Return a bundle with every hash and checksum made anew, its identity hash included."""
    task = _task(StrictObject(entry["task"], "a sample"))
    entry["identity_hash"] = identity_hash(entry["identity"], task, entry["k"])
    read = from_json(with_checksum(json.loads(json.dumps(entry))), Path("a sample"))
    return make_bundle(read, values, run_text)


def _sealed(bundle: Bundle) -> bytes | None:
    """Return the bytes of a tampered bundle, `None` if not even its form allows it."""
    try:
        return pack(bundle)
    except StoreError:
        return None
