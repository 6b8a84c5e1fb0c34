"""One process a device: own slices, own shards, and a dead one is noticed."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from harness.cache.store import EmbeddingStore
from harness.cache.workers import Workers
from harness.core.errors import BadInput, ModelError, StoreError
from tests.helpers.cache_embedders import (
    Asleep,
    MakeWatched,
    Recorder,
    Watched,
    encode_texts,
    some_texts,
)

TEXTS = [*some_texts(150, longest=20), "", *some_texts(30, longest=20)]


@pytest.fixture
def place(tmp_path):
    return EmbeddingStore(tmp_path / "cache"), tmp_path / "log"


@pytest.fixture
def run(place):
    """Return a function that encodes TEXTS with workers and closes them at the end."""
    store, log = place
    opened = []

    def encode(devices=("cpu", "cpu"), reporter=None, role="document", **wishes):
        workers = Workers(MakeWatched(log, **wishes), devices)
        opened.append(workers)
        return encode_texts(Asleepish(), TEXTS, role, "", store, reporter or Recorder(), workers)

    yield encode
    for workers in opened:
        workers.close()


class Asleepish(Watched):
    """Counts tokens here, but leaves the model to the workers."""

    def encode(self, texts, *, role, instruction):
        raise AssertionError("encoding belongs to the workers")


def said(log: Path, what: str) -> Counter[str]:
    """Return texts (or embedders) by process."""
    found: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        word, device, pid, count = line.split()
        if word == what:
            found[f"{device} {pid}"] += max(1, int(count))
    return found


def test_two_devices_share_the_work_and_agree_with_one(place, run) -> None:
    store, log = place
    reporter = Recorder()
    encoded = run(reporter=reporter)
    alone = encode_texts(Watched(), TEXTS, "document", "", None, Recorder())
    assert encoded.vectors.tobytes() == alone.vectors.tobytes()
    shares = said(log, "encoded")
    assert len(shares) == 2
    assert str(os.getpid()) not in " ".join(shares)
    assert sum(shares.values()) == encoded.encoded == 151 == alone.encoded
    assert min(shares.values()) > 40
    assert encoded.encoded_tokens == alone.encoded_tokens
    assert reporter.bars["encoding documents"] == [151, 151, encoded.encoded_tokens]
    assert encode_texts(Asleep(), TEXTS, "document", "", store, Recorder()).encoded == 0


def test_processes_and_models_are_kept_for_the_next_call(place) -> None:
    store, log = place
    workers = Workers(MakeWatched(log), ("cpu", "cpu"))
    try:
        for role in ("document", "query"):
            encode_texts(Asleepish(), TEXTS, role, "", store, Recorder(), workers)
    finally:
        workers.close()
    assert list(said(log, "made").values()) == [1, 1]
    assert sum(said(log, "encoded").values()) == 302


def test_only_as_many_processes_as_there_are_batches(place) -> None:
    store, log = place
    workers = Workers(MakeWatched(log), ("cpu", "cpu", "cpu"))
    try:
        encode_texts(Asleepish(), ["one", "two"], "query", "", store, Recorder(), workers)
        encode_texts(Asleep(), ["one", "two"], "query", "", store, Recorder(), workers)
    finally:
        workers.close()
    assert len(said(log, "made")) == 1


def test_a_killed_worker_is_noticed_and_what_is_finished_is_kept(place, run) -> None:
    _, log = place
    with pytest.raises(ModelError, match=r"on 'cpu:1' .*killed by signal 9.*kept"):
        run(("cpu:0", "cpu:1"), dies_on="cpu:1")
    finished = said(log, "encoded")
    survivor = next(count for name, count in finished.items() if name.startswith("cpu:0"))
    log.unlink()
    encoded = run(("cpu:0", "cpu:1"))
    # The killed one had not yet written its two batches; the other's were all written.
    assert encoded.encoded == 151 - survivor
    assert sum(said(log, "encoded").values()) == encoded.encoded


def test_a_worker_that_fails_says_why(place, run) -> None:
    with pytest.raises(ModelError, match="not finite"):
        run(("cpu:0", "cpu:1"), fails_on="cpu:0")
    finished = sum(said(place[1], "encoded").values())
    _, log = place
    log.unlink()
    # The call that was not finite left a line too, and is encoded again.
    assert 151 - finished < run().encoded <= 151


def test_a_worker_that_cannot_write_says_so(place, run) -> None:
    store, _ = place
    if os.geteuid() == 0:
        folder = store.space(Watched().space("document", "")).shards_folder
        folder.mkdir()

        class Blocked(Recorder):
            def bar(self, label, total, unit):
                if label.startswith("encoding"):
                    folder.rmdir()
                    folder.write_bytes(b"a file stands where the folder was")
                return super().bar(label, total, unit)

        reporter = Blocked()
    else:
        folder = store.space(Watched().space("document", "")).shards_folder
        folder.mkdir()
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        reporter = Recorder()
    with pytest.raises(StoreError, match=re.escape(str(folder))):
        run(reporter=reporter)


def test_a_corrupt_shard_of_a_worker_is_made_again(place, run) -> None:
    store, _ = place
    right = run().vectors
    (folder,) = store.spaces()
    path = folder.shard_paths()[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    reporter = Recorder()
    again = run(reporter=reporter)
    assert 0 < again.encoded < 151
    assert np.array_equal(again.vectors, right)
    assert len(reporter.warnings) == 1


def test_workers_without_a_store_are_refused(place) -> None:
    workers = Workers(MakeWatched(place[1]), ("cpu",))
    with pytest.raises(BadInput, match="through the embedding cache"):
        encode_texts(Asleep(), TEXTS, "document", "", None, Recorder(), workers)
    workers.close()


def test_no_device_is_refused(place) -> None:
    with pytest.raises(BadInput, match="no device"):
        Workers(MakeWatched(place[1]), ())
