"""Fuse runs and rerank them: from stored systems, entries or run files to stored entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache as load_once
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.evaluating import ORIGINAL, Evaluation, outcome_json
from harness.api.session import Session, open_session
from harness.api.tables import TableResult
from harness.core.errors import BadInput
from harness.evaluate import DEFAULT_K, EvalConfig
from results.schema import Entry

if TYPE_CHECKING:
    from harness.api.named_rerankers import RerankerOptions
    from harness.compare.selection import NamedTasks
    from harness.core.protocols import Reporter
    from harness.core.types import Task
    from harness.pipelines.fuse import FuseResult, Gain
    from harness.pipelines.parts import Parts
    from harness.pipelines.rerank_ports import Scorer

RunName = str | Path | Entry
"""A measured system's name, a run file, a path with `{task}` in it, or a measured entry."""


@dataclass(frozen=True, slots=True)
class FusionResult(TableResult):
    """Fused entries by task, and what fusing brought against the better part."""

    result: FuseResult
    gain: Gain

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The fused entries."""
        return tuple(outcome.entry for outcome in self.result.outcomes.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per task: the metric of each part and of all fused, as fractions."""
        return [
            {
                "task": task,
                "queries": outcome.entry.task.n_queries,
                **{part: values[task] for part, values in self.gain.by_task.items()},
                "fused": outcome.entry.metrics[self.gain.metric],
            }
            for task, outcome in self.result.outcomes.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as `fuse --json` prints it."""
        return {
            "name": self.result.name,
            "settings": dict(self.result.settings),
            "entries": [outcome_json(outcome) for outcome in self.result.outcomes.values()],
            "gain": asdict(self.gain),
            "notes": list(self.result.notes),
        }


def fuse(
    *runs: RunName,
    tasks: str = "",
    method: str = "rrf",
    norm: str = "",
    missing: str = "",
    weights: str | Sequence[float] | Mapping[str, float] = "",
    parameters: Mapping[str, float] | None = None,
    depth: int | None = None,
    tune: bool = False,
    name: str = "",
    k: int = DEFAULT_K,
    query_set: str = "",
    force: bool = False,
    command: tuple[str, ...] = (),
    results: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> FusionResult:
    """Fuse two runs or more on each of their tasks, and keep the entries.

    `method` and `norm` have ranx's names; `weights` is one number a run, by order or by name. With
    `tune`, what is not given is chosen out of fold. Raises `BadInput`, `UnknownName`,
    `NotComparable` for runs on different ground, or `StoreError`.
    """
    from harness.pipelines.fuse import FuseRequest, gain
    from harness.pipelines.fuse import fuse as fuse_parts
    from harness.pipelines.fusion import FusionSettings, read_weights

    session = open_session(results=results, data=data, progress=progress)
    ground = _Ground(session, runs, tasks, query_set, ORIGINAL, documents=False)
    parts = ground.parts(least=2)
    settings = FusionSettings(
        method=method,
        norm=norm,
        missing=missing,
        weights=read_weights(_weights_text(weights), [part.label for part in parts.parts]),
        parameters=dict(parameters or {}),
        depth=depth,
    )
    config = EvalConfig(k=k, force=force, command=command)
    result = fuse_parts(parts, FuseRequest(settings, name, tune), ground.reader, config)
    head = next(iter(result.outcomes.values())).entry.task.head_metric
    return FusionResult(result, gain(result, parts, ground.reader, head))


def rerank(
    run: RunName,
    model: object,
    tasks: str = "",
    *,
    name: str = "",
    version: str = "",
    depth: int = 100,
    blend: float = 1.0,
    norm: str = "min-max",
    tail: str = "keep",
    long: str = "cut",
    queries: str = ORIGINAL,
    query_set: str = "",
    options: RerankerOptions | None = None,
    force: bool = False,
    command: tuple[str, ...] = (),
    results: str | Path | None = None,
    cache: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> Evaluation:
    """Rerank the first `depth` documents of a run, and keep the entries.

    `run` is a measured system's name, an entry, or a run file (`{task}` in a path is a task).
    `model` is a reranker of `rebench models`, a card, a folder, a hub id, a server's URL, or a live
    object: a `CrossEncoder`, anything with `predict(pairs)`, or with `rank(query, documents)`. For
    an object, `name` is the new entry's and `version` tells one state of it from another; without a
    version nothing is kept for a later call. Scores are blended with the stage before as
    `harness.pipelines.rerank.RerankSettings` says; `queries` is the query set that the reranker
    reads. Raises `BadInput`, `UnknownName`, `NotComparable`, `ModelError` or `StoreError`.
    """
    from harness.pipelines.rerank import RerankSettings
    from harness.pipelines.rerank_entry import RerankNeeds
    from harness.pipelines.rerank_entry import rerank as rerank_parts

    settings = RerankSettings(depth, blend, norm, tail, long)
    session = open_session(results=results, cache=cache, data=data, progress=progress)
    scorer = as_reranker(model, session, version, options)
    ground = _Ground(session, [run], tasks, query_set, queries, documents=True)
    kept = session.settings.cache_dir if version or isinstance(model, str | Path) else None
    if _is_card(model):
        kept = session.settings.cache_dir
    needs = RerankNeeds(ground.reader, ground.load, kept, session.reporter)
    config = EvalConfig(force=force, command=command)
    found = rerank_parts(ground.parts(least=1), scorer, settings, needs, config, name)
    return Evaluation(tuple(found.values()))


def as_reranker(
    model: object, session: Session, version: str = "", options: RerankerOptions | None = None
) -> Scorer:
    """Return the reranker of a name, a card, or a live object."""
    from harness.api.live_rerankers import ObjectFacts, object_reranker
    from harness.api.named_rerankers import reranker_named, reranker_of_card
    from harness.api.objects import default_name
    from models.rerankers.card import RerankerCard

    if isinstance(model, str | Path):
        return reranker_named(str(model), session.settings.cache_dir, options)
    if isinstance(model, RerankerCard):
        return reranker_of_card(model, session.settings.cache_dir, options)
    if options is not None:
        raise BadInput(
            "options are for rerankers by name, and a live object is given",
            fix="Leave options out; the object decides how it runs.",
        )
    return object_reranker(model, ObjectFacts(default_name(model), version))


def _is_card(model: object) -> bool:
    from models.rerankers.card import RerankerCard

    return isinstance(model, RerankerCard)


class _Ground:
    """What a call names: runs, tasks and the folders behind them, with what reads them."""

    def __init__(
        self,
        session: Session,
        runs: Sequence[RunName],
        tasks: str,
        query_set: str,
        queries: str,
        *,
        documents: bool,
    ) -> None:
        from harness.compare.selection import named_tasks
        from harness.derived import EntryReader

        self._session = session
        self._entries = session.entries()
        named = [each.task.name for each in runs if isinstance(each, Entry)]
        self._tasks = named_tasks(tasks or ",".join(dict.fromkeys(named)), self._entries)
        self._runs = [_run_name(each) for each in runs]
        self._query_set = query_set
        self.reader = EntryReader(session.store)
        self.load = load_once(_loader(session, self._tasks, queries, documents=documents))

    def parts(self, *, least: int) -> Parts:
        """Return the named runs, checked to stand on the same ground."""
        from harness.pipelines.parts import PartSource, find_parts

        source = PartSource(
            self._entries, self.reader, self.load, self._session.reporter, self._query_set
        )
        only = self._tasks.only(self._query_set)
        return find_parts(self._runs, only, source, least=least)


def _run_name(run: RunName) -> str:
    """Return what a run is found by: an entry by its model and its whole configuration."""
    from results.systems import MARK, configuration_hash

    return f"{run.model}{MARK}{configuration_hash(run)}" if isinstance(run, Entry) else str(run)


def _loader(
    session: Session, named: NamedTasks, queries: str, *, documents: bool
) -> Callable[[str], Task]:
    """Return what loads a task, with its documents if they are read."""
    from harness.data.registry import TaskOptions, load_task

    options = TaskOptions(session.settings.data_dir, queries, with_corpus=documents)
    return lambda task: load_task(str(named.folders.get(task, task)), options)


def _weights_text(weights: str | Sequence[float] | Mapping[str, float]) -> str:
    """Return weights as the command line takes them."""
    if isinstance(weights, str):
        return weights
    if isinstance(weights, Mapping):
        return ",".join(f"{name}={value!r}" for name, value in weights.items())
    return ",".join(map(repr, weights))
