"""The whole `rebench leaderboard --format html`: 60 models on BRIGHT's 12 tasks, timed from cold.

Run: python benchmarks/leaderboard_html.py [--models N] [--keep FOLDER] [-o FILE.md]

Entries are synthetic, with the queries of BRIGHT's tasks in number, all 25 metrics per query and a
published row beside each; the store is the real one. Timed is the command as a user runs it: a
fresh Python process that reads the store, tests all pairs, and writes the page. The slowest of
three rounds counts. One thread for linear algebra, so that the figure does not hang on what else
the machine does with its cores; the processor's own seconds are printed beside.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.data.bright_tasks import REVISION, TASKS, BrightTask
from harness.metrics.names import OFFICIAL
from results.environment import environment
from results.per_query import PerQuery
from results.schema import Entry, TaskFacts
from results.store import ResultStore

MODELS = 60
ROUNDS = 3
RUN = "from harness.cli.main import main; main()"
MOST_SECONDS = 5.0
MOST_BYTES = 3_000_000
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "leaderboard_html.md"


def task_facts(task: BrightTask) -> TaskFacts:
    """Return a task with made-up fingerprints."""
    return TaskFacts(
        name=task.name,
        group=task.group,
        revision=REVISION,
        fingerprint=f"task-{task.name}",
        corpus_fingerprint=f"documents-{task.name}",
        query_set="original",
        queries_fingerprint=f"queries-{task.name}",
        head_metric=task.head_metric,
        n_queries=task.counts.queries,
        n_documents=task.counts.documents,
    )


def fill(store: ResultStore, models: int) -> None:
    """Save the entries of so many models on all short tasks."""
    rng = np.random.default_rng(7)
    machine = environment()
    for task in (each for each in TASKS.values() if each.group == "bright"):
        facts = task_facts(task)
        difficulty = rng.beta(0.6, 1.2, task.counts.queries)
        ids = [str(at) for at in range(task.counts.queries)]
        for number in range(models):
            lift = 0.3 * number / models - 0.15
            found: PerQuery = {
                str(metric): dict(
                    zip(
                        ids,
                        np.clip(difficulty + lift + rng.normal(0, 0.18, len(ids)), 0, 1).tolist(),
                        strict=True,
                    )
                )
                for metric in OFFICIAL
            }
            means = {name: float(np.mean(list(row.values()))) for name, row in found.items()}
            entry = Entry(
                model=f"synthetic-{number:02d}",
                identity={"model": {"card": f"synthetic-{number:02d}", "weights": "abc"}},
                task=facts,
                metrics=means,
                missing_queries=(),
                k=1000,
                timings={"encode_documents": 120.5, "encode_queries": 0.8, "search": 1.25},
                facts={
                    "documents": {"texts": task.counts.documents, "encoded": 50_000,
                                  "texts_per_second": 415.0, "truncated": 700},
                    "dimension": 1024,
                },
                environment=machine,
                command=("rebench", "eval", "--model", f"synthetic-{number:02d}"),
                created="2026-11-22T10:00:00+00:00",
            )  # fmt: skip
            store.save(entry, found, "0\tQ0\td\t1\t1.0\tx\n")


def timed(results: Path, page: Path) -> tuple[float, float]:
    """Return the seconds of one whole command: by the clock, and of the processor."""
    start, before = time.perf_counter(), _processor_seconds()
    subprocess.run(
        [
            sys.executable, "-c", RUN, "leaderboard", "--format", "html",
            "-o", str(page), "--results", str(results),
        ],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    return time.perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    """Return what finished children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument("--keep", type=Path, help="keep the store and the page here")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder)
        page = root / "board.html"
        if not (root / "results").exists():
            fill(ResultStore(root / "results"), options.models)
        rounds = [timed(root / "results", page) for _ in range(ROUNDS)]
        seconds, processor = zip(*rounds, strict=True)
        size = page.stat().st_size
    text = f"""# The static leaderboard page

{options.models} synthetic models on BRIGHT's 12 tasks ({12 * options.models} entries, 1,384 queries
each), with all published rows beside them: `rebench leaderboard --format html`, a fresh process,
entries read from disk, all {options.models * (options.models - 1) // 2:,} pairs tested.

| | found | at most |
|---|--:|--:|
| seconds, slowest of {ROUNDS} rounds | {max(seconds):.2f} | {MOST_SECONDS:.0f} |
| seconds, fastest | {min(seconds):.2f} | |
| of the processor, most | {max(processor):.2f} | |
| bytes of the one file | {size:,} | {MOST_BYTES:,} |

{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}, \
numpy {np.__version__}; load {os.getloadavg()[0]:.1f} while it ran.
Made by `python benchmarks/leaderboard_html.py`.
"""
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
