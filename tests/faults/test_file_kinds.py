"""Every kind of file: what is damaged is named and never served, and the advice repairs it.

`REBENCH_FAULTS` is the number of faults of each sort a kind (`make test-faults` has more).
"""

from __future__ import annotations

import os
import random
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core.file_kinds import FILE_KINDS, NOT_BELIEVED, WAYS, FileKind
from tests.faults import made_samples, stored_samples
from tests.faults.sample import Reading, Sample
from tests.helpers.writing_calls import writing_functions

SAMPLES = {**stored_samples.SAMPLES, **made_samples.SAMPLES}
FAULTS = int(os.environ.get("REBENCH_FAULTS", "2"))


def flip(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one bit turned over."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """Return a beginning, perhaps an empty one."""
    return data[: rng.randrange(len(data))]


def torn(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with a stretch of zeros, as a disk leaves a block that was not written."""
    at = rng.randrange(len(data))
    size = min(len(data) - at, rng.choice((1, 16, 512)))
    return data[:at] + bytes(size) + data[at + size :]


SORTS: dict[str, Callable[[bytes, random.Random], bytes]] = {"flip": flip, "cut": cut, "torn": torn}


def damaged_folders(sample: Sample, folder: Path, seed: int) -> Iterator[tuple[Path, Path, str]]:
    """Yield folders with one fault each, the damaged file, and the fault in words."""
    sound = folder / "sound"
    sound.mkdir()
    file = sample.write(sound)
    data, rng = file.read_bytes(), random.Random(seed)
    for sort, fault in SORTS.items():
        for number in range(FAULTS):
            changed = fault(data, rng)
            if changed == data:
                continue
            place = folder / f"{sort}-{number}"
            shutil.copytree(sound, place)
            damaged = place / file.relative_to(sound)
            damaged.write_bytes(changed)
            yield place, damaged, f"{sort} {number}, {len(changed)} of {len(data)} bytes"
            shutil.rmtree(place)


def check_named(kind: FileKind, sample: Sample, reading: Reading, damaged: Path, sort: str) -> None:
    """Raise unless what was said names the damaged file and gives the kind's advice."""
    told = "\n".join(reading.said)
    if not told and sample.quiet_end and sort.startswith(("cut", "torn")):
        return
    assert damaged.name in told or damaged.parent.name in told, (sort, told)
    assert kind.advice in told, (sort, told)


@pytest.mark.parametrize("kind", FILE_KINDS, ids=lambda kind: kind.name)
def test_damage_is_named_never_served_and_repaired(
    kind: FileKind, tmp_path: Path, tally: Counter[str]
) -> None:
    sample = SAMPLES[kind.name]
    seen = 0
    for place, damaged, sort in damaged_folders(sample, tmp_path, zlib.crc32(kind.name.encode())):
        right = sample.read(tmp_path / "sound").parts
        reading = sample.read(place)
        wrong = {key for key, part in reading.parts.items() if part != right.get(key)}
        if sample.loses and not wrong <= right.keys():  # an older checkpoint, whole
            assert reading.said, sort
        else:
            assert not wrong, (sort, wrong)
        tally[f"files damaged: {sort.partition(' ')[0]}"] += 1
        if sample.made_again:
            sound = tmp_path / "sound" / damaged.relative_to(place)
            assert damaged.read_bytes() == sound.read_bytes(), sort
        elif reading.parts == right and not reading.said:
            tally["of these, what was read is unchanged"] += 1
            continue  # a space became another kind of space, or a header's flag nobody reads
        else:
            check_named(kind, sample, reading, damaged, sort)
        seen += 1
        if reading.said:
            tally["of these, named"] += 1
            sample.repair(place, reading.said)
            again = sample.read(place)
            assert not again.said, (sort, reading.said, again.said)
            assert sample.loses or again.parts == right, sort
            tally["of these, whole again after the advice was followed once"] += 1
    assert seen


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) == {kind.name for kind in FILE_KINDS}


def test_every_function_that_writes_a_file_is_in_the_tables() -> None:
    listed = {writer for kind in FILE_KINDS for writer in kind.writers}
    assert not listed & NOT_BELIEVED.keys()
    writing = writing_functions()
    known = listed | NOT_BELIEVED.keys() | WAYS
    unknown = {name: calls for name, calls in writing.items() if name not in known}
    assert not unknown, "add its kind, with a checksum, to harness/core/file_kinds.py"
    gone = known - writing.keys()
    assert not gone, "these write nothing any more"
