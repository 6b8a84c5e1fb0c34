"""What `harness.metrics.score` costs over pytrec_eval's own call on ready-made dictionaries.

Run: python benchmarks/metrics_vs_pytrec_eval.py [-o FILE.md]

1,384 queries (BRIGHT's number) of 1,000 documents, 25 measures. `score` starts from tuples of ids
and float32 arrays and checks them; pytrec_eval gets its dictionaries and its evaluator for free.
The two alternate in one process; peak memory is each one's own, in a child process.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pytrec_eval import RelevanceEvaluator

from harness.core.types import Ranking, Run
from harness.metrics.names import OFFICIAL, measure_key
from harness.metrics.score import score

QUERIES = 1_384
DOCUMENTS = 1_000
CORPUS = 100_000
RELEVANT = 6
ROUNDS = 15
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "metrics_vs_pytrec_eval.md"

Judgements = dict[str, dict[str, int]]


def make_data() -> tuple[Run, Judgements]:
    """Return a random run with ids as long as BRIGHT's (about 40 characters) and judgements."""
    rng = np.random.default_rng(7)
    corpus = [
        f"source_{i % 977}/some document title {i * 7919 % CORPUS:06d}_{i}.txt"
        for i in range(CORPUS)
    ]
    rankings = {}
    qrels = {}
    for at in range(QUERIES):
        rows = rng.choice(CORPUS, size=DOCUMENTS, replace=False)
        values = np.sort(rng.standard_normal(DOCUMENTS).astype(np.float32))[::-1]
        rankings[f"q{at}"] = Ranking(tuple(corpus[row] for row in rows), values)
        relevant = rng.choice(DOCUMENTS, size=RELEVANT, replace=False)
        qrels[f"q{at}"] = {corpus[rows[place]]: 1 for place in relevant}
    return Run(rankings), qrels


def dictionaries(run: Run) -> dict[str, dict[str, float]]:
    """Return the run as pytrec_eval reads it."""
    return {
        qid: dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        for qid, ranking in run.rankings.items()
    }


def peak_mib() -> float:
    """Return this process's highest resident memory in MiB (kibibytes on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure_peak(which: str) -> float:
    """Return how far one call raises a fresh process's peak memory above the data's, in MiB."""
    code = subprocess.run(
        [sys.executable, __file__, "--peak", which], capture_output=True, text=True, check=True
    )
    return float(code.stdout)


def print_peak(which: str) -> None:
    """Print the rise in peak memory of one call, for `measure_peak`."""
    run, qrels = make_data()
    before = peak_mib()
    if which == "score":
        score(run, qrels)
    else:
        measures = {measure_key(metric) for metric in OFFICIAL}
        RelevanceEvaluator(qrels, measures).evaluate(dictionaries(run))
    print(peak_mib() - before)


def seconds(call: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def table() -> str:
    """Measure, and return the Markdown page."""
    # Peaks first: on Linux a child's peak memory starts from what its parent holds.
    peaks = {which: measure_peak(which) for which in ("score", "pytrec_eval")}
    run, qrels = make_data()
    ready = dictionaries(run)
    measures = {measure_key(metric) for metric in OFFICIAL}
    evaluator = RelevanceEvaluator(qrels, measures)
    theirs = evaluator.evaluate(ready)
    ours = score(run, qrels)
    for metric in OFFICIAL:
        values = {qid: found[measure_key(metric)] for qid, found in theirs.items()}
        if values != ours.per_query[str(metric)]:
            raise SystemExit(f"values differ for {metric}")
    pairs = np.array(
        [
            (seconds(lambda: evaluator.evaluate(ready)), seconds(lambda: score(run, qrels)))
            for _ in range(ROUNDS)
        ]
    )
    columns = {
        "pytrec_eval, ready-made dictionaries (s)": pairs[:, 0],
        "rebench `score`, from arrays (s)": pairs[:, 1],
        "ratio": pairs[:, 1] / pairs[:, 0],
    }
    lines = [
        "# Scoring: rebench against pytrec_eval's own call",
        "",
        f"{QUERIES:,} queries x {DOCUMENTS:,} documents, {len(OFFICIAL)} measures, "
        f"{ROUNDS} alternating rounds in one process. Conversion and all checks are inside "
        "rebench's time; pytrec_eval's dictionaries and evaluator were made beforehand. "
        "Every one of the values is equal, bit for bit.",
        "",
        "| | min | median | max |",
        "|---|--:|--:|--:|",
    ]
    for name, values in columns.items():
        cells = (f"{cell:.3f}" for cell in (values.min(), np.median(values), values.max()))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Rise in peak memory: `score` {peaks['score']:.1f} MiB; dictionaries of the whole "
        f"run and pytrec_eval {peaks['pytrec_eval']:.1f} MiB.",
        "",
        f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}, "
        f"numpy {np.__version__}, pytrec-eval-terrier {version('pytrec-eval-terrier')}. "
        "Made by `python benchmarks/metrics_vs_pytrec_eval.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--peak", choices=("score", "pytrec_eval"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(options.peak)
        return
    page = table()
    print(page)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
