"""The JSON form of an entry: lossless, strict, and refusing what a later release wrote."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.checksums import with_checksum
from harness.core.errors import StoreError
from results.schema import (
    SCHEMA,
    Entry,
    NewerSchema,
    StoredFiles,
    TaskFacts,
    from_json,
    identity_hash,
    to_json,
)
from tests.helpers.sample_entries import ENTRY, TASK

FILE = Path("somewhere/entry.json")
STORED = replace(
    ENTRY,
    files=StoredFiles(
        run="run-1.trec.gz", run_sha256="1" * 64, per_query="p.json.gz", per_query_sha256="2" * 64
    ),
)
TASK_JSON: dict[str, object] = json.loads(json.dumps(to_json(STORED)["task"]))

finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(min_size=1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)
tasks = st.builds(
    TaskFacts,
    name=words,
    group=st.text(),
    revision=st.text(),
    fingerprint=words,
    corpus_fingerprint=st.none() | words,
    query_set=words,
    queries_fingerprint=words,
    head_metric=words,
    n_queries=st.integers(min_value=0),
    n_documents=st.none() | st.integers(min_value=0),
    notes=st.lists(st.text(), max_size=3).map(tuple),
)
entries = st.builds(
    Entry,
    model=words,
    identity=json_objects,
    task=tasks,
    metrics=st.dictionaries(st.text(), finite, max_size=4),
    missing_queries=st.lists(st.text(), max_size=3).map(tuple),
    k=st.integers(min_value=1),
    timings=st.dictionaries(st.text(), finite, max_size=3),
    facts=json_objects,
    environment=json_objects,
    command=st.lists(st.text(), max_size=3).map(tuple),
    created=st.just("2026-11-22T10:00:00Z"),
    files=st.just(STORED.files),
)


def as_read(value: object) -> object:
    return json.loads(json.dumps(value))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(entries)
def test_round_trip_keeps_everything(entry: Entry) -> None:
    assert from_json(as_read(to_json(entry)), FILE) == entry


def test_an_entry_without_files_has_no_json_form() -> None:
    with pytest.raises(ValueError, match="only a stored entry"):
        to_json(ENTRY)


def test_newer_schema_says_so() -> None:
    value = with_checksum({**to_json(STORED), "schema": SCHEMA + 1, "a_key_of_the_future": 1})
    with pytest.raises(NewerSchema, match=rf"entry\.json: schema version {SCHEMA + 1}") as caught:
        from_json(as_read(value), FILE)
    assert "upgrade rebench" in caught.value.fix


@pytest.mark.parametrize("version", [0, -1, "1", True, None, 1.0])
def test_impossible_schema_version(version: object) -> None:
    with pytest.raises(StoreError, match="'schema'") as caught:
        from_json({**to_json(STORED), "schema": version}, FILE)
    assert not isinstance(caught.value, NewerSchema)


@pytest.mark.parametrize("key", sorted(to_json(STORED)))
def test_each_missing_key_is_named(key: str) -> None:
    value = to_json(STORED)
    del value[key]
    with pytest.raises(StoreError, match=rf"somewhere/entry\.json: key '{key}' is missing"):
        from_json(as_read(value), FILE)


@pytest.mark.parametrize(
    ("inside", "key"),
    [("task", key) for key in TASK_JSON] + [("files", field.name) for field in fields(StoredFiles)],
)
def test_each_missing_inner_key_is_named_with_its_path(inside: str, key: str) -> None:
    value = as_read(to_json(STORED))
    assert isinstance(value, dict)
    del value[inside][key]
    with pytest.raises(StoreError, match=rf"key '{inside}\.{key}' is missing"):
        from_json(value, FILE)


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("model", 3, "'model' should be a text, found int"),
        ("model", "", "'model' is empty"),
        ("k", 0, "'k' is 0"),
        ("k", True, "'k' should be a whole number, found bool"),
        ("k", 10.0, "'k' should be a whole number, found float"),
        ("metrics", {"mrr": "0.5"}, "'metrics.mrr' should be a finite number"),
        ("metrics", {"mrr": float("nan")}, "not finite"),
        ("metrics", {"mrr": True}, "'metrics.mrr' should be a finite number"),
        ("timings", {"index": 10**400}, "'timings.index' should be a finite number"),
        ("metrics", [], "'metrics' should be an object of numbers, found list"),
        ("facts", {"deep": [{"rate": float("inf")}]}, "not finite"),
        ("missing_queries", ["q", 1], "'missing_queries' should hold texts only"),
        ("command", "rebench eval", "'command' should be a list of texts, found str"),
        ("created", "yesterday", "'created' is no ISO 8601 time"),
        ("created", "2026-11-22T10:00:00", "'created' should be a UTC time"),
        ("created", "2026-11-22T10:00:00+02:00", "'created' should be a UTC time"),
        ("task", None, "'task' should be an object, found NoneType"),
        ("task", {**TASK_JSON, "n_queries": -1}, "'task.n_queries' is -1"),
        ("task", {**TASK_JSON, "extra": 1}, "'task.extra' is not known"),
        ("identity", {"kind": "other"}, "'identity_hash' is not the hash of what"),
        ("surprise", 1, "'surprise' is not known"),
    ],
)
def test_wrong_values_are_named(key: str, wrong: object, said: str) -> None:
    with pytest.raises(StoreError) as caught:
        from_json({**to_json(STORED), key: wrong}, FILE)
    assert "somewhere/entry.json" in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize("name", ["../run.gz", "/etc/passwd", "a/b", "a\\b", ".hidden", "c:x", ""])
def test_files_outside_the_folder_are_refused(name: str) -> None:
    value = to_json(STORED)
    files = value["files"]
    assert isinstance(files, dict)
    with pytest.raises(StoreError, match=r"'files\.run'"):
        from_json({**value, "files": {**files, "run": name}}, FILE)


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_not_an_object(value: object) -> None:
    with pytest.raises(StoreError, match="should hold an object"):
        from_json(value, FILE)


@pytest.mark.parametrize(
    "other",
    [
        replace(ENTRY, identity={**ENTRY.identity, "k1": 1.2}),
        replace(ENTRY, k=999),
        replace(ENTRY, task=replace(TASK, fingerprint="other")),
        replace(ENTRY, task=replace(TASK, queries_fingerprint="other")),
        replace(ENTRY, task=replace(TASK, corpus_fingerprint="other")),
        replace(ENTRY, task=replace(TASK, corpus_fingerprint=None)),
    ],
)
def test_identity_covers_all_that_changes_a_result(other: Entry) -> None:
    assert other.identity_hash != ENTRY.identity_hash


def test_identity_leaves_out_what_changes_no_result() -> None:
    other = replace(
        ENTRY,
        model="another name",
        metrics={},
        timings={},
        facts={},
        environment={},
        command=(),
        created="2027-01-01T00:00:00Z",
        task=replace(TASK, notes=(), revision="another"),
        identity=dict(reversed(ENTRY.identity.items())),
    )
    assert other.identity_hash == ENTRY.identity_hash
    assert identity_hash(ENTRY.identity, TASK, ENTRY.k) == ENTRY.identity_hash
