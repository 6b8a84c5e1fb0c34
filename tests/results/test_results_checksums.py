"""A changed byte of an entry is named, never served; entries without a checksum gain one."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.core.types import Task
from harness.evaluate import describe_task, verify_all
from results.judgements import judgements_path, load_judgements, save_judgements
from results.schema import Entry
from results.store import ENTRY, ResultStore
from tests.helpers.measured_store import make_task, measure
from tests.helpers.sample_entries import ENTRY as SAMPLE
from tests.helpers.sample_entries import PER_QUERY


def stored(root: Path) -> tuple[ResultStore, Entry, Task]:
    store, task = ResultStore(root), make_task("biology", 6)
    return store, measure(store, "bm25", task, [1, 2, 3, 4, 5, None]), task


def as_first_release(path: Path, **changes: object) -> None:
    """Rewrite an entry as the release before checksums would have, some keys changed."""
    document = json.loads(path.read_text())
    del document["checksum"]
    document["schema"] = 1
    for key, value in changes.items():
        name, _, inner = key.partition("__")
        if inner:
            document[name][inner] = value
        else:
            document[name] = value
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("key", ["ndcg@10", "n_queries", "head_metric", "group", "created"])
def test_a_changed_value_is_named_and_not_served(tmp_path: Path, key: str):
    store, entry, _ = stored(tmp_path)
    path = store.folder(entry) / ENTRY
    document = json.loads(path.read_text())
    place = next(part for part in (document["metrics"], document["task"], document) if key in part)
    old = place[key]
    text = "21" + str(old)[2:] if key == "created" else f"{old}x"
    place[key] = old + 1 if isinstance(old, int | float) else text
    path.write_text(json.dumps(document))
    loaded = store.entries()
    assert loaded.entries == ()
    assert "do not have its checksum" in str(loaded.problems[0])
    assert str(path) in str(loaded.problems[0])
    assert store.find("bm25", "biology", entry.identity_hash) is None


def test_every_flipped_byte_of_an_entry_is_seen_or_harmless(tmp_path: Path):
    store = ResultStore(tmp_path)
    entry = store.save(SAMPLE, PER_QUERY, "q1 Q0 d 1 1.0 x\n")
    path = store.folder(entry) / ENTRY
    whole, rng, served = path.read_bytes(), random.Random(5), 0
    for at in rng.sample(range(len(whole)), 300):
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        for found in store.entries().entries:  # a space may become another kind of space
            assert found == entry
            served += 1
    assert served < 150


def test_what_does_not_parse_names_its_field_first(tmp_path: Path):
    store, entry, _ = stored(tmp_path)
    path = store.folder(entry) / ENTRY
    document = json.loads(path.read_text())
    document["task"]["n_queries"] = "6"
    path.write_text(json.dumps(document))
    assert "'task.n_queries' should be a whole number" in str(store.entries().problems[0])


def test_an_entry_without_a_checksum_is_read_verified_and_given_one(tmp_path: Path):
    store, entry, _ = stored(tmp_path)
    path = store.folder(entry) / ENTRY
    as_first_release(path, task__revision="local")
    (old,) = store.entries().entries
    assert not old.has_checksum
    (verdict,) = verify_all(store, [old])
    assert (verdict.status, verdict.detail) == ("match", "had no checksum; has one now")
    (new,) = store.entries().entries
    assert new == replace(old, schema=2)
    assert new.has_checksum
    (again,) = verify_all(store, [new])
    assert (again.status, again.detail) == ("match", "")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("task__head_metric", "mrr"),
        ("task__n_queries", 7),
        ("task__group", "bright-long"),
        ("task__revision", "0" * 40),
        ("task__name", "pony"),
        ("missing_queries", ["q1"]),
    ],
)
def test_verify_sees_a_fact_that_does_not_follow(tmp_path: Path, change: str, value: object):
    store, entry, _ = stored(tmp_path)
    path = store.folder(entry) / ENTRY
    as_first_release(path, **{"task__revision": "local"})
    (sound,) = store.entries().entries
    assert next(iter(verify_all(store, [sound]))).status == "match"
    as_first_release(path, **{"task__revision": "local", change: value})
    changed = store.entries()
    entries = changed.entries or (
        replace(sound, task=replace(sound.task, name=str(value)), schema=1),
    )
    verdict = next(iter(verify_all(ResultStore(tmp_path), entries)))
    name = change.rpartition("__")[2]
    if name == "name":
        assert verdict.status != "match"
    else:
        assert verdict.status == "differs"
        assert f"{name} is {value!r}" in verdict.detail
    assert not json.loads(path.read_text()).get("checksum")


def test_measuring_again_repairs_damaged_judgements(tmp_path: Path):
    _, entry, task = stored(tmp_path)
    path = judgements_path(tmp_path, entry.task.fingerprint)
    save_judgements(tmp_path, task)
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace(":1}", ":2}", 1).encode()))
    with pytest.raises(StoreError, match="--force"):
        load_judgements(tmp_path, entry.task.fingerprint)
    save_judgements(tmp_path, task)
    assert load_judgements(tmp_path, describe_task(task).fingerprint).qrels == task.qrels


def test_a_reader_goes_on_with_the_entry_it_has_read(tmp_path: Path):
    store, entry, task = stored(tmp_path)
    values, run = store.per_query(entry), store.run_text(entry)
    again = measure(store, "bm25", task, [2, 2, 3, 4, 5, None])
    assert again.files != entry.files
    assert (store.per_query(entry), store.run_text(entry)) == (values, run)
    for name in (entry.files.run, entry.files.per_query):
        (store.folder(entry) / name).unlink()
    with pytest.raises(StoreError, match=r"measured again since(.|\n)*Run the command again"):
        store.run_text(entry)
