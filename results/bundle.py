"""One measured entry as one file that travels: the entry, its run and its values, no texts.

A bundle may come from a stranger. Reading one makes no file, follows no link and runs no code;
sizes are bounded before anything is unpacked, and each part has one possible form: what is read is
written again and compared, so nothing is hidden between the lines.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.checksums import check_document, with_checksum
from harness.core.errors import BadInput, RebenchError, StoreError
from harness.core.files import parse_json
from harness.core.hashing import sha256_json, sha256_text
from harness.core.types import Json
from results.bundle_frame import (
    DEFLATED,
    MAX_BYTES,
    MAX_EXPANSION,
    MIB,
    Member,
    deflated,
    first_member,
    framed,
    inflated,
    sliced,
    stored,
)
from results.per_query import PerQuery, checked_metrics
from results.schema import SCHEMA, Entry, NewerSchema, StoredFiles, from_json, to_json
from results.store import safe_name
from results.strict_object import StrictObject

SUFFIX = ".bundle.zip"
KIND = "rebench bundle"
FORMAT = 1
"""Raised by any change of what a bundle holds or how."""

MANIFEST, ENTRY, PER_QUERY, RUN = "manifest.json", "entry.json", "per_query.json", "run.trec"
MOST_MANIFEST = MIB
MOST_BYTES = {ENTRY: 4 * MIB, PER_QUERY: 64 * MIB, RUN: 256 * MIB}
"""The parts behind the manifest, in order, and how large each may be, unpacked."""

LONGEST_NAME = 115
"""Characters in a name, percent-encoded: two of them fit into the name of a file."""

RESULT = "result"
"""The key of an identity that numbers the further results which were imported under it."""

ORIGIN = "bundle"
"""The fact of an imported entry: the digest of the bundle that it came from."""

LINEAGE = ("external_run", "part_runs", "pipeline", "lineage")
"""Parts of an identity that name what an entry was made from."""

TOLERANCE = 1e-9
"""By how much a mean may differ from that of its values: sums may be rounded in another order."""

_FINGERPRINT = re.compile(r"(?:[\w.+-]{1,100}:)?[0-9a-f]{64}")
_FIX = "Ask whoever made it for the file again; `rebench export --format bundle` writes one."


class RefusedBundle(BadInput):
    """A file that is no sound bundle."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}", fix=_FIX)


@dataclass(frozen=True, slots=True)
class Bundle:
    """An entry with its values by metric and query and its run, as TREC lines.

    The entry names the two by their hashes, as a stored one does.
    """

    entry: Entry
    per_query: PerQuery
    run_text: str

    @property
    def digest(self) -> str:
        """Return the hash of what the bundle holds; it does not depend on the compression."""
        return sha256_json({name: sha256_text(text) for name, text in _texts(self).items()})


def make_bundle(entry: Entry, per_query: PerQuery, run_text: str) -> Bundle:
    """Return the bundle of an entry, which loses the names that its files had in a store."""
    values = json.dumps(per_query, allow_nan=False, separators=(",", ":"))
    files = StoredFiles(RUN, sha256_text(run_text), PER_QUERY, sha256_text(values))
    return Bundle(replace(entry, files=files, schema=SCHEMA), per_query, run_text)


def pack(bundle: Bundle) -> bytes:
    """Return the bytes of a bundle: the same for equal entries, on the same zlib library.

    They are read back once. Raises `StoreError` for an entry whose bundle no reader would take,
    since it is too large or has a name that is not allowed.
    """
    members = [deflated(name, text.encode("utf-8")) for name, text in _texts(bundle).items()]
    data = _framed(bundle.entry, members)
    try:
        unpack(data, f"the bundle of {bundle.entry.model} on {bundle.entry.task.name}")
    except RefusedBundle as error:
        raise StoreError(
            error.message, fix="Share its run instead: rebench export --format trec"
        ) from error
    return data


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's file; raises as `unpack` does, and for a link or what is no file."""
    if path.is_symlink():
        raise RefusedBundle(str(path), "is a link; name the file itself")
    try:
        if not path.is_file():
            raise RefusedBundle(str(path), "is not a file" if path.exists() else "is not there")
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedBundle(str(path), f"cannot be read: {error.strerror or error}") from error
    return unpack(data, str(path))


