"""Evaluate models and score runs: from a name or a live object to measured entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, overload

from harness.api.objects import TEXTS_PER_CALL, ObjectOptions, default_name
from harness.api.session import Session, open_session
from harness.api.tables import TableResult
from harness.core.errors import BadInput, UnknownName
from harness.core.protocols import Closing, Reporter, Retriever
from harness.core.types import Task
from harness.evaluate import DEFAULT_K, EvalConfig, Outcome, scored_run, verify_all
from harness.evaluate import evaluate as evaluate_task
from results.schema import Entry
from results.verify import Verdict

if TYPE_CHECKING:
    from harness.core.errors import StoreError
    from harness.loading import RunOptions
    from harness.pipelines.staged.pipeline import Pipeline

ORIGINAL = "original"
SHOWN = ("ndcg@10", "recall@1", "recall@100", "mrr")
"""Metrics in the rows of an evaluation, if the entry has them."""

Tasks = str | Path | Task | Sequence["str | Path | Task"]
"""Names of tasks and groups (commas between them), `hub:ORG/NAME`, folders, or loaded tasks."""


@dataclass(frozen=True, slots=True)
class Evaluation(TableResult):
    """What was measured: one entry per task, in order."""

    outcomes: tuple[Outcome, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The measured entries."""
        return tuple(outcome.entry for outcome in self.outcomes)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of the only task, as fractions; raises `BadInput` for several tasks."""
        if len(self.outcomes) != 1:
            raise BadInput(
                f"{len(self.outcomes)} tasks were evaluated, and each has its metrics",
                fix="Name one: result['biology'].metrics",
            )
        return self.outcomes[0].entry.metrics

    def __getitem__(self, task: str) -> Entry:
        """Return the entry of a task; raises `UnknownName`."""
        entries = {entry.task.name: entry for entry in self.entries}
        if task not in entries:
            listing = f"Evaluated were {', '.join(entries)}."
            raise UnknownName("task", task, entries, listing=listing)
        return entries[task]

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the entries."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.outcomes)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per task."""
        return [
            {
                "model": entry.model,
                "task": entry.task.name,
                "query set": entry.task.query_set,
                "queries": entry.task.n_queries,
                **{name: entry.metrics.get(name) for name in SHOWN},
                "missing": len(entry.missing_queries),
            }
            for entry in self.entries
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all metrics, facts and timings of every entry."""
        return {"entries": [outcome_json(outcome) for outcome in self.outcomes]}


@dataclass(frozen=True, slots=True)
class Verification(TableResult):
    """Whether each stored entry's numbers follow from its run and judgements."""

    verdicts: tuple[Verdict, ...]
    problems: tuple[StoreError, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is as it was measured."""
        return not self.problems and all(each.status == "match" for each in self.verdicts)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per entry, then one per file that could not be read."""
        read = [
            {
                "model": verdict.entry.model,
                "task": verdict.entry.task.name,
                "query set": verdict.entry.task.query_set,
                "status": verdict.status,
                "detail": verdict.detail,
            }
            for verdict in self.verdicts
        ]
        unread = {"model": "?", "task": "?", "query set": "?", "status": "corrupt"}
        return [*read, *({**unread, "detail": each.message} for each in self.problems)]

    def to_dict(self) -> dict[str, Any]:
        """Return the rows, and whether all is sound."""
        return {"sound": self.sound, "entries": self.rows()}


def evaluate(
    model: object,
    tasks: Tasks = "bright",
    *,
    name: str = "",
    version: str = "",
    queries: str = ORIGINAL,
    k: int = DEFAULT_K,
    force: bool = False,
    record: bool = True,
    options: RunOptions | None = None,
    texts_per_call: int = TEXTS_PER_CALL,
    results: str | Path | None = None,
    cache: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> Evaluation:
    """Evaluate a model on tasks, and keep the entries unless `record` is false.

    `model` is a name of `rebench models`, a folder, a hub id, a card's file, or a live object: a
    function from texts to vectors, an object with `encode` (or `encode_query` and
    `encode_document`), or a retriever with `search(queries, k)`. For an object, `name` is what
    its rows are called and `version` tells one state of it from another; without a version no
    vector is cached and nothing that was measured before is reused, and the entry says so.
    A pipeline (`rebench.Pipeline.from_toml`) is evaluated as an entry of its own name.
    `texts_per_call` is how many texts an object gets at once, `k` the depth of the run, `force`
    repeats what is measured. `options` say how a named model is run.

    Raises a `RebenchError`: `UnknownName`, `BadInput`, `DataUnavailable`, `ModelError` or
    `StoreError`.
    """
    session = open_session(results=results, cache=cache, data=data, progress=progress)
    if not isinstance(model, str | Path) and _is_pipeline(model):
        from harness.api.pipelining import evaluate_on

        config = EvalConfig(k=k, force=force)
        loaded = _loaded(tasks, queries, session)
        outcomes = evaluate_on(
            model, loaded, session.settings, session.store, config, session.reporter
        )
        return Evaluation(tuple(outcomes))
    said = ObjectOptions(
        name or default_name(model), version, session.settings.cache_dir / "probes", texts_per_call
    )
    retriever = as_retriever(model, session, said, options)
    live = not isinstance(model, str | Path)
    command = () if live else _command(str(model), tasks)
    config = EvalConfig(k=k, force=force or (live and not version), command=command)
    measured = []
    try:
        for task in _loaded(tasks, queries, session):
            measured.append(_evaluated(retriever, task, session, config, record=record))
    finally:
        if isinstance(retriever, Closing):
            retriever.close()
    return Evaluation(tuple(measured))


def score(
    run: str | Path,
    task: str | Path | Task,
    *,
    name: str,
    queries: str = ORIGINAL,
    made_with: str = "",
    record: bool = False,
    command: tuple[str, ...] = (),
    results: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> Evaluation:
    """Score a run file (TREC, or BRIGHT's score.json, plain or gzipped) by the protocol.

    `made_with` names the query set of a run whose query texts are not here. `record` keeps the
    entry for the leaderboard. Raises `BadInput` for a run that cannot be read, or that ranks a
    document which the task excludes or does not have.
    """
    from harness.data.query_sets import with_unread_queries
    from harness.evaluate import score_external

    session = open_session(results=results, data=data, progress=progress)
    loaded = _task_to_score(task, queries, session)
    if made_with:
        loaded = with_unread_queries(loaded, made_with)
    store = session.store if record else None
    config = EvalConfig(command=command)
    outcome = score_external(Path(run), name, loaded, store, config, session.reporter)
    return Evaluation((outcome,))


def verify(*, results: str | Path | None = None, progress: Reporter | None = None) -> Verification:
    """Recompute every stored entry's metrics from its run and judgements."""
    store = open_session(results=results, progress=progress).store
    loaded = store.entries()
    return Verification(tuple(verify_all(store, loaded.entries)), loaded.problems)


def load_task(
    name: str | Path,
    *,
    queries: str = ORIGINAL,
    documents: bool = True,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> Task:
    """Load one task by name, from the hub or from a folder; `documents` may be left out."""
    from harness.data.registry import TaskOptions, resolve_tasks
    from harness.data.registry import load_task as load

    session = open_session(data=data, progress=progress)
    names = resolve_tasks(str(name))
    if len(names) != 1:
        raise BadInput(
            f"{name!r} is {len(names)} tasks", fix=f"Name one of them: {', '.join(names)}."
        )
    options = TaskOptions(session.settings.data_dir, queries, documents)
    return load(names[0], options, session.reporter)


def load_model(
    name: str | Path,
    *,
    options: RunOptions | None = None,
    cache: str | Path | None = None,
    progress: Reporter | None = None,
) -> Retriever:
    """Return the retriever of a name, folder or hub id; no weights are loaded before it is used.

    Raises `UnknownName` with the nearest names, `MissingExtra` for a backend not installed.
    """
    from harness.loading import retriever

    session = open_session(cache=cache, progress=progress)
    return retriever(str(name), session.settings, options)


def as_retriever(
    model: object, session: Session, said: ObjectOptions, options: RunOptions | None
) -> Retriever:
    """Return the retriever of a model's name or of a live object."""
    if isinstance(model, str | Path):
        from harness.loading import retriever

        return retriever(str(model), session.settings, options)
    from harness.api.object_retrievers import object_retriever

    return object_retriever(model, said, session.settings.cache_dir)


def _is_pipeline(model: object) -> TypeGuard[Pipeline]:
    """Tell a pipeline from a live model; a name needs no import of pipelines."""
    from harness.pipelines.staged.pipeline import Pipeline

    return isinstance(model, Pipeline)


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return what `eval --json` and `score --json` say of one task; values are unrounded."""
    entry = outcome.entry
    return {
        "model": entry.model,
        "task": entry.task.name,
        "group": entry.task.group,
        "query_set": entry.task.query_set,
        "n_queries": entry.task.n_queries,
        "n_documents": entry.task.n_documents,
        "k": entry.k,
        "metrics": dict(entry.metrics),
        "headroom": dict(outcome.headroom),
        "missing_queries": list(entry.missing_queries),
        "timings": dict(entry.timings),
        "facts": dict(entry.facts),
        "task_fingerprint": entry.task.fingerprint,
        "identity_hash": entry.identity_hash,
        "reused": outcome.reused,
    }


def _evaluated(
    retriever: Retriever, task: Task, session: Session, config: EvalConfig, *, record: bool
) -> Outcome:
    if record:
        return evaluate_task(retriever, task, session.store, config, session.reporter)
    retrieved = retriever.search(task, config.k, session.reporter)
    scored = scored_run(retriever.name, retriever.identity(task), task, retrieved, config)
    return scored.outcome(None)


@overload
def _parts(tasks: str | Path | Task) -> list[str | Task]: ...
@overload
def _parts(tasks: Tasks) -> list[str | Task]: ...
def _parts(tasks: Tasks) -> list[str | Task]:
    """Return names and loaded tasks one by one, every name checked."""
    from harness.data.registry import resolve_tasks

    given = [tasks] if isinstance(tasks, str | Path | Task) else list(tasks)
    parts: list[str | Task] = []
    for each in given:
        parts += [each] if isinstance(each, Task) else resolve_tasks(str(each))
    return list(dict.fromkeys(parts)) if all(isinstance(p, str) for p in parts) else parts


def _loaded(tasks: Tasks, queries: str, session: Session) -> Iterator[Task]:
    """Yield the tasks one at a time: two corpora may not fit into memory."""
    from harness.data.registry import TaskOptions
    from harness.data.registry import load_task as load

    options = TaskOptions(session.settings.data_dir, queries, with_corpus=True)
    for each in _parts(tasks):
        yield each if isinstance(each, Task) else load(each, options, session.reporter)


def _task_to_score(task: str | Path | Task, queries: str, session: Session) -> Task:
    """Return a task to score a run on.

    Documents on a hub are large, so they are left out; elsewhere they are at hand,
    and a document that the corpus lacks is noticed.
    """
    from harness.data.registry import TaskOptions, documents_at_hand
    from harness.data.registry import load_task as load

    if isinstance(task, Task):
        return task
    at_hand = documents_at_hand(str(task))
    options = TaskOptions(session.settings.data_dir, queries, with_corpus=at_hand)
    return load(str(task), options, session.reporter)


def _command(model: str, tasks: Tasks) -> tuple[str, ...]:
    """Return the command that repeats a call on named tasks; nothing if a task was loaded."""
    parts = [tasks] if isinstance(tasks, str | Path | Task) else list(tasks)
    if any(isinstance(part, Task) for part in parts):
        return ()
    return ("rebench", "eval", "--model", model, "--tasks", ",".join(map(str, parts)))
