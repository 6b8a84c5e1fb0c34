"""From a retriever or a run and a task to a measured, stored entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from harness.core.checksums import NO_CHECKSUM
from harness.core.errors import BadInput, StoreError
from harness.core.hashing import (
    corpus_fingerprint,
    queries_fingerprint,
    sha256_text,
    task_fingerprint,
)
from harness.core.protocols import Closing, Reporter, Retriever
from harness.core.types import Json, RetrievalResult, Run, Task
from harness.data.registry import known_facts
from harness.data.trec import check_run, read_run, read_run_file, write_run
from harness.derived import HEADROOM, EntryReader
from harness.metrics.names import ASPECT_METRICS, OFFICIAL, parse_metric
from harness.metrics.score import Scores, score
from results.bundle import ORIGIN
from results.environment import environment
from results.judgements import load_judgements, save_judgements
from results.per_query import PerQuery
from results.schema import Entry, TaskFacts, identity_hash
from results.store import ResultStore
from results.verify import Verdict, verify_entry

DEFAULT_K = 1000
"""Depth of a run: BRIGHT's scripts keep the first 1,000 documents of each query."""

KEPT_CHARACTERS = 2_000_000_000
"""Text that is kept in memory between two models: all of BRIGHT's twelve tasks together."""


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """How an evaluation is run: depth `k` (1 or more), `force` repeats what is measured.

    `command` is kept with the entry as its provenance. Raises `BadInput` for a `k` below 1.
    """

    k: int = DEFAULT_K
    force: bool = False
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the depth."""
        if self.k < 1:
            raise BadInput(f"k is {self.k}", fix="Ask for at least 1 document a query.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An entry as stored, and whether it was there already.

    `fresh` is the headroom of a run that was scored now; that of one stored in `store` is read.
    """

    entry: Entry
    reused: bool
    fresh: Mapping[str, float] | None = None
    store: ResultStore | None = None

    @property
    def headroom(self) -> Mapping[str, float]:
        """Ceilings and candidate recall at the depths that rerankers are fed, fractions.

        Empty unless the task is scored by nDCG@10; raises `StoreError` for a run that is gone.
        """
        if self.fresh is not None:
            return self.fresh
        if self.store is None or self.entry.task.head_metric != HEADROOM[0]:
            return {}
        found = EntryReader(self.store).with_metrics(self.entry, HEADROOM).metrics
        return {name: found[name] for name in HEADROOM[1:]}


def evaluate(
    retriever: Retriever,
    task: Task,
    store: ResultStore,
    config: EvalConfig,
    reporter: Reporter,
    facts: TaskFacts | None = None,
) -> Outcome:
    """Measure a retriever on a task, or return what is stored under the same identity.

    `facts` are `describe_task(task)`, for callers that have them: they hash the whole corpus. The
    store is checked for writing before the work starts. Raises `StoreError` if it is not writable,
    `BadInput` for a task without documents, and what the retriever raises.
    """
    _check_task(task)
    facts = facts or describe_task(task)
    identity = retriever.identity(task)
    found = store.find(retriever.name, task.name, identity_hash(identity, facts, config.k))
    if found is not None and not config.force:
        if ORIGIN in found.facts:
            reporter.warn(
                f"{retriever.name} on {task.name} is shown as a bundle gave it: --force measures it"
            )
        return Outcome(entry=found, reused=True, store=store)
    store.check_writable(retriever.name, task.name)
    retrieved = retriever.search(task, config.k, reporter)
    scored = scored_run(retriever.name, identity, task, retrieved, config, facts)
    return scored.outcome(store)


def evaluate_models(
    retrievers: Iterable[Retriever],
    tasks: TaskLoader,
    store: ResultStore,
    config: EvalConfig,
    reporter: Reporter,
) -> Iterator[Outcome]:
    """Yield the outcome of each model on each task, all tasks of a model before the next model.

    One model is in memory at a time, and closed before the next is used: two may not fit. Raises
    what `evaluate` raises.
    """
    waiting = list(retrievers)
    while waiting:
        retriever = waiting.pop(0)
        for name in tasks.names:
            task, facts = tasks.load(name, keep=bool(waiting))
            yield evaluate(retriever, task, store, config, reporter, facts)
            del task
        if isinstance(retriever, Closing):
            retriever.close()


