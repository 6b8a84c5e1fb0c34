"""Killed or out of room in mid-save: the old entry or the new one, never neither, never half."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from results.store import ResultStore
from tests.helpers.sample_entries import ENTRY, PER_QUERY, check_whole, version

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.sample_entries", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("older", [False, True], ids=["nothing there", "an older one there"])
def test_killed_at_each_file_operation(tmp_path: Path, older: bool) -> None:
    writer = start("each-step", str(tmp_path), "older" if older else "nothing")
    output, _ = writer.communicate()
    assert writer.returncode == 0
    killed, numbers = int(output), []
    for step in range(1, killed + 2):
        store = ResultStore(tmp_path / str(step))
        if older or store.entries().entries:
            numbers.append(check_whole(store))
        else:
            assert store.entries().problems == ()
            assert store.find("bm25", "biology", ENTRY.identity_hash) is None
            numbers.append(0)
        store.save(*version(3))
        assert check_whole(store) == 3
    assert killed >= 10
    assert numbers == sorted(numbers)  # once the new one is there it stays
    assert set(numbers) == ({1, 2} if older else {0, 2})


def test_killed_at_random_moments(tmp_path: Path) -> None:
    store, rng, number = ResultStore(tmp_path / "measured"), random.Random(7), 0
    store.save(*version(number))
    for _ in range(8):
        writer = start("for-ever", str(store.root), str(number + 1))
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(rng.random() * 0.06)
        writer.kill()
        last = [int(line) for line in (first + writer.stdout.read()).split()][-1]
        writer.wait()
        writer.stdout.close()
        number = check_whole(store)
        assert number in (last, last + 1)


def test_no_room_for_the_new_one_keeps_the_old_one(tmp_path: Path) -> None:
    """A limit on file size stands in for a full disk: the run does not fit, then only the rest."""
    store = ResultStore(tmp_path / "measured")
    store.save(*version(1))
    folder = store.folder(ENTRY)
    before = sorted(folder.iterdir())
    entry, values, _ = version(2)
    random_text = random.Random(1).randbytes(100_000).hex()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(StoreError, match="cannot write"):
            store.save(entry, values, random_text)
        with pytest.raises(StoreError, match="cannot write"):
            store.save(entry, {"mrr": {random_text: 1.0}}, "short run\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert sorted(folder.iterdir()) == before
    assert check_whole(store) == 1
    assert store.per_query(store.save(ENTRY, PER_QUERY, "fits now\n")) == PER_QUERY