def unpack(data: bytes, where: str) -> Bundle:
    """Return the bundle that bytes hold; `where` names them in errors.

    Raises `RefusedBundle` for anything but what `pack` makes of some entry, and `NewerSchema` for
    what a later release wrote. Nothing is unpacked before its size and the hash of its packed
    bytes are checked. Whether the numbers follow from the run is not known yet.
    """
    try:
        return _unpacked(data, where)
    except (RefusedBundle, NewerSchema):
        raise
    except RebenchError as error:
        raise RefusedBundle(where, error.message.removeprefix(f"{where}: ")) from error
    except RecursionError as error:
        raise RefusedBundle(where, "objects or lists are nested too deeply") from error


def _unpacked(data: bytes, where: str) -> Bundle:
    if len(data) > MAX_BYTES:
        raise RefusedBundle(where, f"has more than {MAX_BYTES // MIB} MiB")
    first = first_member(data, MANIFEST, MOST_MANIFEST)
    manifest = None if first is None else _parsed(first, MANIFEST, where)
    if first is None or not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise RefusedBundle(where, "is no bundle of rebench")
    check_document(manifest, where, fix=_FIX, needed=True)
    _check_format(manifest, where)
    members, texts = _members(data, first, manifest, where)
    entry = from_json(_parsed(texts[ENTRY], ENTRY, where), Path(where))
    per_query = checked_metrics(_parsed(texts[PER_QUERY], PER_QUERY, where), Path(where))
    bundle = Bundle(entry, per_query, _decoded(texts[RUN], RUN, where))
    _check_names(entry, where)
    _check_means(bundle, where)
    again = {name: text.encode("utf-8") for name, text in _texts(bundle).items()}
    if again != texts or _framed(entry, members) != data:
        raise RefusedBundle(where, "does not have the one form that the bundle of its entry has")
    return bundle


def _check_format(manifest: Mapping[str, Any], where: str) -> None:
    """Refuse bundles of later releases, in words."""
    version = StrictObject(manifest, where, fix=_FIX).integer("format", least=1)
    if version > FORMAT:
        raise NewerSchema(
            f"{where}: bundle format {version}, this release reads up to {FORMAT}",
            fix="A newer rebench wrote it: upgrade rebench.",
        )


def _members(
    data: bytes, first: bytes, manifest: Mapping[str, Any], where: str
) -> tuple[list[Member], dict[str, bytes]]:
    """Return the members behind the manifest, and their texts.

    All sizes and the hashes of the packed bytes are right before any of them is unpacked.
    """
    files = StrictObject(manifest, where, fix=_FIX).object("files")
    listed = {name: files.object(name) for name in MOST_BYTES}
    files.finish()
    sizes = {name: facts.integer("bytes") for name, facts in listed.items()}
    if problem := _too_large(len(data), sizes):
        raise RefusedBundle(where, problem)
    lengths = {name: facts.integer("packed_bytes") for name, facts in listed.items()}
    packed = sliced(data, MANIFEST, len(first), lengths)
    for name, part in packed.items():
        if _sha256(part) != listed[name].text("packed_sha256"):
            raise RefusedBundle(where, f"{name} is not what the manifest says: it was changed")
    members, texts = [], {}
    for name, part in packed.items():
        text = inflated(part, sizes[name])
        if text is None or _sha256(text) != listed[name].text("sha256"):
            raise RefusedBundle(where, f"{name} does not unpack to what the manifest says")
        members.append(replace(stored(name, text), packed=part, method=DEFLATED))
        texts[name] = text
    return members, texts


def _too_large(packed: int, sizes: Mapping[str, int]) -> str:
    """Return which limit a bundle of so many bytes, with members of these sizes, breaks."""
    if packed > MAX_BYTES:
        return f"has more than {MAX_BYTES // MIB} MiB"
    for name, size in sizes.items():
        if size > MOST_BYTES[name]:
            return f"holds a {name} of more than {MOST_BYTES[name] // MIB} MiB"
    if sum(sizes.values()) > MAX_EXPANSION * packed:
        return f"unpacks to more than {MAX_EXPANSION} times its size"
    return ""


