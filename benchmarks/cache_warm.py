"""What the embedding cache saves: the same evaluation cold, then warm.

Run: python benchmarks/cache_warm.py [--models wordllama,minilm] [-o FILE.md]

Each run is a process of its own on the `stdlib` task: it loads the task, then encodes through the
store, searches and scores. The first of a model finds an empty store; the later ones must encode
nothing and load neither model nor tokenizer, which is checked, and must rank as the first did.
A second table reads a matrix of BRIGHT's largest corpus back from its shards.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from harness.cache.batches import EncodingInput
from harness.cache.codecs.dense import DenseCodec
from harness.cache.encode import encode_texts
from harness.cache.keys import text_keys
from harness.cache.store import EmbeddingStore
from harness.core.hashing import sha256_json
from harness.core.progress import SilentReporter
from harness.core.types import VectorSpace
from harness.data.registry import TaskOptions, load_task
from harness.metrics.score import score
from harness.retrieval.dense import DenseRetriever
from models.registry import find_card, make_embedder, shipped_cards
from models.spec import make_spec

WARM_RUNS = 5
ROWS, DIMENSIONS = 188_002, (1_024, 4_096)
SHARD_ROWS = 4_096
HEAVY = ("transformers", "sentence_transformers", "wordllama", "tokenizers")
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "cache_warm.md"


@dataclass(frozen=True, slots=True)
class Measured:
    """One evaluation: seconds of encoding (documents and queries), of all, and what was done."""

    encode: float
    total: float
    encoded: int
    texts: int
    ndcg: float
    run: str
    imported: list[str]


def evaluate_once(model: str, cache: Path) -> Measured:
    """Evaluate in this process, through the store."""
    task = load_task("stdlib-oblique", TaskOptions(), SilentReporter())
    card = find_card(model)
    retriever = DenseRetriever(make_embedder(make_spec(card)), EmbeddingStore(cache))
    start = time.perf_counter()
    found = retriever.search(task, 1000, SilentReporter())
    scores = score(found.run, task.qrels)
    total = time.perf_counter() - start
    facts = [found.facts["documents"], found.facts["queries"]]
    return Measured(
        encode=found.timings["encode_documents"] + found.timings["encode_queries"],
        total=total,
        encoded=sum(each["encoded"] for each in facts),
        texts=sum(each["texts"] for each in facts),
        ndcg=scores.means["ndcg@10"],
        run=sha256_json({q: list(r.doc_ids) for q, r in found.run.rankings.items()}),
        imported=[name for name in HEAVY if name in sys.modules],
    )


def in_a_process(*arguments: str) -> dict[str, object]:
    """Run this script with arguments in a fresh process and return what it printed."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_model(model: str) -> tuple[Measured, list[Measured]]:
    """Return the cold run and the warm ones, checked."""
    with tempfile.TemporaryDirectory() as cache:
        runs = [
            Measured(**in_a_process("--once", model, cache))  # type: ignore[arg-type]
            for _ in range(1 + WARM_RUNS)
        ]
    cold, warm = runs[0], runs[1:]
    for each in warm:
        if each.encoded or each.imported or (each.run, each.ndcg) != (cold.run, cold.ndcg):
            raise SystemExit(f"a warm run is not what it should be: {each} after {cold}")
    return cold, warm


def model_rows(models: list[str]) -> list[str]:
    """Return a table row for each model."""
    rows = []
    for model in models:
        cold, warm = measure_model(model)
        encode = [each.encode for each in warm]
        total = [each.total for each in warm]
        rows.append(
            f"| {model} | {cold.encoded:,} of {cold.texts:,} | {cold.encode:.2f} | "
            f"{statistics.median(encode):.3f} | {cold.encode / max(encode):,.0f} x | "
            f"{cold.total:.2f} | {statistics.median(total):.3f} | "
            f"{cold.total / max(total):,.0f} x |"
        )
        print(rows[-1])
    return rows


class Stored:
    """An embedder that only knows its space: everything is stored already."""

    name = "random"
    batch_tokens = 0

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def space(self, role: str, instruction: str) -> VectorSpace:
        """Return a space of its own for each dimension."""
        return VectorSpace(
            "random", "0", "none", "none", False, "document", "", 0, "float32", "none", "none",
            self.dimension,
        )  # fmt: skip


