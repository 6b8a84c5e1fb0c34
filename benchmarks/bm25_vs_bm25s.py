"""Index and search time of rebench's BM25 against bm25s, on the same synthetic corpus.

    python benchmarks/bm25_vs_bm25s.py                       # 400,000 documents
    python benchmarks/bm25_vs_bm25s.py --documents 20000     # a quick look

The corpus has BRIGHT leetcode's size: 413,932 documents and 457 MB there, so about 1,104
characters a document, words drawn by Zipf's law; 142 queries of about 1,459 characters (BRIGHT's
leetcode queries), k = 1,000. Each contender runs in a process of its own, in turn, and does the
whole job: tokenize, stop words, Porter stems, index, search. bm25s runs with its own tokenizer,
its English stop words, PyStemmer's Porter, both of its retrieval backends and all cores; numba's
compilation is left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np

from harness.core.progress import SilentReporter
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.search.bm25 import bm25
from harness.search.lucene.analyzer import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results" / "bm25_vs_bm25s.md"
K = 1000
SUFFIXES = ("", "", "", "s", "ing", "ed", "ly", "ation", "ness")
JOINTS = (" ", ", ", ". ", "\t", " (", ") ", ": ", " = ", "’s ", "_")
JOINT_SHARES = (0.755, 0.05, 0.05, 0.05, 0.03, 0.03, 0.01, 0.02, 0.003, 0.002)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the corpus is like: sizes in documents, words and characters."""

    documents: int
    queries: int = 142
    vocabulary: int = 500_000
    exponent: float = 1.07
    document_characters: int = 1104
    query_characters: int = 1459
    seed: int = 13


def write_texts(
    path: Path, shape: Shape, n: int, characters: int, rng: np.random.Generator
) -> None:
    """Write `n` texts, one a line (tabs stand for line breaks), of about `characters` each."""
    words = make_words(shape)
    probability = np.arange(1, shape.vocabulary + 1, dtype=np.float64) ** -shape.exponent
    reach = np.cumsum(probability / probability.sum())
    joint_length = sum(len(j) * share for j, share in zip(JOINTS, JOINT_SHARES, strict=True))
    mean_length = probability @ [len(word) + joint_length for word in words] / probability.sum()
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, n, 5000):
            count = min(5000, n - first)
            spread = rng.lognormal(-0.32, 0.8, count)  # mean 1
            sizes = np.maximum(1, spread * characters / mean_length).astype(np.int64)
            drawn = np.searchsorted(reach, rng.random(sizes.sum())).clip(max=len(words) - 1)
            joints = rng.choice(len(JOINTS), sizes.sum(), p=JOINT_SHARES)
            pieces = [words[w] + JOINTS[j] for w, j in zip(drawn, joints, strict=True)]
            ends = np.cumsum(sizes)
            for start, end in zip(ends - sizes, ends, strict=True):
                file.write("".join(pieces[start:end]) + "\n")