def _texts(bundle: Bundle) -> dict[str, str]:
    """Return the text of each member behind the manifest, in order."""
    return {
        ENTRY: json.dumps(to_json(bundle.entry), indent=1, allow_nan=False) + "\n",
        PER_QUERY: json.dumps(bundle.per_query, allow_nan=False, separators=(",", ":")),
        RUN: bundle.run_text,
    }


def _framed(entry: Entry, members: Sequence[Member]) -> bytes:
    """Return the archive of an entry's members, its manifest first."""
    packages = entry.environment.get("packages")
    manifest: dict[str, Json] = {
        "kind": KIND,
        "format": FORMAT,
        "identity_hash": entry.identity_hash,
        "model": entry.model,
        "task": entry.task.stored_name,
        "query_set": entry.task.query_set,
        "judgements": entry.task.fingerprint,
        "lineage": {key: entry.identity[key] for key in LINEAGE if key in entry.identity},
        "versions": packages if isinstance(packages, dict) else {},
        "files": {
            each.name: {
                "bytes": each.size,
                "packed_bytes": len(each.packed),
                "packed_sha256": _sha256(each.packed),
                "sha256": each.sha256,
            }
            for each in members
        },
    }
    text = json.dumps(with_checksum(manifest), indent=1, allow_nan=False) + "\n"
    return framed((stored(MANIFEST, text.encode("utf-8")), *members))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _decoded(data: bytes, name: str, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedBundle(where, f"{name} is not UTF-8 text") from error


def _parsed(data: bytes, name: str, where: str) -> Any:
    return parse_json(_decoded(data, name, where), f"{where}, {name}")


def _check_names(entry: Entry, where: str) -> None:
    """Refuse names that could mislead a reader, a terminal or a file system."""
    task = entry.task
    names = (entry.model, task.name, task.group, task.query_set, task.head_metric, *entry.metrics)
    for name in names:
        if name and (not name.isprintable() or name != name.strip() or _too_long(name)):
            raise RefusedBundle(where, f"{name[:LONGEST_NAME]!r} cannot be a name")
    for fingerprint in filter(None, (task.fingerprint, task.corpus_fingerprint)):
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise RefusedBundle(where, f"{fingerprint[:LONGEST_NAME]!r} is no fingerprint")
    if RESULT in entry.identity or ORIGIN in entry.facts:
        raise RefusedBundle(where, f"holds {RESULT!r} or {ORIGIN!r}, which only an import sets")


def _too_long(name: str) -> bool:
    return len(safe_name(name)) > LONGEST_NAME


def _check_means(bundle: Bundle, where: str) -> None:
    """Refuse means that do not follow from the values beside them; all are from 0 to 1."""
    if bundle.entry.metrics.keys() != bundle.per_query.keys():
        raise RefusedBundle(where, "has means and values of different metrics")
    if bundle.entry.task.head_metric not in bundle.entry.metrics:
        raise RefusedBundle(where, f"has no {bundle.entry.task.head_metric}, its head metric")
    for metric, values in bundle.per_query.items():
        mean, says = math.fsum(values.values()) / max(1, len(values)), bundle.entry.metrics[metric]
        if not 0 <= says <= 1 or abs(mean - says) > TOLERANCE:
            raise RefusedBundle(where, f"says {metric} is {says}, but its values give {mean}")


def unmarked(entry: Entry) -> Entry:
    """Return an entry as its bundle holds it, without the marks of an import."""
    identity = {key: value for key, value in entry.identity.items() if key != RESULT}
    facts = {key: value for key, value in entry.facts.items() if key != ORIGIN}
    return replace(entry, identity=identity, facts=facts)


def marked(bundle: Bundle, result: int) -> Entry:
    """Return a bundle's entry with its origin; from the second `result` on, also with its number.

    The number is part of the identity, so that two results under one identity stand side by side.
    """
    entry = bundle.entry
    identity = {**entry.identity, RESULT: result} if result > 1 else entry.identity
    return replace(entry, identity=identity, facts={**entry.facts, ORIGIN: bundle.digest})


def contested(entries: Iterable[Entry]) -> frozenset[str]:
    """Return the identities (as they were before an import marked them) with several results."""
    return frozenset(unmarked(each).identity_hash for each in entries if RESULT in each.identity)
