"""Small measured entries whose every number can be told by hand: one gold document a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.core.types import Corpus, Json, PromptFields, Query, Ranking, Run, Task
from harness.data.bright_tasks import TASKS
from harness.data.trec import write_run
from harness.evaluate import describe_task
from harness.metrics.score import score
from results.judgements import save_judgements
from results.schema import Entry
from results.store import ResultStore

WORDING = PromptFields("a", "A", "question", "question", "passages")
DEPTH = 12

Ranks = Sequence[int | None]
"""Where the gold document of each query stands, from 1; `None`: not ranked."""


def make_task(
    name: str = "biology",
    queries: int = 8,
    *,
    group: str = "bright",
    query_set: str = "original",
    gold: Mapping[str, Sequence[str]] | None = None,
    corpus: Corpus | None = None,
    revision: str = "r1",
    texts: bool = True,
) -> Task:
    """Return a task whose query `q3` has the gold document `gold-3`."""
    ids = [f"q{at}" for at in range(queries)]
    judged = {qid: [f"gold-{qid[1:]}"] for qid in ids} if gold is None else gold
    return Task(
        name=name,
        group=group,
        revision=revision,
        query_set=query_set,
        queries=tuple(Query(q, "word " * (at + 1)) for at, q in enumerate(judged)) if texts else (),
        qrels={qid: dict.fromkeys(docs, 1) for qid, docs in judged.items()},
        excluded={},
        head_metric="ndcg@10",
        prompt_fields=TASKS[name].prompt_fields if name in TASKS else WORDING,
        corpus=corpus,
    )


def make_run(task: Task, ranks: Ranks) -> Run:
    """Return a run that ranks each query's first gold document where `ranks` says."""
    rankings = {}
    for (qid, grades), rank in zip(task.qrels.items(), ranks, strict=True):
        documents = [f"other-{at}" for at in range(DEPTH)]
        if rank is not None:
            documents.insert(rank - 1, next(iter(grades)))
        scores = np.arange(len(documents), 0, -1, dtype=np.float32)
        rankings[qid] = Ranking(tuple(documents), scores)
    return Run(rankings)


def measure(
    store: ResultStore,
    model: str,
    task: Task,
    ranks: Ranks,
    *,
    identity: Mapping[str, Json] | None = None,
    created: str = "2026-11-22T10:00:00+00:00",
    facts: Mapping[str, Json] | None = None,
    k: int = 1000,
) -> Entry:
    """Store an entry that ranked the gold documents so, and return it."""
    run = make_run(task, ranks)
    scores = score(run, task.qrels)
    save_judgements(store.root, task)
    entry = Entry(
        model=model,
        identity=identity or {"made by": model},
        task=describe_task(task),
        metrics=scores.means,
        missing_queries=scores.missing,
        k=k,
        timings={},
        facts=facts or {},
        environment={"cpu": "a processor"},
        command=("rebench", "eval", "--model", model, "--tasks", task.name),
        created=created,
    )
    return store.save(entry, scores.per_query, write_run(run, "t"))


def gains(ranks: Ranks) -> np.ndarray:
    """Return nDCG@10 of queries whose only gold document stands there: 1 / log2(rank + 1)."""
    return np.array([0.0 if r is None or r > 10 else 1 / np.log2(r + 1) for r in ranks])


def some_ranks(queries: int, seed: int, *, best: int = 1) -> Ranks:
    """Return ranks drawn from `best` to 14, some of them missing."""
    drawn = np.random.default_rng(seed).integers(best, 15, queries)
    return [int(rank) if rank <= DEPTH else None for rank in drawn]


def store_at(folder: Path) -> ResultStore:
    """Return an empty store below a folder."""
    return ResultStore(folder / "rebench-results")
