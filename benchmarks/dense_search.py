"""Exact dense search against the bare matrix product and top-k, with and without exclusions.

    python benchmarks/dense_search.py [--documents 188002] [--dimension 1024] [--runs 9]

The shape is BRIGHT's aops task with 1,024-dimensional vectors. Each variant runs in turn, A B C
A B C …, in one process; the ratios are pair by pair, in wall and in processor time (of all
threads: run with OMP_NUM_THREADS=1 on a machine that others use, or waiting threads count too).
"Anywhere" excludes documents by chance, "the best" each query's best: the dearest there is.
Peak memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from harness.search.dense import DenseSearch, search_dense
from results.environment import environment

MOST_EXCLUDED = 11_000
BARE = "bare product and top-k"
NOTHING, ANYWHERE, BEST = "nothing excluded", "excluded anywhere", "the best excluded"


@dataclass(frozen=True, slots=True)
class Seconds:
    """One run, in wall time and in processor time of all threads."""

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Made:
    """Random unit vectors, ids, and what queries exclude: anything, or what suits them best."""

    queries: np.ndarray
    documents: np.ndarray
    ids: list[str]
    anywhere: list[frozenset[str]]
    best: list[frozenset[str]]


def made(arguments: argparse.Namespace) -> Made:
    """Return the corpus and queries that exclude from none to 11,000 documents each."""
    generator = np.random.default_rng(0)
    shape = (arguments.documents, arguments.dimension)
    documents = generator.standard_normal(shape, dtype=np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries = generator.standard_normal((arguments.queries, arguments.dimension), dtype=np.float32)
    ids = [f"document_{row}.json" for row in generator.permutation(arguments.documents)]
    most = min(MOST_EXCLUDED, arguments.documents // 2)
    counts = np.linspace(0, most, arguments.queries).astype(int)
    anywhere = [
        frozenset(ids[row] for row in generator.choice(arguments.documents, count, replace=False))
        for count in counts
    ]
    best = [
        frozenset(ids[row] for row in np.argsort(documents @ query)[arguments.documents - count :])
        for query, count in zip(queries, counts, strict=True)
    ]
    return Made(queries, documents, ids, anywhere, best)


def bare(queries: np.ndarray, documents: np.ndarray, k: int) -> None:
    """Multiply and take each row's top k with torch: no ids, no tie rule, no exclusions."""
    import torch

    scores = torch.from_numpy(queries) @ torch.from_numpy(documents).T
    torch.topk(scores, k, dim=1)


def variants(arguments: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Return what is timed; the first is the measure of the others."""
    given = made(arguments)
    nothing = [frozenset[str]()] * len(given.queries)
    table: dict[str, Callable[[], object]] = {
        BARE: lambda: bare(given.queries, given.documents, arguments.k)
    }
    for engine in arguments.engines.split(","):
        for what, excluded in (
            (NOTHING, nothing), (ANYWHERE, given.anywhere), (BEST, given.best)
        ):  # fmt: skip
            asked = [(str(row), left_out) for row, left_out in enumerate(excluded)]
            table[f"{engine}, {what}"] = partial(
                search_dense, given.queries, given.documents, given.ids, asked, arguments.k,
                DenseSearch(engine),
            )  # fmt: skip
    return table


def timed(arguments: argparse.Namespace) -> dict[str, list[Seconds]]:
    """Return seconds per variant, run in turn after one warm-up each."""
    table = variants(arguments)
    seconds: dict[str, list[Seconds]] = {name: [] for name in table}
    for turn in range(arguments.runs + 1):
        for name, call in table.items():
            wall, processor = time.perf_counter(), time.process_time()
            call()
            if turn:
                seconds[name].append(
                    Seconds(time.perf_counter() - wall, time.process_time() - processor)
                )
    return seconds


def memory(arguments: argparse.Namespace) -> tuple[float, float]:
    """Return GiB of the process before and at the peak of one masked search."""
    table = variants(arguments)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    table[f"{arguments.engines.split(',')[0]}, {BEST}"]()
    return before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def ratios(over: list[Seconds], under: list[Seconds]) -> str:
    """Return the median of the ratios pair by pair, least and most: wall, then processor."""
    cells = []
    for kind in ("wall", "processor"):
        each = [
            getattr(a, kind) / getattr(b, kind) for a, b in zip(over, under, strict=True)
        ]  # fmt: skip
        cells.append(f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})")
    return " | ".join(cells)


def report(arguments: argparse.Namespace, seconds: dict[str, list[Seconds]], peak: str) -> str:
    """Return the tables as Markdown."""
    matrix = arguments.documents * arguments.dimension * 4 / 2**30
    lines = [
        "# Exact dense search",
        "",
        f"{arguments.queries} queries, {arguments.documents:,} documents of {arguments.dimension} "
        f"components, k = {arguments.k}, up to {MOST_EXCLUDED:,} excluded for a query; "
        f"{arguments.runs} runs in turn.",
        "",
        "| what | min s | median s | max s | processor, min s | median s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, values in seconds.items():
        wall, processor = ([getattr(v, k) for v in values] for k in ("wall", "processor"))
        lines.append(
            f"| {name} | {min(wall):.2f} | {statistics.median(wall):.2f} | {max(wall):.2f} | "
            f"{min(processor):.2f} | {statistics.median(processor):.2f} |"
        )
    lines += ["", "| ratio (median, least to most) | wall | processor time |", "|---|---|---|"]
    for engine in arguments.engines.split(","):
        plain = seconds[f"{engine}, {NOTHING}"]
        lines.append(f"| {engine}: search over {BARE} | {ratios(plain, seconds[BARE])} |")
        for what in (ANYWHERE, BEST):
            masked = ratios(seconds[f"{engine}, {what}"], plain)
            lines.append(f"| {engine}: {what} over {NOTHING} | {masked} |")
    machine = environment()
    lines += [
        "",
        f"Memory: the matrix is {matrix:.2f} GiB; {peak}",
        "",
        f"{machine.get('cpu')}, {len(os.sched_getaffinity(0))} cores, OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, load at the end "
        f"{os.getloadavg()[0]:.1f} (this program included); NumPy {np.__version__}, torch "
        f"{version('torch')}. Made by `python benchmarks/dense_search.py`.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Parse, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=188_002)
    parser.add_argument("--dimension", type=int, default=1024)
    parser.add_argument("--queries", type=int, default=111)
    parser.add_argument("-k", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--engines", default="torch,numpy")
    parser.add_argument("--memory", action="store_true", help="only print this process' memory")
    default = Path(__file__).parent / "results" / "dense_search.md"
    parser.add_argument("-o", "--output", type=Path, default=default)
    arguments = parser.parse_args()
    if arguments.memory:
        before, peak = memory(arguments)
        print(f"the process held {before:.2f} GiB before the search and {peak:.2f} at its peak.")
        return
    child = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--memory"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = report(arguments, timed(arguments), child.stdout.strip())
    print(text)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
