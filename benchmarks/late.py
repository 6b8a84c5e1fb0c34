"""Late interaction: MaxSim against the bare product, two stages, and what rounding costs.

    python benchmarks/late.py [--task FOLDER --model FOLDER]

MaxSim: random unit vectors, 2,000 documents of 180 tokens and 100 queries of 32, 128 components;
against `queries @ documents.T`, a max over each document and a sum over each query, in batches of
documents, in turn in one process; ratios are pair by pair, of processor time. Peak memory is that
of a process of its own. With a task (a folder in BEIR layout) and a late-interaction model: exact
MaxSim beside the best 100 of BM25, and document vectors rounded to bfloat16 and int8.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from harness.cache.batches import EncodingInput
from harness.cache.codecs.multi_vector import token_bytes
from harness.cache.encode import encode_texts
from harness.core.progress import SilentReporter
from harness.core.rounding import rounded_to
from harness.core.settings import Settings
from harness.core.types import ROUNDINGS, Corpus, RetrievalResult, Role, Run, Task, TokenVectors
from harness.data.registry import TaskOptions, load_task
from harness.loading import RunOptions, retriever
from harness.metrics.score import score
from harness.retrieval.late import LateRetriever
from harness.search.approximate import recall_of
from harness.search.late import search_late
from models.spec import LoadOptions
from results.environment import environment

DOCUMENTS, DOCUMENT_TOKENS, QUERIES, QUERY_TOKENS, DIMENSION = 2_000, 180, 100, 32, 128
BATCH = 16
"""Documents in one product of the bare version: of 4, 16 and 64 the fastest."""
DEPTH = 1000


def unit_vectors(texts: int, tokens: int, seed: int) -> TokenVectors:
    """Return random token vectors of norm 1."""
    values = np.random.default_rng(seed).standard_normal((texts * tokens, DIMENSION), np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return TokenVectors(values, np.arange(texts + 1, dtype=np.int64) * tokens)


def bare(queries: TokenVectors, documents: TokenVectors) -> np.ndarray:
    """Return the scores as plain NumPy makes them, float32 `[q, n]`."""
    scores = np.empty((QUERIES, DOCUMENTS), dtype=np.float32)
    for start in range(0, DOCUMENTS, BATCH):
        stop = min(start + BATCH, DOCUMENTS)
        some = documents.values[start * DOCUMENT_TOKENS : stop * DOCUMENT_TOKENS]
        products = (queries.values @ some.T).reshape(QUERIES, QUERY_TOKENS, -1, DOCUMENT_TOKENS)
        scores[:, start:stop] = products.max(axis=-1).sum(axis=1)
    return scores


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds of all threads that a call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def searched() -> tuple[TokenVectors, TokenVectors, Callable[[], object]]:
    """Return the vectors and the call that is measured."""
    documents = unit_vectors(DOCUMENTS, DOCUMENT_TOKENS, 1)
    queries = unit_vectors(QUERIES, QUERY_TOKENS, 2)
    ids = [f"d{row}" for row in range(DOCUMENTS)]
    asked = [(f"q{row}", frozenset[str]()) for row in range(QUERIES)]
    return queries, documents, lambda: search_late(queries, documents, ids, asked, DEPTH)


def speed(runs: int) -> list[str]:
    """Return the lines about time."""
    queries, documents, search = searched()
    pairs = []
    for _ in range(runs):
        pairs.append((seconds(lambda: bare(queries, documents)), seconds(search)))
    ratios = sorted(ours / theirs for theirs, ours in pairs)
    return [
        f"MaxSim of {DOCUMENTS:,} documents of {DOCUMENT_TOKENS} tokens and {QUERIES} queries of "
        f"{QUERY_TOKENS}, {DIMENSION} components, k = {DEPTH}; {runs} runs in turn.",
        "",
        "| what | median s (processor) |",
        "|---|--:|",
        f"| bare product, max and sum | {statistics.median(p[0] for p in pairs):.2f} |",
        f"| search | {statistics.median(p[1] for p in pairs):.2f} |",
        "",
        f"Search over the bare product: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to "
        f"{ratios[-1]:.2f}; median, least to most).",
        "",
        memory_line(),
    ]


def memory_line() -> str:
    """Return what a process of its own says of its peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def memory() -> str:
    """Return the vectors' size, and what the search adds to the peak before it."""
    queries, documents, search = searched()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    search()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = (queries.values.nbytes + documents.values.nbytes) / 2**20
    return (
        f"Memory: the vectors take {size:,.0f} MiB; the process' peak is {before / 1024:,.0f} MiB "
        f"while they are made and {after / 1024:,.0f} MiB after the search."
    )


