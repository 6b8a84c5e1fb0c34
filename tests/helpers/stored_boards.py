"""Small stored entries for tests of boards: made-up tasks, real files, values that are chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.types import PromptFields, Query, Task
from harness.evaluate import describe_task
from results.judgements import save_judgements
from results.schema import Entry
from results.store import ResultStore

Scores = Mapping[str, Sequence[float]]
"""Task -> value of each query in turn."""


@dataclass(frozen=True, slots=True)
class Made:
    """What an entry is made with, where it is not the usual."""

    group: str = "bright"
    query_set: str = "original"
    gold: str = "d"
    identity: Mapping[str, object] | None = None
    k: int = 100
    created: str = "2026-11-22T10:00:00+00:00"
    revision: str = "3066d29c9651a576c8aba4832d249807b181ecae"
    command: tuple[str, ...] = ("rebench", "eval", "--model", "x")
    metric: str = "ndcg@10"


def made_task(name: str, queries: int, made: Made) -> Task:
    """Return a task of so many queries, each with one gold document."""
    return Task(
        name=name,
        group=made.group,
        revision=made.revision,
        query_set=made.query_set,
        queries=tuple(Query(f"q{at}", f"{name} {at}") for at in range(queries)),
        qrels={f"q{at}": {f"{made.gold}{at}": 1} for at in range(queries)},
        excluded={},
        head_metric=made.metric,
        prompt_fields=PromptFields("", "", "", "", ""),
    )


def store_entry(
    store: ResultStore, model: str, task: str, values: Sequence[float], made: Made | None = None
) -> Entry:
    """Store an entry whose per-query values, under every metric, are the given ones."""
    usual = made or Made()
    whole = made_task(task, len(values), usual)
    facts = describe_task(whole)
    identity = usual.identity if usual.identity is not None else {"model": {"card": model}}
    by_query = {f"q{at}": value for at, value in enumerate(values)}
    metrics = ("ndcg@10", "recall@1", "recall@100", "map@5", "p@25", "mrr")
    entry = Entry(
        model=model,
        identity=identity,  # type: ignore[arg-type]
        task=replace(facts, corpus_fingerprint=f"documents of {task}", n_documents=9),
        metrics={name: math.fsum(values) / len(values) for name in metrics},
        missing_queries=(),
        k=usual.k,
        timings={"index": 2.0, "search": 0.5},
        facts={"documents": 9},
        environment={"cpu": "a processor", "gpus": []},
        command=usual.command,
        created=usual.created,
    )
    save_judgements(store.root, whole)
    run = "".join(f"q{at}\tQ0\td{at}\t1\t0.25\tx\n" for at in range(len(values)))
    return store.save(entry, dict.fromkeys(metrics, by_query), run)


def stored(root: Path, models: Mapping[str, Scores], made: Made | None = None) -> ResultStore:
    """Return a store with each model measured on each of its tasks."""
    store = ResultStore(root)
    for model, scores in models.items():
        for task, values in scores.items():
            store_entry(store, model, task, values, made)
    return store
