"""From parts to a fused entry: fused, scored, stored, and held against the better part."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.core.types import Json, RetrievalResult, Run
from harness.derived import EntryReader
from harness.evaluate import EvalConfig, Outcome, scored_run
from harness.pipelines.fusion import Fused, Fusion, FusionSettings, fuse_runs
from harness.pipelines.parts import Parts
from harness.pipelines.tuning import Tuned, choose_by_fold, fuse_by_fold, was_tuned
from harness.stats.bootstrap import Interval, mean_interval
from harness.stats.samples import macro_weights
from results.schema import Entry, identity_hash
from results.work import WORK, on_queries, work_of

SEED = 20_240_716
"""Where the resampling of the interval starts, as in `rebench compare`."""


@dataclass(frozen=True, slots=True)
class FuseRequest:
    """What to fuse and how; `name` is the new entry's (empty: made of the parts' names).

    With `tune`, what `settings` leave open of weights, parameters and depth is chosen out of fold.
    """

    settings: FusionSettings
    name: str = ""
    tune: bool = False


@dataclass(frozen=True, slots=True)
class FuseResult:
    """The stored entries by task, the settings that made them, and what to know of them."""

    name: str
    outcomes: Mapping[str, Outcome]
    settings: Mapping[str, Json]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """A fused system against its parts, by macro-means of one metric over shared tasks.

    `by_task` maps a part's label to its mean on each task, `parts` to that over tasks; `better` is
    the best part, `delta` the fused mean less that one's, `interval` the 95 % BCa interval of it
    over resampled queries within tasks.
    """

    metric: str
    mean: float
    by_task: Mapping[str, Mapping[str, float]]
    parts: Mapping[str, float]
    better: str
    delta: float
    interval: Interval | None


def fuse(parts: Parts, request: FuseRequest, reader: EntryReader, config: EvalConfig) -> FuseResult:
    """Fuse parts on each of their tasks and store the results, or return those already stored.

    Raises `BadInput` for settings that do not fit and for tuning on what is reported,
    `StoreError` where the store cannot be read or written.
    """
    maker = _Maker(parts, request, reader, config)
    reader.store.check_writable(maker.name)
    outcomes = {task: maker.outcome(task) for task in parts.tasks}
    notes = [note for outcome in outcomes.values() for note in _notes(outcome.entry)]
    return FuseResult(maker.name, outcomes, maker.settings, (*parts.notes, *notes))


def gain(result: FuseResult, parts: Parts, reader: EntryReader, metric: str) -> Gain:
    """Hold a fused system against the better of its parts."""
    fused: list[float] = []
    tasks: list[str] = []
    rows: dict[str, list[float]] = {part.label: [] for part in parts.parts}
    by_task: dict[str, dict[str, float]] = {part.label: {} for part in parts.parts}
    for task, outcome in result.outcomes.items():
        values = reader.values(outcome.entry, metric)
        fused += values.values()
        tasks += [task] * len(values)
        for part in parts.parts:
            own = parts.values(part, task, metric, reader)
            rows[part.label] += [own[qid] for qid in values]
            by_task[part.label][task] = math.fsum(own.values()) / len(own)
    weights = macro_weights(tasks)
    means = {label: float(np.asarray(row) @ weights) for label, row in rows.items()}
    better = max(means, key=lambda label: means[label])
    gaps = np.asarray(fused) - np.asarray(rows[better])
    mean = float(np.asarray(fused) @ weights)
    interval = mean_interval(gaps, np.random.default_rng(SEED), tasks=tasks)
    return Gain(metric, mean, by_task, means, better, mean - means[better], interval)


@dataclass(frozen=True)
class _Maker:
    """Fuses and stores one task after another, all with settings chosen once."""

    parts: Parts
    request: FuseRequest
    reader: EntryReader
    config: EvalConfig

    @cached_property
    def tuned(self) -> Tuned | None:
        """The settings by fold, where they were to be chosen."""
        if not self.request.tune:
            return None
        return choose_by_fold(self.parts, self.request.settings, self.reader)

    @property
    def settings(self) -> dict[str, Json]:
        """The settings as the identity holds them."""
        if self.tuned is not None:
            return self.tuned.json
        return Fusion.of(self.request.settings, len(self.parts.parts)).json

    @property
    def name(self) -> str:
        """The entry's name: as asked for, or the parts', the method, and whether it was tuned."""
        if self.request.name:
            return self.request.name
        joined = "+".join(part.system.model for part in self.parts.parts)
        return f"{joined}-{self.request.settings.method}{'-tuned' if self.request.tune else ''}"

    def outcome(self, task: str) -> Outcome:
        """Return the stored entry of one task, made now or before."""
        runs = [part.run(task, self.reader) for part in self.parts.parts]
        identity = self._identity(task, runs)
        facts = self.parts.facts(task)
        key = identity_hash(identity, facts, self.config.k)
        stored = self.reader.store.find(self.name, task, key)
        if stored is not None and not self.config.force:
            return Outcome(stored, reused=True, store=self.reader.store)
        start = time.perf_counter()
        if self.tuned is not None:
            fused = fuse_by_fold(runs, task, self.tuned, self.config.k)
        else:
            fusion = Fusion.of(self.request.settings, len(runs))
            fused = fuse_runs(runs, fusion, self.config.k)
        retrieved = RetrievalResult(
            run=fused.run,
            timings={"fuse": time.perf_counter() - start},
            facts=self._facts(fused, task),
        )
        judgements = self.parts.judgements(task, self.reader)
        scored = scored_run(self.name, identity, judgements, retrieved, self.config, facts)
        return scored.outcome(self.reader.store)

    def _identity(self, task: str, runs: Sequence[Run]) -> dict[str, Json]:
        """Return what makes the fused run its own: settings, parts, and the parts' runs."""
        own = self.parts.parts
        identity: dict[str, Json] = {
            "pipeline": "fuse",
            **self.settings,
            "parts": [part.name for part in own],
            "part_runs": [part.run_hash(task, run) for part, run in zip(own, runs, strict=True)],
        }
        if any(was_tuned(part.system.entries[task]) for part in own):
            identity["of_tuned"] = True
        return identity

    def _facts(self, fused: Fused, task: str) -> dict[str, Json]:
        """Return what happened when the lists were fused, as the entry keeps it."""
        labels = [part.label for part in self.parts.parts]
        parts = [part.system.entries[task] for part in self.parts.parts]
        work = on_queries(map(work_of, parts), parts[0].task.n_queries)
        return {
            "only_in": dict(zip(labels, fused.only_in, strict=True)),
            "flat_lists": fused.flat,
            "lists": fused.lists,
            **({WORK: work.json} if work is not None else {}),
        }


def _notes(entry: Entry) -> list[str]:
    """Return what a reader should know of how a fused entry came about, as sentences."""
    notes = []
    only = entry.facts.get("only_in")
    for label, count in only.items() if isinstance(only, Mapping) else ():
        if count:
            notes.append(
                f"{entry.task.name}: {count} queries are ranked by {label} alone; the other lists "
                "are empty there"
            )
    flat = entry.facts.get("flat_lists")
    if flat:
        norm = entry.identity.get("norm") or "the norm"
        notes.append(
            f"{entry.task.name}: {flat} of {entry.facts.get('lists')} lists hold one document or "
            f"equal scores only, which {norm} turns into 0: as if the list had ranked nothing"
        )
    return notes
