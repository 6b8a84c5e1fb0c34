"""Exact and IVF-PQ search of more vectors than the memory bound holds, against search in memory.

    python benchmarks/memory_search.py [--documents 414000] [--dimension 4096] [--memory 2GB]

The shape is BRIGHT's leetcode with 4,096-dimensional float32 vectors: 6.8 GB. Each way runs in a
process of its own over the same made-up vectors (groups around centres), which are written into
the matrix that `eval --memory` would use. Memory is what the process holds by itself, RssAnon +
RssShmem of /proc/self/status, sampled every 20 ms; pages mapped from the file (RssFile) stand
beside it, since the system takes them back when it needs them. Times are of the search alone, wall
and processor. `--index ""` leaves the approximate index out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.core.memory import Room, parse_size
from harness.search.approximate import SEED_ROWS, recall_of, search_approximate
from harness.search.dense import SCORE_BYTES, DenseSearch, search_dense
from results.environment import environment

OUT = Path(__file__).parent / "results" / "memory_search.md"
CENTRES, SPREAD, STEP = 2000, 1.0, 4000


class Watch:
    """Samples this process' memory until it is stopped: peaks in bytes."""

    def __init__(self) -> None:
        self.own, self.mapped = 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.sample()

    def sample(self) -> None:
        """Look once."""
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line[:3] == "Rss"}
        self.own = max(self.own, 1024 * (kib["RssAnon"] + kib["RssShmem"]))
        self.mapped = max(self.mapped, 1024 * kib["RssFile"])

    def stop(self) -> None:
        """End sampling."""
        self._stop.set()
        self._thread.join()


def fill(documents: np.ndarray, queries: int) -> np.ndarray:
    """Write unit vectors into the rows, and return as many queries of the same kind."""
    draw = np.random.default_rng(0)
    width = documents.shape[1]
    centres = draw.standard_normal((CENTRES, width), dtype=np.float32)

    def some(count: int) -> np.ndarray:
        made = draw.standard_normal((count, width), dtype=np.float32)
        made *= SPREAD
        made += centres[draw.integers(CENTRES, size=count)]
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made

    for start in range(0, len(documents), STEP):
        documents[start : start + STEP] = some(min(STEP, len(documents) - start))
    return some(queries)


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Search in this process and return what it took."""
    limit = 0 if arguments.way == "memory" else parse_size(arguments.memory)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        room = Room(limit, Path(folder))
        watch = Watch()
        documents = room.matrix(arguments.documents, arguments.dimension)
        queries = fill(documents, arguments.queries)
        ids = [f"document_{row}" for row in range(arguments.documents)]
        asked = [(str(row), frozenset[str]()) for row in range(arguments.queries)]
        how = DenseSearch("numpy", score_bytes=room.score_bytes or SCORE_BYTES)
        wall, processor = time.perf_counter(), time.process_time()
        exact = search_dense(queries, documents, ids, asked, 100, how)
        found: dict[str, object] = {
            "wall": time.perf_counter() - wall, "processor": time.process_time() - processor,
            "mapped": room.is_mapped(documents.nbytes),
        }  # fmt: skip
        if arguments.way == "index":
            wall = time.perf_counter()
            seed = room.score_bytes // (4 * arguments.dimension) or SEED_ROWS
            run = search_approximate(queries, documents, ids, asked, 100, arguments.index, seed)
            found["index"] = time.perf_counter() - wall
            found["recall"] = recall_of(run, exact)[100]
        watch.sample()
        watch.stop()
        first = {qid: ranking.doc_ids[:10] for qid, ranking in exact.rankings.items()}
        return {**found, "own": watch.own, "file": watch.mapped, "first": first}


def _told(index: str, found: Mapping[str, float]) -> str:
    """Return a sentence on the approximate index."""
    return (
        f" `{index}` took {found['index']:.0f} s to train, fill and search, and holds "
        f"{100 * found['recall']:.1f} % of the exact first hundred."
    )


def main() -> None:
    """Run each way in a process of its own, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=414_000)
    parser.add_argument("--dimension", type=int, default=4096)
    parser.add_argument("--queries", type=int, default=142)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--index", default="IVF256,PQ64")
    parser.add_argument("--folder", help="where the vectors are mapped from [default: TMPDIR]")
    parser.add_argument("--way", choices=("bound", "memory", "index"))
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments)))
        return
    found = {}
    for way in ("memory", "bound", "index")[: 3 if arguments.index else 2]:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[way] = json.loads(done.stdout)
        told = {key: value for key, value in found[way].items() if key != "first"}
        print(way, told, flush=True)
    same = sum(
        found["memory"]["first"][q] == found["bound"]["first"][q] for q in found["memory"]["first"]
    )
    size = 4 * arguments.documents * arguments.dimension / 1e9
    lines = [
        "# Search beyond memory",
        "",
        f"{arguments.documents:,} documents of {arguments.dimension:,} components ({size:.1f} GB), "
        f"{arguments.queries} queries, k = 100, bound {arguments.memory}.",
        "",
        "| way | own memory, peak GB | mapped, peak GB | exact search, s | processor, s |",
        "|---|--:|--:|--:|--:|",
    ]
    names = {
        "memory": "in memory",
        "bound": "within the bound",
        "index": "within the bound, and an index",
    }
    for way, each in found.items():
        lines.append(
            f"| {names[way]} | {each['own'] / 1e9:.2f} | {each['file'] / 1e9:.2f} | "
            f"{each['wall']:.1f} | {each['processor']:.1f} |"
        )
    ratio = found["bound"]["wall"] / found["memory"]["wall"]
    own = found["bound"]["processor"] / found["memory"]["processor"]
    lines += [
        "",
        f"Within the bound over in memory: {ratio:.2f} x by wall time, {own:.2f} x by processor "
        f"time; the first ten documents are the same for {same} of {arguments.queries} queries."
        + (_told(arguments.index, found["index"]) if arguments.index else ""),
        "",
        f"{environment().get('cpu')}, {len(os.sched_getaffinity(0))} cores, load at the end "
        f"{os.getloadavg()[0]:.1f} (this program included). Own memory counts the vectors that are "
        "made on the way, ids and scores. Made by `python benchmarks/memory_search.py`.",
        "",
    ]  # fmt: skip
    text = "\n".join(lines)
    print(text)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
