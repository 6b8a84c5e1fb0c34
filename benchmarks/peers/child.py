"""One run of one side in this process: `python -m benchmarks.peers.child CALL SIZE FOLDER`.

Prints one line of JSON: wall and processor seconds of the call (of all threads and of programs it
started), the largest resident size in MiB of this process or of such a program, and the numbers.
Imports, models and inputs are there before the clock starts, unless the call is a whole program.
"""

from __future__ import annotations

import json
import resource
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter

MARK = "MEASURED "


def processor_seconds() -> float:
    """Return the seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(call: str, size: str, folder: str) -> None:
    """Prepare, time one call, print."""
    module, _, name = call.partition(":")
    prepare = getattr(import_module(f"benchmarks.peers.{module}"), name)
    work = prepare(int(size), Path(folder))
    wall, processor = perf_counter(), processor_seconds()
    numbers = work()
    wall, processor = perf_counter() - wall, processor_seconds() - processor
    peaks = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found = {
        "wall": wall,
        "processor": processor,
        "peak_mib": max(each.ru_maxrss for each in peaks) / 1024,
        "numbers": [float(each) for each in numbers],
    }
    print(MARK + json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
