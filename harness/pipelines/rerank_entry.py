"""From a stored system or run files and a reranker to a reranked, stored entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import NotComparable
from harness.core.hashing import queries_fingerprint, task_fingerprint
from harness.core.protocols import Reporter
from harness.core.types import Json, RetrievalResult, Task
from harness.derived import EntryReader
from harness.evaluate import EvalConfig, Outcome, scored_run
from harness.pipelines.parts import Part, Parts
from harness.pipelines.rerank import RerankSettings, rerank_run
from harness.pipelines.rerank_ports import ListScorer, Scorer
from harness.pipelines.score_store import ScoreStore
from harness.pipelines.tuning import was_tuned
from results.schema import TaskFacts, identity_hash
from results.work import WORK, on_queries, rerank_work, work_of


@dataclass(frozen=True, slots=True)
class RerankNeeds:
    """What reranking reads and writes.

    `load_task` loads a task with documents and the query texts that the reranker reads;
    `cache_dir` is where scores are kept (`None`: they are not).
    """

    reader: EntryReader
    load_task: Callable[[str], Task]
    cache_dir: Path | None
    reporter: Reporter


def rerank(
    parts: Parts,
    scorer: Scorer,
    settings: RerankSettings,
    needs: RerankNeeds,
    config: EvalConfig,
    name: str = "",
) -> dict[str, Outcome]:
    """Rerank the one part on each of its tasks and store the results, or return those stored.

    Raises `NotComparable` for a task whose judgements are not the run's, and what `rerank_run`
    raises.
    """
    (part,) = parts.parts
    own = name or f"{part.system.model}+{scorer.name}@{settings.depth}"
    needs.reader.store.check_writable(own)
    job = _Job(own, part, scorer, settings, needs, config)
    return {task: _outcome(job, task, parts.facts(task)) for task in parts.tasks}


@dataclass(frozen=True, slots=True)
class _Job:
    """One part to rerank, on any of its tasks."""

    name: str
    part: Part
    scorer: Scorer
    settings: RerankSettings
    needs: RerankNeeds
    config: EvalConfig


def _outcome(job: _Job, task_name: str, facts: TaskFacts) -> Outcome:
    """Return the entry of one task."""
    needs, part, scorer, config = job.needs, job.part, job.scorer, job.config
    task = needs.load_task(task_name)
    if task_fingerprint(task) != facts.fingerprint:
        raise NotComparable(
            f"the run on {task_name} was scored on other judgements than those loaded now",
            fix="Give the version of the task that the run belongs to.",
        )
    run = part.run(task_name, needs.reader)
    identity: dict[str, Json] = {
        "pipeline": "rerank",
        "reranker": dict(scorer.identity),
        **job.settings.json,
        "reads": task.query_set,
        "parts": [part.name],
        "part_runs": [part.run_hash(task_name, run), queries_fingerprint(task.queries)],
    }
    if was_tuned(part.system.entries[task_name]):
        identity["of_tuned"] = True
    key = identity_hash(identity, facts, config.k)
    stored = needs.reader.store.find(job.name, task_name, key)
    if stored is not None and not config.force:
        return Outcome(stored, reused=True, store=needs.reader.store)
    start = time.perf_counter()
    scores = None
    if needs.cache_dir is not None and not isinstance(scorer, ListScorer):
        scores = ScoreStore(needs.cache_dir, scorer.identity)
    found = rerank_run(run, task, scorer, job.settings, scores, needs.reporter)
    counts: Mapping[str, Json] = {
        "pairs_scored": found.scored,
        "pairs_reused": found.reused,
        **found.facts,
    }
    work = on_queries(
        (work_of(part.system.entries[task_name]), rerank_work(counts)), len(task.qrels)
    )
    if work is not None:
        counts = {**counts, WORK: work.json}
    retrieved = RetrievalResult(found.run, {"rerank": time.perf_counter() - start}, counts)
    scored = scored_run(job.name, identity, task, retrieved, config, facts)
    return scored.outcome(needs.reader.store)
