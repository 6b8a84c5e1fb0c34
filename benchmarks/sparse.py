"""Sparse encoding and search against sentence-transformers' SparseEncoder and bare SciPy.

    python benchmarks/sparse.py --model FOLDER --task FOLDER [--task FOLDER]

Encoding: FOLDER is a SPLADE model (a bare masked language model will do), each task a folder in
BEIR layout. sentence-transformers encodes and scores everything with its defaults (batches of 32
texts); rebench does so twice, into an empty cache and out of a full one. Seconds are processor
time of all threads, weights loaded before. Both rankings are scored by rebench's protocol.
Search: random rows whose terms are as frequent as words are (1 / rank), against `queries @
documents.T` and a top-k of each row, in turn in one process; the ratios are pair by pair. Peak
memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from harness.core.progress import SilentReporter
from harness.core.settings import Settings
from harness.core.types import Corpus, Ranking, Run, Task
from harness.data.registry import TaskOptions, load_task
from harness.loading import RunOptions, retriever
from harness.metrics.score import score
from harness.search.sparse import search_sparse
from harness.search.top_k import TopKRanker
from models.spec import LoadOptions
from results.environment import environment

VOCABULARY = 30_522
DEPTH = 1000
WARM_TEXT = "a text that has the weights loaded"


@dataclass(frozen=True, slots=True)
class EncodingRow:
    """One task: nDCG@10 of both, rows of the table in processor seconds, and what was encoded."""

    task: str
    theirs: float
    ours: float
    same_top: float
    their_seconds: float
    cold_seconds: float
    warm_seconds: float
    active: float


def measured(model: Path, folder: Path) -> EncodingRow:
    """Return one task's row."""
    task = load_task(str(folder), TaskOptions(None, "original", with_corpus=True), SilentReporter())
    if task.corpus is None:
        raise SystemExit(f"{folder} has no documents")
    their_run, their_seconds = by_sentence_transformers(model, task, task.corpus)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        settings = Settings(place / "cache", place / "results", None, {})
        seconds, results = [], []
        for _ in ("cold", "warm"):
            load = LoadOptions(backend="sparse", device="cpu")
            made: Any = retriever(str(model), settings, RunOptions(load))
            if not seconds:
                made.embedder.encode((WARM_TEXT,), role="document", instruction="")
            start = time.process_time()
            results.append(made.search(task, DEPTH, SilentReporter()))
            seconds.append(time.process_time() - start)
    run = results[-1].run
    top = [
        len(set(run.rankings[qid].doc_ids[:10]) & set(ranking.doc_ids[:10])) / 10
        for qid, ranking in their_run.rankings.items()
    ]
    active: Any = results[0].facts["active"]
    return EncodingRow(
        task=task.name,
        theirs=ndcg(task, their_run),
        ours=ndcg(task, run),
        same_top=statistics.mean(top),
        their_seconds=their_seconds,
        cold_seconds=seconds[0],
        warm_seconds=seconds[1],
        active=active["document"]["mean"],
    )


def by_sentence_transformers(model: Path, task: Task, corpus: Corpus) -> tuple[Run, float]:
    """Return SparseEncoder's own ranking, and the processor seconds it took."""
    from sentence_transformers import SparseEncoder

    encoder = SparseEncoder(str(model), device="cpu")
    encoder.encode([WARM_TEXT])
    start = time.process_time()
    documents = encoder.encode_document(list(corpus.texts))
    queries = encoder.encode_query([query.text for query in task.queries])
    scores = encoder.similarity(queries, documents).numpy().astype(np.float32)
    ranker = TopKRanker(corpus.ids)
    rankings = {}
    for query, row in zip(task.queries, scores, strict=True):
        best = ranker.best(row, DEPTH, task.excluded.get(query.id, frozenset()))
        rankings[query.id] = Ranking(tuple(corpus.ids[at] for at in best), row[best])
    return Run(rankings), time.process_time() - start


def ndcg(task: Task, run: Run) -> float:
    """Return the mean nDCG@10 over all judged queries."""
    return score(run, task.qrels).means["ndcg@10"]


def random_rows(count: int, active: int, seed: int) -> csr_array:
    """Return rows of `active` terms each, drawn by 1 / rank, float32 weights."""
    rng = np.random.default_rng(seed)
    weights = 1 / (np.arange(VOCABULARY) + 10.0)
    edges = np.cumsum(weights / weights.sum())
    # Repeats within a row become one term: some more are drawn than are wanted.
    drawn = int(active * 1.15)
    terms = np.searchsorted(edges, rng.random((count, drawn))).clip(0, VOCABULARY - 1)
    rows = np.repeat(np.arange(count), drawn)
    values = rng.random(count * drawn, dtype=np.float32)
    made = csr_array((values, (rows, terms.ravel())), shape=(count, VOCABULARY))
    made.sum_duplicates()
    return made


def bare(queries: csr_array, documents: csr_array, k: int) -> None:
    """Multiply and take each row's top k: no ids, no tie rule, no exclusions."""
    for row in (queries @ documents.T).toarray():
        best = np.argpartition(-row, k)[:k]
        best[np.argsort(-row[best])]


