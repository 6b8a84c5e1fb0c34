"""`cache info`, `verify` and `gc`: what is there, what is damaged, and what may go."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from harness.cache import store as writer_module
from harness.cache.maintain import GcRule, collect_garbage, space_infos, verify_store
from harness.cache.shard import read_head
from harness.cache.store import SPACE_FILE, EmbeddingStore
from harness.cli.cache import app
from harness.core.errors import BadInput
from tests.helpers.cache_embedders import Asleep, Recorder, Watched, encode_texts, some_texts
from tests.helpers.shard_versions import as_version

DAY = 86_400.0
SPACE_MODEL = Watched().space("document", "").model
QUERY_INSTRUCTION = "Given a question, find its answer\nQuery: "


@pytest.fixture
def store(tmp_path, monkeypatch) -> EmbeddingStore:
    """Return a store with two spaces of wordllama, several shards each, and notes of use."""
    monkeypatch.setattr(writer_module, "FLUSH_SECONDS", 0.0)
    store = EmbeddingStore(tmp_path / "cache")
    embedder = Watched()
    encode_texts(embedder, some_texts(40), "document", "", store, Recorder())
    encode_texts(embedder, some_texts(6, 1), "query", QUERY_INSTRUCTION, store, Recorder())
    documents = store.space(embedder.space("document", ""))
    documents.record_use("stdlib", "wordllama", 40)
    documents.record_use("folder/with ü", "wordllama", 40)
    documents.record_use("stdlib", "wordllama", 40)
    return store


def documents_of(store: EmbeddingStore):
    return store.space(Watched().space("document", ""))


def damage(store: EmbeddingStore, count: int) -> set:
    """Flip one bit or cut one piece off `count` random shards; return their paths."""
    rng = random.Random(2)
    paths = [path for folder in store.spaces() for path in folder.shard_paths()]
    chosen = rng.sample(paths, count)
    for number, path in enumerate(chosen):
        data = bytearray(path.read_bytes())
        if number % 2:
            del data[rng.randrange(len(data)) :]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    return set(chosen)


def test_info_counts_what_is_there(store) -> None:
    infos = {info.description["role"]: info for info in space_infos(store)}
    documents, queries = infos["document"], infos["query"]
    assert (documents.vectors, queries.vectors) == (40, 6)
    assert documents.tasks == ("folder/with ü", "stdlib")
    assert documents.models == ("wordllama",)
    assert queries.tasks == ()
    assert documents.dimension == 256
    assert queries.description["instruction"] == QUERY_INSTRUCTION
    on_disk = [p.stat().st_size for p in documents_of(store).folder.rglob("*") if p.is_file()]
    assert documents.bytes == sum(on_disk) > 40 * 256 * 4
    assert abs((datetime.now(UTC) - documents.last_used).total_seconds()) < 3600


def test_verify_finds_every_damaged_shard_and_repair_drops_only_those(store) -> None:
    whole = {path for folder in store.spaces() for path in folder.shard_paths()}
    assert verify_store(store, Recorder(), repair=False).findings == ()
    damaged = damage(store, 5)
    found = verify_store(store, Recorder(), repair=False)
    assert found.shards == len(whole)
    assert {finding.path for finding in found.findings} == damaged
    assert not any(finding.dropped for finding in found.findings)
    repaired = verify_store(store, Recorder(), repair=True)
    assert {finding.path for finding in repaired.findings if finding.dropped} == damaged
    left = {path for folder in store.spaces() for path in folder.shard_paths()}
    assert left == whole - damaged
    assert verify_store(store, Recorder(), repair=False).findings == ()


def test_intact_shards_that_are_not_ours_to_read_are_left_alone(store) -> None:
    folder = documents_of(store)
    newer, moved = folder.shard_paths()[:2]
    newer.write_bytes(as_version(newer.read_bytes(), 9))
    other = next(each for each in store.spaces() if each.folder != folder.folder)
    shutil.move(moved, other.shards_folder / moved.name)
    found = verify_store(store, Recorder(), repair=True).findings
    assert {(f.path.name, f.problem, f.dropped) for f in found} == {
        (newer.name, "newer schema", False),
        (moved.name, "other space", False),
    }
    assert newer.exists()


def test_a_damaged_description_is_dropped_and_written_again(store) -> None:
    folder = documents_of(store)
    (folder.folder / SPACE_FILE).write_text("{}")
    (found,) = verify_store(store, Recorder(), repair=True).findings
    assert (found.problem, found.dropped) == ("bad space.json", True)
    assert space_infos(store)[0].vectors > 0
    assert encode_texts(Asleep(), some_texts(40), "document", "", store, Recorder()).encoded == 0


def age(folder, days: float) -> None:
    then = time.time() - days * DAY
    for path in folder.folder.rglob("*"):
        os.utime(path, (then, then))


def test_gc_by_age_and_model(store) -> None:
    documents = documents_of(store)
    age(documents, 40)
    assert collect_garbage(store, GcRule(older_than=50)) == ()
    assert collect_garbage(store, GcRule(model="minilm", older_than=30)) == ()
    (would,) = collect_garbage(store, GcRule(model="wordllama", older_than=30, dry_run=True))
    assert would.path == documents.folder
    assert documents.folder.exists()
    (dropped,) = collect_garbage(store, GcRule(older_than=30))
    assert dropped == would
    assert [each.folder for each in store.spaces()] != []
    assert not documents.folder.exists()
    assert list(store.folder.iterdir()) == [store.spaces()[0].folder]


def test_gc_knows_a_model_by_card_and_by_space(store) -> None:
    # The queries' space was never noted as used, so only its own name is known.
    (only,) = collect_garbage(store, GcRule(model="wordllama", dry_run=True))
    assert only.path == documents_of(store).folder
    assert len(collect_garbage(store, GcRule(model=SPACE_MODEL))) == 2
    assert store.spaces() == ()


def test_gc_drops_what_killed_writers_left_but_not_what_is_being_written(store) -> None:
    folder = documents_of(store).shards_folder
    old, new = folder / ".a.shard.0.part", folder / ".b.shard.1.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 3600,) * 2)
    (dropped,) = collect_garbage(store, GcRule())
    assert dropped.path == old
    assert (old.exists(), new.exists()) == (False, True)
    assert len(store.spaces()) == 2


def test_gc_of_nothing(tmp_path) -> None:
    assert collect_garbage(EmbeddingStore(tmp_path), GcRule()) == ()
    with pytest.raises(BadInput, match="-1"):
        GcRule(older_than=-1)


def test_the_commands(store, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("REBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    rows = json.loads(runner.invoke(app, ["info", "--json"]).stdout)
    assert sorted(row["vectors"] for row in rows) == [6, 40]
    assert {row["kind"] for row in rows} == {"dense"}
    assert "Given a question, find its answer" in [row["instruction"] for row in rows]
    shown = runner.invoke(app, ["info"]).stdout
    assert SPACE_MODEL in shown
    assert "folder/with ü, stdlib" in shown
    assert runner.invoke(app, ["verify"]).exit_code == 0
    (path,) = damage(store, 1)
    done = runner.invoke(app, ["verify", "--json"])
    assert done.exit_code == 2
    assert [row["file"] for row in json.loads(done.stdout)] == [str(path)]
    assert runner.invoke(app, ["verify", "--repair"]).exit_code == 0
    assert not path.exists()
    would = json.loads(
        runner.invoke(app, ["gc", "--model", "wordllama", "--dry-run", "--json"]).stdout
    )
    assert [row["what"] for row in would] == [f"space of {SPACE_MODEL}"]
    assert runner.invoke(app, ["gc", "--older-than", "0", "--json"]).exit_code == 0
    assert store.spaces() == ()


def test_heads_are_enough_for_info(store, monkeypatch) -> None:
    paths = [path for folder in store.spaces() for path in folder.shard_paths()]
    for path in paths:
        head = read_head(path)
        data = bytearray(path.read_bytes())
        data[head.vectors_at] ^= 1
        path.write_bytes(data)
    assert sorted(info.vectors for info in space_infos(store)) == [6, 40]
