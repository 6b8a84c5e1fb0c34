"""What a measured entry holds, and its exact form in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from harness.core.checksums import CHECKSUM, check_document, with_checksum
from harness.core.errors import StoreError
from harness.core.hashing import canonical_json, sha256_json
from harness.core.types import Json
from results.strict_object import StrictObject

SCHEMA = 2
"""The version written into each entry; any key that comes, goes or changes meaning raises it.

2: an entry carries its checksum. Entries of version 1 are read, and have none."""


CHECKSUM_SCHEMA = 2
"""The first version that carries a checksum."""


class NewerSchema(StoreError):
    """An entry that a later release wrote; it must be neither misread nor overwritten."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a task that entries were stored under is called now, and which gold they stand on."""

    name: str
    gold: str


RENAMED = {"stdlib": Renamed("stdlib-oblique", gold="1")}
"""Former task -> what it is now; it was a group of its own, and its folders keep its name."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What an entry says of its task: enough to tell whether two entries stand on one ground.

    The fingerprints are those of `harness.core.hashing`; `corpus_fingerprint` and `n_documents`
    are `None` where a run was scored without its documents. `n_queries` counts judged queries.
    `gold` is the version of judgements that have been replaced since, and is empty for others.
    """

    name: str
    group: str
    revision: str
    fingerprint: str
    corpus_fingerprint: str | None
    query_set: str
    queries_fingerprint: str
    head_metric: str
    n_queries: int
    n_documents: int | None
    notes: tuple[str, ...] = ()
    gold: str = ""

    @property
    def stored_name(self) -> str:
        """Return the name that the entry's file and folder have: the former one if renamed."""
        now = Renamed(self.name, self.gold)
        return next((former for former, new in RENAMED.items() if new == now), self.name)


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The two files beside an `entry.json`: plain names, and SHA-256 of the text inside each.

    The hashes are of the uncompressed UTF-8 text, so they do not depend on the gzip library.
    """

    run: str
    run_sha256: str
    per_query: str
    per_query_sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One model measured on one task.

    `identity` is all that makes the run its own; `metrics` maps a metric (`ndcg@10`) to its
    unrounded mean over the judged queries, those in `missing_queries` counted as 0. `k` is the
    depth of the run, `timings` seconds per phase, `command` the command line (nothing secret is
    ever on it), `created` a UTC time in ISO 8601. `files` is `None` until the entry is stored.
    Two entries with equal JSON are equal; give lists, not tuples, inside `identity`, `facts`
    and `environment`.
    """

    model: str
    identity: Mapping[str, Json]
    task: TaskFacts
    metrics: Mapping[str, float]
    missing_queries: tuple[str, ...]
    k: int
    timings: Mapping[str, float]
    facts: Mapping[str, Json]
    environment: Mapping[str, Json]
    command: tuple[str, ...]
    created: str
    files: StoredFiles | None = None
    schema: int = SCHEMA

    @property
    def identity_hash(self) -> str:
        """Return `identity_hash(identity, task, k)`."""
        return identity_hash(self.identity, self.task, self.k)

    @property
    def has_checksum(self) -> bool:
        """Return whether its stored form carries a checksum: earlier releases wrote none."""
        return self.schema >= CHECKSUM_SCHEMA


def identity_hash(identity: Mapping[str, Json], task: TaskFacts, k: int) -> str:
    """Return the 64 hex digits under which a result is "already measured".

    Covers the identity, the three fingerprints and the depth; not names, times or machines.
    Raises `ValueError` or `TypeError` where the identity is not JSON.
    """
    return sha256_json(
        {
            "identity": identity,
            "task": task.fingerprint,
            "queries": task.queries_fingerprint,
            "corpus": task.corpus_fingerprint,
            "k": k,
        }
    )


def to_json(entry: Entry) -> dict[str, Json]:
    """Return the JSON object of a stored entry; raises `ValueError` if it has no files yet."""
    if entry.files is None:
        raise ValueError("only a stored entry has a JSON form; ResultStore.save makes it")
    document: dict[str, Json] = {
        "schema": entry.schema,
        "model": entry.model,
        "identity_hash": entry.identity_hash,
        "identity": entry.identity,
        "task": _task_json(entry.task),
        "k": entry.k,
        "metrics": entry.metrics,
        "missing_queries": list(entry.missing_queries),
        "files": asdict(entry.files),
        "timings": entry.timings,
        "facts": entry.facts,
        "environment": entry.environment,
        "command": list(entry.command),
        "created": entry.created,
    }
    return with_checksum(document) if entry.has_checksum else document