def one_task(folder: Path, model: Path) -> list[str]:
    """Return the lines about a task: two stages, and rounded vectors."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        settings = Settings(place / "cache", place / "results", place / "data", {})
        options = TaskOptions(data_dir=place, query_set="original", with_corpus=True)
        task = load_task(str(folder), options)
        how = RunOptions(LoadOptions(device="cpu"), candidates="bm25", depth=100)
        second = retriever(str(model), settings, how)
        first = retriever(str(model), settings, RunOptions(LoadOptions(device="cpu")))
        if not isinstance(first, LateRetriever):
            raise SystemExit(f"{model} is no late-interaction model")
        exact = first.search(task, DEPTH, SilentReporter())
        made = second.search(task, DEPTH, SilentReporter())
        taken = numbers(made, "search_seconds")
        recall = numbers(made, "recall_against_exact")
        two = taken["candidates"] + taken["maxsim"]
        lines = [
            f"Two stages on {task.name}, model `{model.name}`: the best 100 of BM25, then MaxSim "
            "(wall seconds).",
            "",
            "| | exact | two stages |",
            "|---|--:|--:|",
            f"| search s | {taken['exact']:.2f} | {two:.2f} |",
            f"| of exact's top 10, of its top 100 | 1 | {recall['10']:.4f}, {recall['100']:.4f} |",
            f"| nDCG@10 | {ndcg(exact.run, task):.5f} | {ndcg(made.run, task):.5f} |",
            "",
            f"Two stages take {two / taken['exact']:.2f} of the time.",
            "",
            *rounded(first, task, exact.run),
        ]
    return lines


def rounded(first: LateRetriever, task: Task, whole: Run) -> list[str]:
    """Return a table of what rounding the documents' vectors changes; none is encoded again."""
    lines = [
        "| document vectors | bytes a document | nDCG@10 | top 10 alike |",
        "|---|--:|--:|--:|",
    ]
    corpus = task.corpus or Corpus((), ())
    queries = stored(first, "query", [query.text for query in task.queries])
    documents = stored(first, "document", corpus.texts)
    asked = [(query.id, frozenset[str]()) for query in task.queries]
    for storage in ROUNDINGS:
        near = replace(documents, values=rounded_to(documents.values, storage))
        run = search_late(queries, near, corpus.ids, asked, DEPTH)
        size = documents.lengths.mean() * token_bytes(documents.values.shape[1], storage)
        lines.append(
            f"| {storage} | {size:,.0f} | {ndcg(run, task):.5f} | {recall_of(run, whole)[10]:.2%} |"
        )
    return lines


def stored(first: LateRetriever, role: Role, texts: Sequence[str]) -> TokenVectors:
    """Return vectors that the search has left in the cache."""
    source = EncodingInput.of(first.embedder, role, "")
    return encode_texts(first.embedder, texts, source, first.store, SilentReporter()).vectors


def numbers(made: RetrievalResult, fact: str) -> dict[str, float]:
    """Return a fact that is a table of numbers."""
    table = made.facts[fact]
    if not isinstance(table, Mapping):
        raise TypeError(f"{fact} is {table!r}")
    return {key: float(str(value)) for key, value in table.items()}


def ndcg(run: Run, task: Task) -> float:
    """Return mean nDCG@10 by rebench's protocol."""
    return score(run, task.qrels).means["ndcg@10"]


def main() -> None:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--task", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    default = Path(__file__).parent / "results" / "late.md"
    parser.add_argument("-o", "--output", type=Path, default=default)
    given = parser.parse_args()
    if given.memory:
        print(memory())
        return
    lines = ["# Late interaction", "", *speed(given.runs)]
    if given.task and given.model:
        lines += ["", *one_task(given.task, given.model)]
    lines += [
        "",
        f"{environment()['cpu']}, {os.cpu_count()} cores, OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'unset')}, load at the end {os.getloadavg()[0]:.1f} "
        f"(this program included); NumPy {version('numpy')}. Made by `python benchmarks/late.py`.",
        "",
    ]
    print("\n".join(lines))
    given.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
