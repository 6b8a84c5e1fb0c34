"""Changes what every reader reads, many times over: only the project's own errors may come out.

    python -m tests.faults.fuzz --inputs 20000 --jobs 2 [READER ...]

A file that brings something else to light is kept in `tests/faults/found`, and read again by every
test run from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harness.core.errors import RebenchError
from tests.faults.fuzz_mutations import mutated
from tests.faults.fuzz_reader import Reader
from tests.faults.fuzz_readers import READERS
from tests.helpers.writing_calls import PACKAGES, ROOT

FOUND = Path(__file__).parent / "found"
LONGEST = 20.0
"""Seconds after which a reader counts as one that never ends."""


@dataclass(frozen=True)
class Finding:
    """What a reader raised, where in the project, and the file, by its path, that brought it."""

    reader: str
    error: str
    place: str
    file: str
    data: bytes

    def keep(self, folder: Path = FOUND) -> Path:
        """Write the file into the folder of its reader, under its place there."""
        digest = hashlib.sha256(self.data).hexdigest()[:12]
        path = folder / slug(self.reader) / f"{digest} {self.file.replace('/', ' ')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path


class _Endless(BaseException):
    """A reader took longer than `LONGEST`."""


def slug(reader: str) -> str:
    """Return a reader's name as a folder's."""
    return re.sub(r"[^a-z0-9]+", "-", reader.lower()).strip("-")


@contextmanager
def prepared(reader: Reader) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder with what a reader reads, and those of its files that are changed."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=where) as name:
        sound = Path(name, "sound")
        sound.mkdir()
        yield sound, [path.relative_to(sound) for path in reader.write(sound)]


def findings(name: str, inputs: int, seed: int, until: float = float("inf")) -> Iterator[Finding]:
    """Yield what a reader raised over so many changed files that is no error of the project's.

    One of each kind: the same error at the same line of the project is yielded once. `until` is a
    time by `time.monotonic` after which nothing more is tried.
    """
    reader, rng, seen = READERS[name], random.Random(seed ^ zlib.crc32(name.encode())), set()
    with prepared(reader) as (sound, files):
        originals = {file: (sound / file).read_bytes() for file in files}
        for number in range(inputs):
            if time.monotonic() > until:
                return
            file = rng.choice(files)
            data = mutated(originals[file], reader.form(file), rng)
            copy = sound.with_name(f"copy-{number}")  # what is kept by path is not served again
            finding = tried(name, sound, copy, file, data)
            if finding and (finding.error, finding.place) not in seen:
                seen.add((finding.error, finding.place))
                yield finding


def tried(name: str, sound: Path, copy: Path, file: Path, data: bytes) -> Finding | None:
    """Read a copy of a sound folder with one file changed; return what came out, if it may not."""
    shutil.copytree(sound, copy)
    (copy / file).write_bytes(data)
    try:
        with _in_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            READERS[name].read(copy)
    except RebenchError:
        return None
    except (Exception, _Endless) as error:  # noqa: BLE001 (whatever comes is looked for)
        place = _place(error)
        return Finding(name, type(error).__name__, place, str(file), data) if place else None
    finally:
        shutil.rmtree(copy)
    return None


@contextmanager
def _in_time() -> Iterator[None]:
    """Raise `_Endless` in a reader that takes too long."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Endless

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(error: BaseException) -> str:
    """Return the last line of the packages that an error passed; empty if a test's own raised it.

    What is served in sound form but for its values, a test may look up in vain.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if frames[-1].filename.startswith(f"{ROOT / 'tests'}/"):
        return ""
    packages = tuple(f"{ROOT / package}/" for package in PACKAGES)
    last = ([frame for frame in frames if frame.filename.startswith(packages)] or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno} {last.name}"


def kept() -> Iterator[Finding]:
    """Yield what was found before, with what it brings to light now: nothing, if all is well.

    A file is put into the place that its name says; the only one that its reader has, if the
    place is called after a hash that has changed.
    """
    for name, reader in READERS.items():
        found = sorted((FOUND / slug(name)).glob("*"))
        if not found:
            continue
        with prepared(reader) as (sound, files):
            places = {str(file).replace("/", " "): file for file in files}
            for number, path in enumerate(found):
                place = places.get(path.name.partition(" ")[2], files[0])
                copy = sound.with_name(f"copy-{number}")
                finding = tried(name, sound, copy, place, path.read_bytes())
                if finding:
                    yield finding


def _fuzz(name: str, inputs: int, seed: int) -> list[Finding]:
    return list(findings(name, inputs, seed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz readers, keep what is found, and print a line each; return 1 if anything was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readers", nargs="*", help="names or beginnings of names (all)")
    parser.add_argument("--inputs", type=int, default=20_000, help="changed files a reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    names = [name for name in READERS if not given.readers or name.startswith(tuple(given.readers))]
    start, count = time.monotonic(), 0
    with ProcessPoolExecutor(given.jobs) as pool:
        waiting = {pool.submit(_fuzz, name, given.inputs, given.seed): name for name in names}
        for done in as_completed(waiting):
            found = done.result()
            count += len(found)
            said = "nothing" if not found else f"{len(found)} kinds of foreign errors"
            seconds = time.monotonic() - start
            print(f"{waiting[done]}: {given.inputs:,} inputs, {said} ({seconds:.0f} s)", flush=True)
            for finding in found:
                kept = finding.keep().relative_to(ROOT)
                print(f"  {finding.error} at {finding.place}: {kept}", flush=True)
    print(f"{len(names)} readers, {len(names) * given.inputs:,} inputs, {count} findings")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
