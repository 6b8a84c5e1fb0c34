"""Fusing 12 tasks x 2 runs x 100 documents: `harness.pipelines.fusion` against `ranx.fuse`.

Run: python benchmarks/fuse_vs_ranx.py [-o FILE.md] [RUNS_A RUNS_B]

RUNS_A and RUNS_B are folders with one run file a task; without them, made-up runs of BRIGHT's sizes
are fused. Both sides start from the same rankings in memory and end with rankings in memory, so
ranx's time holds its conversion both ways; its compilation is done before and is free. The sides
take turns, processor time counts, and the medians are compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import ranx

from harness.core.types import Ranking, Run
from harness.data.bright_tasks import TASKS
from harness.data.trec import read_run
from harness.pipelines.fusion import Fusion, FusionSettings, fuse_runs, ranked

DEPTH = 100
ROUNDS = 7
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "fuse_vs_ranx.md"
CASES = {
    "RRF (k = 60)": (FusionSettings(method="rrf"), None, "rrf", {"k": 60}),
    "min-max, weighted sum": (
        FusionSettings(method="wsum", norm="min-max", weights=(0.5, 0.5)),
        "min-max",
        "wsum",
        {"weights": [0.5, 0.5]},
    ),
}


def made_up() -> list[tuple[Run, Run]]:
    """Return two runs a task: BRIGHT's numbers of queries, half of the documents shared."""
    rng = np.random.default_rng(5)
    pairs = []
    for task in TASKS.values():
        if task.group == "bright":
            runs = []
            for _ in range(2):
                rankings = {}
                for query in range(task.counts.queries):
                    ids = rng.permutation(2 * DEPTH)[:DEPTH]
                    docs = [f"folder_{query}/document number {at}.txt" for at in ids.tolist()]
                    rankings[str(query)] = ranked(docs, rng.random(DEPTH), DEPTH)
                runs.append(Run(rankings))
            pairs.append((runs[0], runs[1]))
    return pairs


def real(one: Path, other: Path) -> list[tuple[Run, Run]]:
    """Return the runs of two folders, task by task in the order of their names."""
    files = zip(sorted(one.iterdir()), sorted(other.iterdir()), strict=True)
    return [(read_run(a), read_run(b)) for a, b in files]


def by_ranx(
    pairs: Sequence[tuple[Run, Run]], norm: str | None, method: str, params: dict[str, object]
) -> list[Run]:
    """Fuse with ranx, from our rankings and back."""
    fused = []
    for pair in pairs:
        runs = [
            ranx.Run({q: dict(zip(r.doc_ids, r.scores.tolist(), strict=True))
                      for q, r in run.rankings.items()})
            for run in pair
        ]  # fmt: skip
        found = ranx.fuse(runs, norm, method, params).to_dict()
        fused.append(
            Run(
                {
                    q: Ranking(tuple(docs), np.array(list(docs.values()), dtype=np.float32))
                    for q, docs in found.items()
                }
            )
        )
    return fused


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def largest_gap(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    """Return the largest difference of two fused scores of one document."""
    worst = 0.0
    for one, other in zip(ours, theirs, strict=True):
        for qid, ranking in one.rankings.items():
            expected = other.rankings[qid]
            values = dict(zip(expected.doc_ids, expected.scores.tolist(), strict=True))
            for doc, score in zip(ranking.doc_ids, ranking.scores.tolist(), strict=True):
                worst = max(worst, abs(score - values[doc]))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUNS")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    pairs = real(*options.runs) if options.runs else made_up()
    what = "real runs" if options.runs else "made-up runs"
    queries = sum(len(pair[0].rankings) for pair in pairs)

    lines = []
    for title, (settings, norm, method, params) in CASES.items():
        fusion = Fusion.of(settings, 2)
        theirs = by_ranx(pairs, norm, method, params)  # compiles
        gap = largest_gap([fuse_runs(pair, fusion, 10**6).run for pair in pairs], theirs)
        ours_s, theirs_s = [], []
        for _ in range(ROUNDS):
            ours_s.append(seconds(lambda f=fusion: [fuse_runs(p, f, 10**6) for p in pairs]))
            theirs_s.append(seconds(lambda n=norm, m=method, p=params: by_ranx(pairs, n, m, p)))
        ours, ranx_s = statistics.median(ours_s), statistics.median(theirs_s)
        lines.append(f"| {title} | {ours:.2f} | {ranx_s:.2f} | {ranx_s / ours:.1f} x | {gap:.1e} |")
        print(lines[-1], flush=True)

    text = "\n".join(
        [
            "# Fusing runs: rebench against ranx",
            "",
            f"{len(pairs)} tasks x 2 runs x {DEPTH} documents ({queries:,} queries, {what}), from "
            "rankings in memory to rankings in memory.",
            f"Processor seconds, median of {ROUNDS} rounds in turn; ranx compiled beforehand.",
            "",
            "| fusion | rebench | ranx | ranx / rebench | largest difference of a float32 score |",
            "|---|--:|--:|--:|--:|",
            *lines,
            "",
            f"{os.cpu_count()} CPU cores ({platform.machine()}), Python "
            f"{platform.python_version()}, numpy {version('numpy')}, ranx {version('ranx')}.",
            "Made by `python benchmarks/fuse_vs_ranx.py`.",
            "",
        ]
    )
    options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