class LoadedTask(NamedTuple):
    """A task and what an entry says of it."""

    task: Task
    facts: TaskFacts


class TaskLoader:
    """Loads the tasks `names` when they are asked for, each once if their texts fit into memory.

    `load_one` makes a task of a name. Tasks are kept for the next model while the texts of all
    that are kept have at most `limit` characters; a task beyond that is loaded again. What an
    entry says of a task is worked out once in any case.
    """

    def __init__(
        self, names: Sequence[str], load_one: Callable[[str], Task], limit: int = KEPT_CHARACTERS
    ) -> None:
        self.names = tuple(names)
        self._load_one = load_one
        self._room = limit
        self._kept: dict[str, Task] = {}
        self._facts: dict[str, TaskFacts] = {}

    def load(self, name: str, *, keep: bool) -> LoadedTask:
        """Return a task; `keep` says that it will be asked for again."""
        task = self._kept.get(name) if keep else self._kept.pop(name, None)
        if task is None:
            task = self._load_one(name)
            size = sum(map(len, task.corpus.texts)) if task.corpus is not None else 0
            if keep and size <= self._room:
                self._room -= size
                self._kept[name] = task
        if name not in self._facts:
            self._facts[name] = describe_task(task)
        return LoadedTask(task, self._facts[name])


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """An entry before it is stored, with what is stored beside it."""

    entry: Entry
    scores: Scores
    run: Run
    task: Task

    def stored_in(self, store: ResultStore | None) -> Entry:
        """Store the entry, its per-query values and its run; without a store, do nothing."""
        if store is None:
            return self.entry
        save_judgements(store.root, self.task)
        return store.save(self.entry, self.scores.per_query, write_run(self.run, self.entry.model))

    def outcome(self, store: ResultStore | None) -> Outcome:
        """Store the entry as `stored_in` does, and return it with its headroom."""
        entry = self.stored_in(store)
        fresh: dict[str, float] = {}
        if self.task.head_metric == HEADROOM[0]:
            wanted = [parse_metric(name) for name in HEADROOM[1:]]
            fresh = dict(score(self.run, self.task.qrels, wanted).means)
        return Outcome(entry, reused=False, fresh=fresh)


