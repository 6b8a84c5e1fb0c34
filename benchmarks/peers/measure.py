"""Runs both sides of a comparison in turn, checks that they agree, and tells how they compare."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.child import MARK
from benchmarks.peers.table import Comparison, Side

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 900
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Each side computes with one thread: what waits for a shared core would count as work."""


ALIKE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "0", "PYTHONDONTWRITEBYTECODE": ""}
"""An installer may leave packages uncompiled: without the last each process would compile them."""
WHOLE = "whole:"
"""Calls that are a whole process; what its first run leaves compiled is no part of the work."""


class SideFailed(Exception):
    """A side that is missing or ended with an error; the text says which."""


@dataclass(frozen=True, slots=True)
class SideRun:
    """One run: seconds, MiB, and the numbers that must agree."""

    wall: float
    processor: float
    peak_mib: float
    numbers: Sequence[float]


def run_side(side: Side, size: int, folder: Path) -> SideRun:
    """Run a side in a fresh process; raises `SideFailed`."""
    python = ROOT / side.environment / "bin" / "python"
    if not python.exists():
        raise SideFailed(f"not installed: {side.environment} is missing")
    command = [str(python), "-m", "benchmarks.peers.child", side.call, str(size), str(folder)]
    variables = {**os.environ, **ONE_THREAD, **ALIKE}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
            timeout=LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SideFailed(f"took over {LIMIT_S} s") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or len(lines) != 1:
        said = done.stderr.strip().splitlines() or ["nothing was said"]
        raise SideFailed(f"failed: {said[-1][:200].replace(str(ROOT), '.')}")
    return SideRun(**json.loads(lines[0].removeprefix(MARK)))


def compare(comparison: Comparison, size: int, runs: int) -> dict[str, object]:
    """Return one row: both sides' figures and ratios, or what kept them from being compared."""
    row: dict[str, object] = {
        "name": comparison.name,
        "work": comparison.work.format(size=f"{size:,}"),
        "ours": comparison.ours.name,
        "theirs": comparison.theirs.name,
        "size": size,
        "runs": runs,
        "agree": comparison.agree,
        "tolerance": comparison.tolerance,
    }
    sides = (comparison.ours, comparison.theirs)
    found: dict[str, list[SideRun]] = {"ours": [], "theirs": []}
    whole = comparison.ours.call.startswith(WHOLE)
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(-1 if whole else 0, runs):
            # Who goes first changes from run to run.
            for key, side in list(zip(found, sides, strict=True))[:: 1 if turn % 2 == 0 else -1]:
                folder = Path(scratch) / key
                folder.mkdir(exist_ok=True)
                try:
                    run = run_side(side, size, folder)
                except SideFailed as error:
                    return {**row, "failed": f"{side.name}: {error}"}
                if turn >= 0:
                    found[key].append(run)
    gap = largest_gap(found)
    if not gap <= comparison.tolerance:
        said = "different in number" if math.isinf(gap) else f"apart by up to {gap:.3g}"
        return {
            **row,
            "failed": f"the results do not agree: {said}, {comparison.tolerance} allowed",
        }
    return {**row, "gap": gap, **figures(found)}


def largest_gap(found: Mapping[str, Sequence[SideRun]]) -> float:
    """Return the largest difference of any run's numbers from our first run's."""
    base, *others = [run.numbers for runs in found.values() for run in runs]
    if not base or any(len(each) != len(base) for each in others):
        return math.inf
    gaps = [abs(a - b) for each in others for a, b in zip(base, each, strict=True)]
    return math.nan if any(math.isnan(gap) for gap in gaps) else max(gaps)


def figures(found: Mapping[str, Sequence[SideRun]]) -> dict[str, object]:
    """Return medians of both sides, and min, median and max of theirs / ours run by run."""
    told: dict[str, object] = {}
    for key_told, kind in (("wall", "wall"), ("processor_time", "processor"), ("peak", "peak_mib")):
        values = {key: [getattr(run, kind) for run in runs] for key, runs in found.items()}
        ratios = [b / a for a, b in zip(values["ours"], values["theirs"], strict=True)]
        told[key_told] = {
            **{key: round(statistics.median(each), 5) for key, each in values.items()},
            "ratio": [round(f(ratios), 4) for f in (min, statistics.median, max)],
        }
    return told
