"""Canonical JSON and SHA-256 of texts, values and files; task and corpus fingerprints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from harness.core.types import Corpus, Json, Query, Task, VectorSpace


def canonical_json(value: Json) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN (`ValueError`)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_text(text: str) -> str:
    """Return the hex SHA-256 of a text's UTF-8 (lone surrogates kept apart)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha256_json(value: Json) -> str:
    """Return the hex SHA-256 of a value's canonical JSON."""
    return sha256_text(canonical_json(value))


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_parts(parts: Iterable[str]) -> str:
    """Return the hex SHA-256 of a sequence of texts, each preceded by its length in bytes."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def task_fingerprint(task: Task) -> str:
    """Return the hash of all that scoring depends on: name, judgements, exclusions, head metric.

    Aspects belong to it where a task has any. Query texts and the corpus have fingerprints of their
    own, so that a run scored without its documents compares with one that was searched here. A
    `corpus_key` stands readable in front.
    """
    judged = {qid: dict(task.qrels[qid]) for qid in task.qrels}
    parts = [task.name, task.head_metric, canonical_json(judged)]
    for qid in sorted(task.excluded):
        parts.append(qid)
        parts.extend(sorted(task.excluded[qid]))
    if task.aspects:
        aspects = {qid: asdict(each) for qid, each in task.aspects.items()}
        parts.extend(("aspects", canonical_json(aspects)))
    digest = sha256_parts(parts)
    return f"{task.corpus_key}:{digest}" if task.corpus_key else digest


def queries_fingerprint(queries: Iterable[Query]) -> str:
    """Return the hash of query ids and texts, in id order."""
    ordered = sorted(queries, key=lambda query: query.id)
    return sha256_parts(part for query in ordered for part in (query.id, query.text))


def corpus_fingerprint(corpus: Corpus) -> str:
    """Return the hash of document ids and texts, whatever their order in the file."""
    order = sorted(range(len(corpus)), key=corpus.ids.__getitem__)
    return sha256_parts(part for row in order for part in (corpus.ids[row], corpus.texts[row]))


def space_fingerprint(space: VectorSpace) -> str:
    """Return the hash that names a vector space's folder in the cache: 32 hex digits."""
    return sha256_json(space_fields(space))[:32]


def space_fields(space: VectorSpace) -> dict[str, Json]:
    """Return a space's fields as they are stored and hashed.

    The kind is left out of dense spaces: those that were stored before there was another keep
    their hash.
    """
    fields: dict[str, Json] = asdict(space)
    if space.kind == "dense":
        del fields["kind"]
    return fields
