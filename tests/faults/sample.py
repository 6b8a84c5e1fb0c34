"""What a sample of a kind of file is: how rebench writes it, reads it, and has it made whole.

A sample is written and read as rebench does it. What is read is told in parts, so that a damaged
part can be seen to be missing while the others are served.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import RebenchError

Parts = dict[str, Any]
"""What a reader got, by name; two parts are equal if they are `==`."""


@dataclass(frozen=True)
class Reading:
    """The parts that were served, and all that was said: errors with their advice, warnings."""

    parts: Parts
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """One kind, below a folder.

    `write` makes it all and returns the file that is damaged, `read` reads it as rebench does,
    `repair` does once what the messages say. `loses`: the advice gives up a part of what there
    was. `quiet_end`: an end that is cut off looks like a writer that was killed there, and is left
    out without a word. `made_again`: a damaged one is made again without a word, from what it was
    made of.
    """

    write: Callable[[Path], Path]
    read: Callable[[Path], Reading]
    repair: Callable[[Path, list[str]], None]
    loses: bool = False
    quiet_end: bool = False
    made_again: bool = False


def guarded(parts: Callable[[], Parts], said: list[str] | None = None) -> Reading:
    """Return what a reader got, an error of ours as what was said; any other error is a fault."""
    told = said if said is not None else []
    try:
        return Reading(parts(), told)
    except RebenchError as error:
        return Reading({}, [*told, str(error)])


def lines_named(said: list[str]) -> tuple[int, int]:
    """Return the first and the last line that a message tells to remove."""
    found = re.search(r"Remove lines? (\d+)(?: to (\d+))?", " ".join(said))
    assert found, said
    return int(found[1]), int(found[2] or found[1])


def without_named_lines(path: Path, said: list[str]) -> None:
    """Remove the lines that a message names."""
    first, last = lines_named(said)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: first - 1] + lines[last:]))