def make_words(shape: Shape) -> list[str]:
    """Return the vocabulary by rank: stop words first, then made-up words with real suffixes."""
    rng = np.random.default_rng(shape.seed)
    letters = np.array(list("etaoinshrdlcumwfgypbvk"))
    words = sorted(STOP_WORDS)[: shape.vocabulary]
    while len(words) < shape.vocabulary:
        size = rng.integers(2, 5 + len(words).bit_length() // 4)
        stem = "".join(letters[rng.integers(0, len(letters), size)])
        word = stem + SUFFIXES[rng.integers(len(SUFFIXES))]
        words.append(word.capitalize() if rng.random() < 0.1 else word)
    return words


def run_ours(texts: list[str], queries: list[str]) -> dict[str, float]:
    """Search with rebench; seconds by phase."""
    task = Task(
        name="synthetic",
        group="",
        revision="",
        query_set="original",
        queries=tuple(Query(str(number), text) for number, text in enumerate(queries)),
        qrels={},
        excluded={},
        head_metric="ndcg@10",
        prompt_fields=PromptFields("", "", "", "", ""),
        corpus=Corpus(tuple(f"document/{number}" for number in range(len(texts))), tuple(texts)),
    )
    started, processor = perf_counter(), process_time()
    timings = bm25().search(task, min(K, len(texts)), SilentReporter()).timings
    total, processor = perf_counter() - started, process_time() - processor
    return {**timings, "total": total, "processor": processor}


def run_bm25s(texts: list[str], queries: list[str], backend: str) -> dict[str, float]:
    """Search with bm25s; seconds by phase."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("porter")
    started, processor = perf_counter(), process_time()
    tokens = bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)
    retriever = bm25s.BM25(k1=0.9, b=0.4, backend=backend, csc_backend="scipy")
    retriever.index(tokens, show_progress=False)
    indexed = perf_counter()
    asked = bm25s.tokenize(queries, stopwords="en", stemmer=stemmer, show_progress=False)
    cores = os.cpu_count() or 1
    retriever.retrieve(asked, k=min(K, len(texts)), n_threads=cores, show_progress=False)
    ended, processor = perf_counter(), process_time() - processor
    return {
        "index": indexed - started,
        "search": ended - indexed,
        "total": ended - started,
        "processor": processor,
    }


def run_bm25s_compiled(texts: list[str], queries: list[str]) -> dict[str, float]:
    """Search with bm25s on numba, once its functions are compiled: that is left out."""
    run_bm25s(texts[:2000], queries, "numba")
    return run_bm25s(texts, queries, "numba")


CONTENDERS: dict[str, Callable[[list[str], list[str]], dict[str, float]]] = {
    "rebench bm25": run_ours,
    "bm25s, numpy": lambda texts, queries: run_bm25s(texts, queries, "numpy"),
    "bm25s, numba": run_bm25s_compiled,
}


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, without holding the file as well."""
    with path.open(encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n") for line in file]


def contend(name: str, folder: Path) -> None:
    """Run one contender in this process and print its figures as JSON."""
    texts, queries = (read_lines(folder / kind) for kind in ("documents", "queries"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = CONTENDERS[name](texts, queries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**seconds, "texts_mib": before / 1024, "peak_mib": peak / 1024}))


def measure(name: str, folder: Path) -> dict[str, float]:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--contender", name, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(shape: Shape, size: int, rounds: dict[str, list[dict[str, float]]]) -> str:
    """Return the Markdown page: medians over the rounds, and ratios to the first contender."""
    middle = {
        name: {key: statistics.median(figures[key] for figures in runs) for key in runs[0]}
        for name, runs in rounds.items()
    }
    ours = next(iter(middle.values()))
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in ("bm25s", "PyStemmer", "numpy", "scipy", "numba")
        if importlib.util.find_spec({"PyStemmer": "Stemmer"}.get(package, package))
    )
    lines = [
        "# BM25 against bm25s",
        "",
        f"`python benchmarks/bm25_vs_bm25s.py --documents {shape.documents}`: "
        f"{shape.documents:,} documents ({size / 1e6:,.0f} MB), {shape.queries} queries, "
        f"k = {K:,}; medians of {len(next(iter(rounds.values())))} alternating rounds.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {versions}.",
        "",
        "| | index, s | search, s | total, s | rebench / this | processor, s | rebench / this "
        "| texts, MiB | peak, MiB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {name} | {row['index']:.1f} | {row['search']:.1f} "
        f"| {row['total']:.1f} | {ours['total'] / row['total']:.2f} "
        f"| {row['processor']:.1f} | {ours['processor'] / row['processor']:.2f} "
        f"| {row['texts_mib']:,.0f} | {row['peak_mib']:,.0f} |"
        for name, row in middle.items()
    ]
    lines += [
        "",
        "Processor seconds add up all cores and are steadier on a busy machine. Peak is "
        "the process' largest resident size; the texts it was given and the imports are in it.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=400_000)
    parser.add_argument("--vocabulary", type=int, default=500_000)
    parser.add_argument("--exponent", type=float, default=1.07)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contend(arguments.contender, arguments.folder)
        return
    shape = Shape(arguments.documents, vocabulary=arguments.vocabulary, exponent=arguments.exponent)
    names = [n for n in CONTENDERS if "numba" not in n or importlib.util.find_spec("numba")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rng = np.random.default_rng(shape.seed)
        documents = folder / "documents"
        write_texts(documents, shape, shape.documents, shape.document_characters, rng)
        write_texts(folder / "queries", shape, shape.queries, shape.query_characters, rng)
        size = documents.stat().st_size
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name in names:
                rounds[name].append(measure(name, folder))
                print(name, {key: round(v, 1) for key, v in rounds[name][-1].items()}, flush=True)
    page = report(shape, size, rounds)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