def corpus_texts() -> list[str]:
    return [f"document {row}" for row in range(ROWS)]


def fill(cache: Path, dimension: int) -> None:
    """Write random vectors for every text, in shards of the size that encoding writes."""
    folder = EmbeddingStore(cache).space(Stored(dimension).space("document", ""))
    keys, rng = text_keys(corpus_texts()), np.random.default_rng(1)
    rows = max(1, min(SHARD_ROWS, 64 * 2**20 // (4 * dimension)))
    order = rng.permutation(ROWS)  # encoding goes by length, not by place in the corpus
    for start in range(0, ROWS, rows):
        part = order[start : start + rows]
        vectors = rng.standard_normal((len(part), dimension), dtype=np.float32)
        folder.write_shard(keys[part], np.full(len(part), 500), vectors, DenseCodec())


def load_once(cache: Path, dimension: int) -> dict[str, float]:
    """Read the matrix through `encode_texts`; seconds, and peak memory above the matrix in MiB.

    Before that, as much memory is taken, written and given back: `touch` is what that costs by
    itself, which on a virtual machine may be more than the reading.
    """
    texts = corpus_texts()
    start = time.perf_counter()
    np.empty((ROWS, dimension), dtype=np.float32).fill(1)
    touch = time.perf_counter() - start
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    encoded = encode_texts(
        Stored(dimension),
        texts,
        EncodingInput.of(Stored(dimension), "document", ""),
        EmbeddingStore(cache),
        SilentReporter(),
    )
    seconds = time.perf_counter() - start
    above = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    matrix = encoded.vectors.nbytes / 2**20
    return {"seconds": seconds, "touch": touch, "above": above, "matrix": matrix}


def load_rows() -> list[str]:
    """Return a table row for each dimension."""
    rows = []
    for dimension in DIMENSIONS:
        with tempfile.TemporaryDirectory() as cache:
            fill(Path(cache), dimension)
            done = [in_a_process("--load", cache, str(dimension)) for _ in range(3)]
        seconds = sorted(float(str(each["seconds"])) for each in done)
        touch = sorted(float(str(each["touch"])) for each in done)
        above = max(float(str(each["above"])) for each in done)
        matrix = float(str(done[0]["matrix"]))
        rows.append(
            f"| {ROWS:,} x {dimension:,} | {matrix:,.0f} | {seconds[1]:.2f} | "
            f"{matrix / 1024 / seconds[1]:.1f} | {touch[1]:.2f} | {above:,.0f} |"
        )
        print(rows[-1])
    return rows


def report(models: list[str]) -> str:
    """Return the whole report as Markdown."""
    return "\n".join(
        [
            "# The embedding cache: cold and warm",
            "",
            f"The `stdlib` task, one process a run; {WARM_RUNS} warm runs after each cold one. "
            "Times are seconds; `encode` is texts to matrices (cold: model load included), `all` "
            "adds search and scoring. Ratios take the slowest warm run. Warm runs encoded "
            f"nothing, imported none of {', '.join(HEAVY)}, and ranked every query as the cold run "
            "did (torch may be imported by the search, and is then part of `all`).",
            "",
            "| model | texts encoded cold | encode, cold | encode, warm (median) | ratio | "
            "all, cold | all, warm (median) | ratio |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
            *model_rows(models),
            "",
            "Reading a matrix back (every shard's checksum verified, files in the page cache). "
            "`touch` is what taking and writing as much memory costs by itself, right before; the "
            "last column is peak memory above texts and matrix, keys and index included:",
            "",
            "| matrix | MiB | seconds (median of 3) | GiB/s | touch, seconds | MiB above it |",
            "|---|--:|--:|--:|--:|--:|",
            *load_rows(),
            "",
            f"{os.cpu_count()} CPU cores ({platform.machine()}), Python "
            f"{platform.python_version()}, numpy {np.__version__}, xxhash {version('xxhash')}. "
            "Made by `python benchmarks/cache_warm.py`.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="wordllama,minilm")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(asdict(evaluate_once(given.once[0], Path(given.once[1])))))
        return
    if given.load:
        print(json.dumps(load_once(Path(given.load[0]), int(given.load[1]))))
        return
    known = shipped_cards()
    models = [name for name in given.models.split(",") if name in known]
    given.output.write_text(report(models), encoding="utf-8")


if __name__ == "__main__":
    main()