def scored_run(
    model: str,
    identity: Mapping[str, Json],
    task: Task,
    retrieved: RetrievalResult,
    config: EvalConfig,
    facts: TaskFacts | None = None,
) -> ScoredRun:
    """Score a run by the protocol and describe how it came about; nothing is stored yet.

    `facts` say what the run stands on where the task holds judgements only (those of a stored
    entry, which has neither query texts nor documents).
    """
    start = time.perf_counter()
    metrics = (*OFFICIAL, *ASPECT_METRICS) if task.aspects else OFFICIAL
    scores = score(retrieved.run, task.qrels, metrics, task.aspects)
    timings = {**retrieved.timings, "score": time.perf_counter() - start}
    entry = Entry(
        model=model,
        identity=identity,
        task=facts or describe_task(task),
        metrics=scores.means,
        missing_queries=scores.missing,
        k=config.k,
        timings=timings,
        facts=retrieved.facts,
        environment=environment(),
        command=config.command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return ScoredRun(entry, scores, retrieved.run, task)


def verify_all(store: ResultStore, entries: Iterable[Entry]) -> Iterator[Verdict]:
    """Yield, for each stored entry, whether its numbers follow from its run and judgements."""
    judgements: dict[str, Task] = {}
    missing: dict[str, tuple[str, ...]] = {}

    def rescore(path: Path, entry: Entry) -> tuple[Mapping[str, float], PerQuery]:
        fingerprint = entry.task.fingerprint
        if fingerprint not in judgements:
            judgements[fingerprint] = load_judgements(store.root, fingerprint)
        run = read_run(path)
        check_run(run, judgements[fingerprint])
        metrics = [parse_metric(name) for name in entry.metrics]
        judged = judgements[fingerprint]
        scores = score(run, judged.qrels, metrics, judged.aspects)
        missing[entry.identity_hash] = scores.missing
        return scores.means, scores.per_query

    for entry in entries:
        verdict = verify_entry(store, entry, rescore)
        if verdict.status == "match":
            task = judgements[entry.task.fingerprint]
            verdict = _verify_facts(entry, task, missing[entry.identity_hash])
        if verdict.status == "match" and not entry.has_checksum:
            verdict = _with_checksum(store, entry)
        yield verdict


def _verify_facts(entry: Entry, task: Task, missing: tuple[str, ...]) -> Verdict:
    """Return whether what an entry says beside its metrics follows from its judgements and run."""
    says = entry.task
    right: dict[str, tuple[Json, Json]] = {
        "task": (says.stored_name, task.name),
        "head_metric": (says.head_metric, task.head_metric),
        "n_queries": (says.n_queries, len(task.qrels)),
        "missing_queries": (list(entry.missing_queries), list(missing)),
    }
    if not entry.has_checksum:  # else the checksum holds for what cannot be worked out again
        known = known_facts(says.name, says.revision)
        right |= {name: (getattr(says, name), fact) for name, fact in known.items()}
    wrong = [
        f"{name} is {found!r}, should be {fact!r}"
        for name, (found, fact) in right.items()
        if found != fact
    ]
    return Verdict(entry, "differs" if wrong else "match", "; ".join(wrong))


def _with_checksum(store: ResultStore, entry: Entry) -> Verdict:
    """Give an entry of an earlier release its checksum, now that its contents are verified."""
    try:
        written = store.add_checksum(entry)
    except StoreError as error:
        return Verdict(entry, "match", f"{NO_CHECKSUM}; none could be added: {error.message}")
    return Verdict(entry, "match", f"had {NO_CHECKSUM}; has one now" if written else "")


def describe_task(task: Task) -> TaskFacts:
    """Return what an entry keeps of a task, its fingerprints included."""
    return TaskFacts(
        name=task.name,
        group=task.group,
        revision=task.revision,
        fingerprint=task_fingerprint(task),
        corpus_fingerprint=corpus_fingerprint(task.corpus) if task.corpus is not None else None,
        query_set=task.query_set,
        queries_fingerprint=queries_fingerprint(task.queries),
        head_metric=task.head_metric,
        n_queries=len(task.qrels),
        n_documents=len(task.corpus) if task.corpus is not None else None,
        notes=task.notes,
    )


def score_external(
    path: Path,
    name: str,
    task: Task,
    store: ResultStore | None,
    config: EvalConfig,
    reporter: Reporter,
) -> Outcome:
    """Score somebody else's run by the same protocol, and keep it where a store is given.

    The run's own content is its identity. Raises `BadInput` for a run that cannot be read, or
    that ranks an excluded or unknown document; missing queries are reported and count 0.
    """
    if store is not None:
        store.check_writable(name, task.name)
    read = read_run_file(path)
    for note in (*read.notes, *check_run(read.run, task).notes):
        reporter.warn(f"{path.name}: {note}")
    return score_given(read.run, name, task, store, config)


def score_given(
    run: Run, name: str, task: Task, store: ResultStore | None, config: EvalConfig
) -> Outcome:
    """Score a run that somebody else made, and keep it where a store is given.

    Raises `BadInput` for a run that ranks an excluded or unknown document.
    """
    check_run(run, task)
    identity: dict[str, Json] = {"external_run": sha256_text(write_run(run, name))}
    deepest = max((len(ranking) for ranking in run.rankings.values()), default=1)
    at_depth = replace(config, k=max(1, deepest))
    retrieved = RetrievalResult(run=run, timings={}, facts={})
    entry = scored_run(name, identity, task, retrieved, at_depth)
    return entry.outcome(store)


def _check_task(task: Task) -> None:
    """Refuse a task that has nothing to search or nobody who asks."""
    if task.corpus is None or not len(task.corpus):
        raise BadInput(
            f"task {task.name!r} has no documents", fix="Check the folder that holds its corpus."
        )
    if not task.queries:
        raise BadInput(f"task {task.name!r} has no queries", fix="Check its queries file.")
