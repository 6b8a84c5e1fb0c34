"""Training and measuring the runs of an ablation, one after another; what is done is reused."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ablation.lineage import RunRetriever
from harness.ablation.plan import Run
from harness.ablation.records import Record, read_record, write_record
from harness.ablation.spec import Spec
from harness.ablation.tools import Tools, Trained
from harness.core.errors import ModelError
from harness.core.protocols import Retriever
from harness.core.types import Task
from harness.evaluate import EvalConfig, evaluate
from results.schema import Entry
from results.store import ResultStore


@dataclass(frozen=True, slots=True)
class Site:
    """Where an ablation lives: its own folder, the store of entries, the command that runs it."""

    root: Path
    store: ResultStore
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One run as it ended: entries by task, its log, seconds; or why it failed.

    `reused`: neither trained nor measured by this call.
    """

    run: Run
    entries: Mapping[str, Entry]
    record: Record
    reused: bool

    @property
    def failed(self) -> bool:
        """Tell whether there is nothing to compare."""
        return bool(self.record.failure)


def run_all(
    spec: Spec, runs: Sequence[Run], tasks: Sequence[Task], tools: Tools, site: Site
) -> tuple[Result, ...]:
    """Train and measure every run, and return how each ended.

    A run whose loss is no number, or whose vectors are not, is reported as failed and the rest go
    on; any other error stops here with all finished runs kept.
    """
    site.store.check_writable()
    results: list[Result] = []
    start = time.monotonic()
    for number, run in enumerate(runs, start=1):
        # Notes and no bar: training and encoding have bars of their own, and two would mix.
        where = f"run {number} of {len(runs)}, {run.variant} with seed {run.seed}"
        tools.reporter.note(f"{where}: {run.prepared.steps} steps")
        result = _one(spec, run, tasks, tools, site)
        results.append(result)
        left = _left(results, len(runs), time.monotonic() - start)
        tools.reporter.note(f"{where}: {_state(result, tasks)}{left}")
    return tuple(results)


def _left(results: Sequence[Result], runs: int, seconds: float) -> str:
    """Return how long the rest may take, by the runs that this call made."""
    made = sum(not each.reused for each in results)
    rest = runs - len(results)
    if not made or not rest:
        return ""
    return f"; {rest} left, at most {seconds / made * rest / 60:.0f} min"


def measure_reference(
    spec: Spec, tasks: Sequence[Task], tools: Tools, site: Site
) -> dict[str, Entry]:
    """Return the reference model's entries by task, measured where they are not stored."""
    if not spec.reference.model:
        return {}
    retriever = tools.retriever(spec.reference.model, None)
    return _measured(retriever, tasks, tools, site)[0]


def _one(spec: Spec, run: Run, tasks: Sequence[Task], tools: Tools, site: Site) -> Result:
    """Train and measure one run, or take up what is there of it."""
    folder = run.folder(site.root)
    before = read_record(folder)
    record = Record(run.variant, run.seed, run.key, 0.0, 0.0, "")
    start = time.monotonic()
    try:
        trained = tools.trainer.train(run.recipe, folder, tools.reporter)
        trained_at = time.monotonic()
        entries, reused = _measured_run(spec, run, trained, tasks, tools, site)
    except ModelError as error:
        failed = replace(record, failure=error.message)
        write_record(folder, failed)
        return Result(run, {}, failed, reused=False)
    tools.trainer.tidy(folder)
    done = before is not None and not before.failure and reused
    if before is None or not done:
        # Seconds of a run that was taken up again count from there; those of a finished one stay.
        record = replace(
            record,
            train_seconds=trained_at - start,
            measure_seconds=time.monotonic() - trained_at,
            log=str(trained.log.relative_to(folder)),
        )
        write_record(folder, record)
        return Result(run, entries, record, reused=False)
    return Result(run, entries, before, reused=True)


def _measured_run(
    spec: Spec, run: Run, trained: Trained, tasks: Sequence[Task], tools: Tools, site: Site
) -> tuple[dict[str, Entry], bool]:
    """Return a run's entries by task, and whether all were stored before.

    Vectors go into a cache of the run's own, and with it when they are scored: those of a model
    that is one of many would fill the user's cache and are never asked for again.
    """
    cache = run.folder(site.root) / "vectors"
    inner = tools.retriever(str(trained.model), cache)
    retriever = RunRetriever(inner, run, spec.name, tools.trainer.code)
    found = _measured(retriever, tasks, tools, site)
    shutil.rmtree(cache, ignore_errors=True)
    return found


def _measured(
    retriever: Retriever, tasks: Sequence[Task], tools: Tools, site: Site
) -> tuple[dict[str, Entry], bool]:
    """Return a retriever's entries by task, and whether all were stored before."""
    config = EvalConfig(command=site.command)
    outcomes = {
        task.name: evaluate(retriever, task, site.store, config, tools.reporter) for task in tasks
    }
    entries = {name: outcome.entry for name, outcome in outcomes.items()}
    return entries, all(outcome.reused for outcome in outcomes.values())


def _state(result: Result, tasks: Sequence[Task]) -> str:
    """Return one line on how a run ended."""
    if result.failed:
        return f"failed ({result.record.failure})"
    heads = ", ".join(
        f"{task.name} {task.head_metric} {result.entries[task.name].metrics[task.head_metric]:.4f}"
        for task in tasks
    )
    return f"{heads} ({'reused' if result.reused else 'trained and measured'})"
