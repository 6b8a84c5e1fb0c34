"""Every kind of file written again by a process that is killed, or whose disk is full.

What was there before is served, or the mix is named; writing again makes it whole. Shards of
vectors, checkpoints and exported models are written by code that has such tests of its own.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sys
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.core.errors import RebenchError
from harness.core.file_kinds import FILE_KINDS
from tests.faults import made_samples, stored_samples
from tests.faults.sample import Sample
from tests.helpers.sample_entries import kill_at

SAMPLES = {**stored_samples.SAMPLES, **made_samples.SAMPLES}
FULL = int(os.environ.get("REBENCH_FAULTS", "2")) > 2
ELSEWHERE = {
    "shard of dense vectors", "shard of sparse vectors", "shard of token vectors",
    "vector space", "note of use",
    "checkpoint", "checkpoint manifest", "trained model",
}  # fmt: skip
KINDS = [kind.name for kind in FILE_KINDS if kind.name not in ELSEWHERE]
MOST_OPERATIONS = 80
DONE, REFUSED, BROKEN = 0, 3, 4


def in_child(work: Callable[[], object]) -> int:
    """Do some work in a forked process; return how that ended, as `waitpid` says."""
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            work()
            code = DONE
        except RebenchError:
            code = REFUSED
        except BaseException:  # noqa: BLE001 - the parent asserts that there was none
            traceback.print_exc(file=sys.stderr)
        os._exit(code)
    return os.waitpid(child, 0)[1]


def write_until_killed(sample: Sample, place: Path, operation: int) -> None:
    """Write a sample again; the process dies as its n-th operation on a file begins."""
    kill_at(place, operation)
    sample.write(place)


def write_within(sample: Sample, place: Path, limit: int) -> None:
    """Write a sample where no file may be larger than `limit` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sample.write(place)


def check_served(sample: Sample, place: Path, right: dict, said: str) -> None:
    """Raise unless the sound parts are served, or what is not is named and made whole."""
    reading = sample.read(place)
    wrong = {key for key, part in reading.parts.items() if part != right.get(key)}
    assert not wrong or (sample.loses and reading.said), said
    if reading.parts != right:
        assert reading.said, said
        sample.repair(place, reading.said)
        again = sample.read(place)
        assert not again.said, said
        assert sample.loses or again.parts == right, said


@pytest.mark.parametrize("name", KINDS)
def test_a_writer_killed_at_any_operation_loses_nothing(
    name: str, tmp_path: Path, tally: Counter[str]
) -> None:
    sample, sound = SAMPLES[name], tmp_path / "sound"
    sound.mkdir()
    sample.write(sound)
    right = sample.read(sound).parts
    rng = random.Random(zlib.crc32(name.encode()))
    points = range(1, MOST_OPERATIONS) if FULL else [1, rng.randrange(2, 8)]
    for operation in points:
        place = tmp_path / str(operation)
        shutil.copytree(sound, place)

        status = in_child(partial(write_until_killed, sample, place, operation))
        killed = os.WIFSIGNALED(status)
        tally["writers killed"] += killed
        assert os.WTERMSIG(status) == signal.SIGKILL if killed else status >> 8 != BROKEN
        check_served(sample, place, right, f"killed at operation {operation}")
        shutil.rmtree(place)
        if not killed:
            break


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_is_said_and_what_was_there_is_kept(
    name: str, tmp_path: Path, tally: Counter[str]
) -> None:
    sample, sound = SAMPLES[name], tmp_path / "sound"
    sound.mkdir()
    size = sample.write(sound).stat().st_size
    right = sample.read(sound).parts
    limits = (1, size // 4 + 1, size // 2 + 1, size - 1) if FULL else (size // 2 + 1,)
    for limit in limits:
        place = tmp_path / str(limit)
        shutil.copytree(sound, place)
        fresh = tmp_path / f"fresh-{limit}"
        fresh.mkdir()

        assert in_child(partial(write_within, sample, place, limit)) >> 8 != BROKEN
        check_served(sample, place, right, f"no room beyond {limit} bytes")
        assert in_child(partial(write_within, sample, fresh, limit)) >> 8 == REFUSED
        tally["writers without room"] += 2
        assert not list(fresh.rglob("*.part"))