def from_json(value: Any, file: Path) -> Entry:
    """Return the entry that a JSON value holds; `file` is named in errors.

    Raises `NewerSchema` for an entry of a later release, `StoreError` for a missing, mistyped or
    unknown key and for contents that contradict the identity hash written beside them.
    """
    if not isinstance(value, dict):
        raise StoreError(
            f"{file}: should hold an object, found {type(value).__name__}",
            fix="The file is damaged: measure again with --force.",
        )
    fields = StrictObject(value, str(file))
    schema = _schema(fields)
    _refuse_nan(value, file)
    entry = Entry(
        schema=schema,
        model=fields.text("model"),
        identity=fields.json("identity"),
        task=_task(fields.object("task")),
        metrics=fields.numbers("metrics"),
        missing_queries=fields.texts("missing_queries"),
        files=_files(fields.object("files")),
        k=fields.integer("k", least=1),
        timings=fields.numbers("timings"),
        facts=fields.json("facts"),
        environment=fields.json("environment"),
        command=fields.texts("command"),
        created=_utc(fields, "created"),
    )
    if fields.text("identity_hash") != entry.identity_hash:
        raise fields.fault("identity_hash", "is not the hash of what the file holds")
    fields.finish(CHECKSUM)
    check_document(value, str(file), fix=fields.fix, needed=entry.has_checksum)
    return entry


def _task_json(task: TaskFacts) -> dict[str, Json]:
    """Return what an entry's file says of its task."""
    told = {**asdict(task), "name": task.stored_name, "notes": list(task.notes)}
    del told["gold"]
    return told


def _refuse_nan(value: Json, file: Path) -> None:
    """Refuse NaN and infinities at any depth: Python's reader lets them through."""
    try:
        canonical_json(value)
    except ValueError as error:
        raise StoreError(
            f"{file}: holds a number that is not finite",
            fix="The file is damaged: measure again with --force.",
        ) from error


def _schema(fields: StrictObject) -> int:
    """Return the schema version if it is ours."""
    schema = fields.integer("schema", least=1)
    if schema > SCHEMA:
        # The checksum covers the version: a wrong one means that the version may be damage.
        check_document(fields.data, fields.where, fix=fields.fix, needed=False)
        raise NewerSchema(
            f"{fields.where}: schema version {schema}, this release reads up to {SCHEMA}",
            fix="A newer rebench wrote it: upgrade rebench, or use another results folder.",
        )
    return schema


def _task(fields: StrictObject) -> TaskFacts:
    """Read what an entry says of its task."""
    name, group = fields.text("name"), fields.text("group", empty=True)
    renamed = RENAMED.get(name) if group == name else None
    task = TaskFacts(
        name=renamed.name if renamed else name,
        group=group,
        revision=fields.text("revision", empty=True),
        fingerprint=fields.text("fingerprint"),
        corpus_fingerprint=fields.optional_text("corpus_fingerprint"),
        query_set=fields.text("query_set"),
        queries_fingerprint=fields.text("queries_fingerprint"),
        head_metric=fields.text("head_metric"),
        n_queries=fields.integer("n_queries"),
        n_documents=fields.optional_integer("n_documents"),
        notes=fields.texts("notes"),
        gold=renamed.gold if renamed else "",
    )
    fields.finish()
    return task


def _files(fields: StrictObject) -> StoredFiles:
    """Read the names of the two files; nothing outside the entry's folder may be named."""
    files = StoredFiles(
        run=_file_name(fields, "run"),
        run_sha256=fields.text("run_sha256"),
        per_query=_file_name(fields, "per_query"),
        per_query_sha256=fields.text("per_query_sha256"),
    )
    fields.finish()
    return files


def _file_name(fields: StrictObject, key: str) -> str:
    name = fields.text(key)
    if name.startswith(".") or any(character in name for character in "/\\\0:"):
        raise fields.fault(key, f"should be a plain file name, found {name!r}")
    return name


def _utc(fields: StrictObject, key: str) -> str:
    """Read a time that names UTC."""
    text = fields.text(key)
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except ValueError as error:
        raise fields.fault(key, f"is no ISO 8601 time: {text!r}") from error
    if offset != timedelta(0):
        raise fields.fault(key, f"should be a UTC time, found {text!r}")
    return text
