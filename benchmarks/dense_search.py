"""Exact dense search against the bare matrix product and top-k, with and without exclusions.

    python benchmarks/dense_search.py [--documents 188002] [--dimension 1024] [--runs 5]

The shape is BRIGHT's aops task with 1,024-dimensional vectors. Each variant runs in turn, A B C
A B C …, in one process; the ratios are pair by pair. Peak memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.search.dense import DenseSearch, search_dense

MOST_EXCLUDED = 11_000


def made(arguments: argparse.Namespace) -> tuple:
    """Return random unit vectors, ids, and queries that exclude up to 11,000 documents each."""
    generator = np.random.default_rng(0)
    shape = (arguments.documents, arguments.dimension)
    documents = generator.standard_normal(shape, dtype=np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries = generator.standard_normal((arguments.queries, arguments.dimension), dtype=np.float32)
    ids = [f"document_{row}.json" for row in generator.permutation(arguments.documents)]
    most = min(MOST_EXCLUDED, arguments.documents // 2)
    counts = np.linspace(0, most, arguments.queries).astype(int)
    excluded = [
        frozenset(ids[row] for row in generator.choice(arguments.documents, count, replace=False))
        for count in counts
    ]
    return queries, documents, ids, excluded


def bare(queries: np.ndarray, documents: np.ndarray, k: int) -> None:
    """Multiply and take each row's top k with torch: no ids, no tie rule, no exclusions."""
    import torch

    scores = torch.from_numpy(queries) @ torch.from_numpy(documents).T
    torch.topk(scores, k, dim=1)


def variants(arguments: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Return what is timed."""
    queries, documents, ids, excluded = made(arguments)
    nothing = [(str(row), frozenset()) for row in range(len(queries))]
    masked = [(str(row), left_out) for row, left_out in enumerate(excluded)]
    how = DenseSearch(arguments.engine)

    def search(asked: list) -> object:
        return search_dense(queries, documents, ids, asked, arguments.k, how)

    return {
        "bare product and top-k": lambda: bare(queries, documents, arguments.k),
        "search, nothing excluded": lambda: search(nothing),
        "search, exclusions masked": lambda: search(masked),
    }


def timed(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Return seconds per variant, run in turn after one warm-up each."""
    table = variants(arguments)
    seconds: dict[str, list[float]] = {name: [] for name in table}
    for turn in range(arguments.runs + 1):
        for name, call in table.items():
            start = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def memory(arguments: argparse.Namespace) -> tuple[float, float]:
    """Return GiB of the process before and at the peak of one masked search."""
    table = variants(arguments)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    table["search, exclusions masked"]()
    return before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def report(arguments: argparse.Namespace, seconds: dict[str, list[float]], peak: str) -> str:
    """Return the table as Markdown."""
    names = list(seconds)
    ratio = [b / a for a, b in zip(seconds[names[0]], seconds[names[1]], strict=True)]
    masked = [b / a for a, b in zip(seconds[names[1]], seconds[names[2]], strict=True)]
    matrix = arguments.documents * arguments.dimension * 4 / 2**30
    lines = [
        "# Exact dense search",
        "",
        f"{arguments.queries} queries, {arguments.documents:,} documents of {arguments.dimension} "
        f"components, k = {arguments.k}, up to {MOST_EXCLUDED:,} excluded for a query; "
        f"{arguments.runs} runs in turn, engine {arguments.engine}.",
        "",
        "| what | min s | median s | max s |",
        "|---|--:|--:|--:|",
    ]
    for name, values in seconds.items():
        lines.append(
            f"| {name} | {min(values):.2f} | {statistics.median(values):.2f} | {max(values):.2f} |"
        )
    lines += [
        "",
        f"Search over the bare product and top-k: {statistics.median(ratio):.2f} × "
        f"({min(ratio):.2f} to {max(ratio):.2f}).",
        f"Cost of exclusions: {statistics.median(masked):.2f} × "
        f"({min(masked):.2f} to {max(masked):.2f}).",
        f"Memory: the matrix is {matrix:.2f} GiB; {peak}",
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
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--engine", default="auto")
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
