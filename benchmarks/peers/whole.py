"""Sides that are whole programs: starting, and evaluating again from kept vectors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.scoring import Work


def help_of(program: str, count: int) -> Work:
    """Return a call that asks a program for its help; it has started once before."""
    path = Path(sys.executable).with_name(program)

    def work() -> Sequence[float]:
        done = [subprocess.run([str(path), "--help"], capture_output=True, check=True)
                for _ in range(count)]  # fmt: skip
        return [float(each.returncode) for each in done]

    work()
    return work


def help_rebench(size: int, _: Path) -> Work:
    return help_of("rebench", size)


def help_mteb(size: int, _: Path) -> Work:
    return help_of("mteb", size)


def write_folder(size: int, folder: Path) -> Path:
    """Write the embedded task with `size` documents, judged ones first, in BEIR's layout."""
    from harness.core.progress import SilentReporter
    from harness.data.registry import TaskOptions, load_task

    place = folder / "docstrings"
    if place.exists():
        return place
    task = load_task("stdlib-plain", TaskOptions(None), SilentReporter())
    if task.corpus is None:
        raise ValueError("the embedded task has no documents")
    queries = [query for query in task.queries if not task.excluded.get(query.id)]
    queries = queries[: max(1, size // 10)]
    judged = dict.fromkeys(doc for query in queries for doc in task.qrels[query.id])
    kept = list(dict.fromkeys([*judged, *task.corpus.ids]))[: max(size, len(judged))]
    of = task.corpus.text_of
    (place / "qrels").mkdir(parents=True)
    for name, rows in (
        ("corpus", [{"_id": doc, "text": of[doc]} for doc in kept]),
        ("queries", [{"_id": query.id, "text": query.text} for query in queries]),
    ):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    lines = "".join(
        f"{query.id}\t{doc}\t{grade}\n"
        for query in queries for doc, grade in task.qrels[query.id].items()
    )  # fmt: skip
    head = "query-id\tcorpus-id\tscore\n"
    (place / "qrels" / "test.tsv").write_text(head + lines, encoding="utf-8")
    return place


def warm_rebench(size: int, folder: Path) -> Work:
    from benchmarks.mteb_end_to_end import run_rebench

    place = write_folder(size, folder)
    run_rebench(place, folder)  # keeps the vectors
    return lambda: [run_rebench(place, folder, "--force")[1]]


def warm_mteb(size: int, folder: Path) -> Work:
    from benchmarks.mteb_end_to_end import run_mteb

    place, cache = write_folder(size, folder), folder / "vectors"
    if not cache.exists():
        run_mteb(sys.executable, place, cache)  # keeps the vectors
    return lambda: [run_mteb(sys.executable, place, cache)[1]]
