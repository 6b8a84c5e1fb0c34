"""Damaged, foreign, newer and vanished shards: named, never served, encoded again."""

from __future__ import annotations

import os
import random
import shutil

import numpy as np
import pytest

from harness.cache import store as writer_module
from harness.cache.shard import SCHEMA, read_head
from harness.cache.store import EmbeddingStore
from harness.core.errors import StoreError
from tests.helpers.cache_embedders import Asleep, Bent, Recorder, Watched, encode_texts, some_texts
from tests.helpers.shard_versions import as_version

TEXTS = some_texts(60)


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """Return (store, its one space's folder, the right vectors), one shard a batch."""
    monkeypatch.setattr(writer_module, "FLUSH_SECONDS", 0.0)
    store = EmbeddingStore(tmp_path / "cache")
    right = encode_texts(Watched(), TEXTS, "document", "", store, Recorder()).vectors
    (folder,) = store.spaces()
    return store, folder, right


def run(store, embedder=None, reporter=None):
    return encode_texts(embedder or Watched(), TEXTS, "document", "", store, reporter or Recorder())


def flip(path, place) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << (place % 8)
    path.write_bytes(data)


@pytest.mark.parametrize("region", ["prefix", "header", "keys", "counts", "vectors", "cut", "torn"])
def test_a_damaged_shard_is_named_left_out_and_encoded_again(filled, region) -> None:
    store, folder, right = filled
    path = folder.shard_paths()[2]
    head = read_head(path)
    index_at = head.vectors_at - -(-head.rows * 40 // 64) * 64
    spans = {
        "prefix": (0, 32),
        "header": (32, index_at),
        "keys": (index_at, index_at + 32 * head.rows),
        "counts": (index_at + 32 * head.rows, index_at + 40 * head.rows),
        "vectors": (head.vectors_at, head.vectors_at + head.vector_bytes),
    }
    rng = random.Random(region)
    if region in spans:
        flip(path, rng.randrange(*spans[region]))
    else:
        os.truncate(path, head.vectors_at + 7 if region == "cut" else 20)
    reporter, embedder = Recorder(), Watched()
    again = run(store, embedder, reporter)
    assert len(reporter.warnings) == 1
    assert str(path) in reporter.warnings[0]
    assert again.encoded == head.rows
    # The plan is the whole set's, so the lost batch is the same batch: the same bytes.
    assert np.array_equal(again.vectors, right)
    assert run(store, Asleep()).encoded == 0


def test_another_copy_serves_where_one_is_damaged(filled) -> None:
    store, folder, right = filled
    path = folder.shard_paths()[0]
    shutil.copy(path, path.with_name("zz-copy.shard"))
    flip(path, path.stat().st_size - 1)
    reporter = Recorder()
    assert np.array_equal(run(store, Asleep(), reporter).vectors, right)
    assert len(reporter.warnings) == 1


def test_a_shard_of_another_space_is_never_served(filled, tmp_path) -> None:
    store, folder, _ = filled
    encode_texts(Watched(), TEXTS, "query", "", store, Recorder())
    other = next(space for space in store.spaces() if space.folder != folder.folder)
    for path in other.shard_paths():
        path.unlink()
    shutil.copy(folder.shard_paths()[0], other.shards_folder / "moved.shard")
    reporter = Recorder()
    encoded = encode_texts(Watched(), TEXTS, "query", "", store, reporter)
    assert encoded.encoded == 60
    assert "belongs to the space" in reporter.warnings[0]


def test_a_newer_shard_is_an_error_before_any_work(filled) -> None:
    store, folder, _ = filled
    path = folder.shard_paths()[0]
    path.write_bytes(as_version(path.read_bytes(), SCHEMA + 1))
    with pytest.raises(StoreError, match=rf"has schema {SCHEMA + 1}; .*\nUpgrade rebench"):
        run(store, Asleep())


def test_a_shard_dropped_while_we_work_is_encoded_again(filled, monkeypatch) -> None:
    store, folder, right = filled
    from harness.cache import lookup as lookup_module

    gone = folder.shard_paths()[1]
    rows = read_head(gone).rows
    real = lookup_module.read_vectors

    def read(head, buffer):
        gone.unlink(missing_ok=True)
        return real(head, buffer)

    monkeypatch.setattr(lookup_module, "read_vectors", read)
    reporter = Recorder()
    again = run(store, Watched(), reporter)
    assert again.encoded == rows
    assert np.array_equal(again.vectors, right)
    assert reporter.warnings == []


def test_unfinished_files_are_not_looked_at(filled) -> None:
    store, folder, _ = filled
    name = folder.shard_paths()[0].name
    (folder.shards_folder / f".{name}.0123.part").write_bytes(b"half")
    (folder.shards_folder / f".{name}").write_bytes(b"half")
    reporter = Recorder()
    assert run(store, Asleep(), reporter).encoded == 0
    assert reporter.warnings == []


def test_a_shard_that_another_process_writes_meanwhile_is_used(filled, tmp_path) -> None:
    _, folder, right = filled
    other = EmbeddingStore(tmp_path / "other")

    def bend(texts, vectors):
        # While the first batch runs, all shards appear as another process would write them.
        if len(embedder.calls) == 1:
            target = other.space(embedder.space("document", ""))
            target.shards_folder.mkdir(exist_ok=True)
            for path in folder.shard_paths():
                shutil.copy(path, target.shards_folder / path.name)
        return vectors

    embedder = Bent(bend)
    encoded = run(other, embedder)
    assert len(embedder.calls) == 1
    assert encoded.encoded == len(embedder.seen)
    assert encoded.encoded + encoded.reused == 60
    assert np.array_equal(encoded.vectors, right)


def test_a_disk_that_gives_back_other_bytes_is_blamed(filled, monkeypatch) -> None:
    store, _, _ = filled
    from harness.cache import lookup as lookup_module
    from harness.cache.shard import DamagedShard

    def read(head, buffer):
        raise DamagedShard(head.path, "for this test")

    monkeypatch.setattr(lookup_module, "read_vectors", read)
    # Here the vectors in memory serve; a worker's would have to be read back.
    assert run(store).encoded == 60
