"""Entries for tests, and a writer process that is there to be killed."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from results.per_query import PerQuery
from results.schema import Entry, TaskFacts
from results.store import ResultStore

TASK = TaskFacts(
    name="biology",
    group="bright",
    revision="abc123",
    fingerprint="f" * 64,
    corpus_fingerprint="c" * 64,
    query_set="original",
    queries_fingerprint="e" * 64,
    head_metric="ndcg@10",
    n_queries=2,
    n_documents=3,
    notes=("a note",),
)
ENTRY = Entry(
    model="bm25",
    identity={"kind": "bm25", "k1": 0.9, "stop": ["a", "the"], "nested": {"none": None}},
    task=TASK,
    metrics={"ndcg@10": 0.5, "mrr": 1 / 3},
    missing_queries=("q2",),
    k=1000,
    timings={"index": 1.25},
    facts={"documents": 3},
    environment={"python": "3.11.7"},
    command=("rebench", "eval", "--model", "bm25"),
    created="2026-11-22T10:00:00+00:00",
)
PER_QUERY: PerQuery = {"ndcg@10": {"q1": 1.0, "q2": 0.0}, "mrr": {"q1": 2 / 3, "q2": 0.0}}


def version(number: int) -> tuple[Entry, PerQuery, str]:
    """Return the `number`-th result under one identity: all three parts tell its number."""
    entry = replace(ENTRY, facts={"number": number})
    values = {"mrr": {f"q{row}": number / (row + 7) for row in range(50)}}
    run = "".join(f"q{row} Q0 d{number} 1 {number}.5 x\n" for row in range(2000))
    return entry, values, run


def check_whole(store: ResultStore) -> int:
    """Return the number of the one entry in the store, having read every part of it."""
    loaded = store.entries()
    assert loaded.problems == ()
    (entry,) = loaded.entries
    number = entry.facts["number"]
    assert isinstance(number, int)
    _, values, run = version(number)
    assert store.per_query(entry) == values
    assert store.run_text(entry) == run
    return number


def write_for_ever(root: Path, number: int) -> None:
    """Save one version after another and print the number of each once it is saved."""
    while True:
        ResultStore(root).save(*version(number))
        print(number, flush=True)
        number += 1


def die_at_each_step(root: Path, *, older: bool) -> None:
    """Save version 2 in a child that is killed at its first file operation, its second, and so on.

    Each child has a store of its own, `root/<operation>`, with version 1 in it if `older`. Prints
    how many were killed before one got through; that one's store is there too.
    """
    for die_at in range(1, 200):
        store = ResultStore(root / str(die_at))
        if older:
            store.save(*version(1))
        child = os.fork()
        if child == 0:
            kill_at(store.root, die_at)
            store.save(*version(2))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            print(die_at - 1, flush=True)
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


def kill_at(root: Path, operation: int) -> None:
    """Kill this process as it begins its n-th change or opening of a file below `root`."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in ("open", "os.mkdir", "os.rename", "os.remove") and str(arguments[0]).startswith(
            str(root)
        ):
            seen += 1
            if seen == operation:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    if sys.argv[1] == "for-ever":
        write_for_ever(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        die_at_each_step(Path(sys.argv[2]), older=sys.argv[3] == "older")