@dataclass(frozen=True, slots=True)
class SearchTimes:
    """Seconds of wall and processor time, run by run, of the bare product and of the search."""

    bare: list[tuple[float, float]]
    ours: list[tuple[float, float]]

    def ratio(self, kind: int) -> str:
        """Return the median ratio and its range; kind 0 is wall time, 1 processor time."""
        each = [a[kind] / b[kind] for a, b in zip(self.ours, self.bare, strict=True)]
        return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def searched(arguments: argparse.Namespace) -> SearchTimes:
    """Return the times of both, run in turn after one warm-up each."""
    documents = random_rows(arguments.documents, arguments.active, 0)
    queries = random_rows(arguments.queries, arguments.query_active, 1)
    ids = [
        f"document_{row}.json" for row in np.random.default_rng(2).permutation(documents.shape[0])
    ]
    asked = [(str(row), frozenset[str]()) for row in range(arguments.queries)]
    calls = {
        "bare": lambda: bare(queries, documents, DEPTH),
        "ours": lambda: search_sparse(queries, documents, ids, asked, DEPTH),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(arguments.runs + 1):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            call()
            if turn:
                spent = (time.perf_counter() - wall, time.process_time() - processor)
                seconds[name].append(spent)
    return SearchTimes(**seconds)


def memory(arguments: argparse.Namespace) -> str:
    """Return a sentence on this process' memory before and at the peak of one search."""
    documents = random_rows(arguments.documents, arguments.active, 0)
    queries = random_rows(arguments.queries, arguments.query_active, 1)
    ids = [str(row) for row in range(documents.shape[0])]
    asked = [(str(row), frozenset[str]()) for row in range(arguments.queries)]
    held = (documents.data.nbytes + documents.indices.nbytes + documents.indptr.nbytes) / 2**30
    made = _peak()
    _reset_peak()
    search_sparse(queries, documents, ids, asked, DEPTH)
    return (
        f"the rows take {held:.2f} GiB; the process' peak is {_peak():.2f} GiB in the search "
        f"({made:.2f} while the rows were made)."
    )


def _reset_peak() -> None:
    """Let Linux count the peak from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Return the peak memory in GiB since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def encoding_lines(arguments: argparse.Namespace, rows: list[EncodingRow]) -> list[str]:
    """Return the table of tasks."""
    lines = [
        f"Encoding and ranking, model `{arguments.model.name}` (processor seconds of all threads).",
        "",
        "| task | nDCG@10, SparseEncoder | rebench | top 10 alike | SparseEncoder s | cold s | "
        "warm s | cold / theirs | cold / warm | terms a document |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.task} | {row.theirs:.5f} | {row.ours:.5f} | {row.same_top:.2%} | "
            f"{row.their_seconds:.1f} | {row.cold_seconds:.1f} | {row.warm_seconds:.2f} | "
            f"{row.cold_seconds / row.their_seconds:.2f} | "
            f"{row.cold_seconds / row.warm_seconds:.0f} | {row.active:.0f} |"
        )
    return [*lines, ""]


def search_lines(arguments: argparse.Namespace, times: SearchTimes, peak: str) -> list[str]:
    """Return what the search took beside the bare product."""
    walls = [statistics.median(each[0] for each in some) for some in (times.bare, times.ours)]
    return [
        f"Search: {arguments.queries} queries of about {arguments.query_active} terms, "
        f"{arguments.documents:,} documents of about {arguments.active}, k = {DEPTH}; "
        f"{arguments.runs} runs in turn.",
        "",
        "| what | median s (wall) |",
        "|---|--:|",
        f"| bare product and top-k | {walls[0]:.2f} |",
        f"| search | {walls[1]:.2f} |",
        "",
        f"Search over the bare product: {times.ratio(0)} in wall time, {times.ratio(1)} in "
        "processor time (median, least to most).",
        "",
        f"Memory: {peak}",
        "",
    ]


def machine_lines() -> list[str]:
    """Return what all of it was measured on."""
    return [
        f"{environment().get('cpu')}, {len(os.sched_getaffinity(0))} cores, OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, load at the end "
        f"{os.getloadavg()[0]:.1f} (this program included); SciPy {version('scipy')}, torch "
        f"{version('torch')}, sentence-transformers {version('sentence-transformers')}. Made by "
        "`python benchmarks/sparse.py`.",
        "",
    ]


def main() -> None:
    """Parse, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(".cache/splade-tiny"))
    parser.add_argument("--task", type=Path, action="append", default=[])
    parser.add_argument("--documents", type=int, default=200_000, help="0: no search")
    parser.add_argument("--active", type=int, default=150)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--query-active", type=int, default=40)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="only print this process' memory")
    default = Path(__file__).parent / "results" / "sparse.md"
    parser.add_argument("-o", "--output", type=Path, default=default)
    arguments = parser.parse_args()
    if arguments.memory:
        print(memory(arguments))
        return
    lines = ["# Learned sparse retrieval", ""]
    if arguments.task:
        rows = [measured(arguments.model, folder) for folder in arguments.task]
        lines += encoding_lines(arguments, rows)
    if arguments.documents:
        child = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--memory"],
            capture_output=True,
            text=True,
            check=True,
        )
        lines += search_lines(arguments, searched(arguments), child.stdout.strip())
    text = "\n".join([*lines, *machine_lines()])
    print(text)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
