"""Readers beside a writer that measures again and again: no failure, one consistent state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import rebench
from harness.compare.differences import ComparisonSettings
from tests.helpers.measured_store import gains, make_task, measure, store_at

ROOT = Path(__file__).resolve().parents[2]
READS = 200 if int(os.environ.get("REBENCH_FAULTS", "2")) > 2 else 12
STATES = ([1, 2, 3, 4, None, 5, 6, 7], [7, 6, 5, None, 4, 3, 2, 1])
WRITER = """
import sys
from pathlib import Path
from itertools import cycle
from results.store import ResultStore
from tests.faults.test_readers import STATES
from tests.helpers.measured_store import make_task, measure
store = ResultStore(Path(sys.argv[1]))
for count, ranks in enumerate(cycle(STATES)):
    measure(store, "a", make_task(), ranks)
    if count == 1:
        print("going", flush=True)
"""


@pytest.fixture
def hot(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a store in which a process replaces an entry without a pause."""
    store = store_at(tmp_path)
    measure(store, "a", make_task(), STATES[0])
    measure(store, "b", make_task(), [2, 2, 2, 2, 2, 2, 2, 2])
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.root)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline() == "going\n"
    yield store.root
    assert writer.poll() is None
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()


@pytest.mark.filterwarnings("error")
def test_readers_beside_a_hot_writer_see_one_state(hot: Path, tally: Counter[str]) -> None:
    means = {round(float(gains(ranks).mean()), 9) for ranks in STATES}
    plan = ComparisonSettings(permutations=100, resamples=100)
    seen = set()
    for at in range(READS):
        tally["reads beside a process that measures without a pause"] += 1
        if at % 2:
            (row,) = rebench.verify(results=hot).rows()[:1]
            assert row["status"] == "match", row
        else:
            found = rebench.compare("a", "b", tasks="biology", settings=plan, results=hot)
            (row,) = found.rows()
            seen.add(round(row["mean a"], 9))
    assert seen <= means
