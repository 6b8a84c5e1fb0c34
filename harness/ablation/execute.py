"""Train and measure the runs of an ablation one after another; finished ones are reused."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ablation.plan import TrainingRun
from harness.ablation.ports import Dependencies, TrainedRun
from harness.ablation.records import RunRecord, read_record, write_record
from harness.ablation.spec import AblationSpec
from harness.core.errors import ModelError
from harness.core.protocols import Reporter, Retriever
from harness.core.types import Json, RetrievalResult, Task
from harness.evaluate import EvalConfig, evaluate
from results.schema import Entry
from results.store import ResultStore


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where an ablation lives: its own folder, the store of entries, the command that runs it."""

    root: Path
    store: ResultStore
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run as it ended: entries by task, its log, seconds; or why it failed.

    `reused`: neither trained nor measured by this call.
    """

    run: TrainingRun
    entries: Mapping[str, Entry]
    record: RunRecord
    reused: bool

    @property
    def failed(self) -> bool:
        """Return whether there is nothing to compare."""
        return bool(self.record.failure)


@dataclass(frozen=True, slots=True)
class Measured:
    """A retriever's entries by task; `reused` if all of them were stored before."""

    entries: Mapping[str, Entry]
    reused: bool


@dataclass(frozen=True, slots=True)
class Executor:
    """Trains and measures the runs of one ablation on its tasks."""

    spec: AblationSpec
    tasks: Sequence[Task]
    needs: Dependencies
    workspace: Workspace

    def reference(self) -> Mapping[str, Entry]:
        """Return the reference model's entries by task, measured if they are not stored."""
        if not self.spec.reference.model:
            return {}
        retriever = self.needs.retriever(self.spec.reference.model, None)
        return self._measure(retriever, [*self.tasks, *self._held_out(0)]).entries

    def _held_out(self, fold: int) -> Sequence[Task]:
        return self.needs.folds().tasks(fold) if self.spec.folds.count else ()

    def _tasks_of(self, run: TrainingRun) -> Sequence[Task]:
        """Return what a run is measured on: the queries held out of it, or the named tasks."""
        return self._held_out(run.fold) if run.fold else self.tasks

    def run_all(self, runs: Sequence[TrainingRun]) -> tuple[RunResult, ...]:
        """Train and measure every run, and return how each ended.

        A run whose loss or vectors are not finite is reported as failed and the rest go on; any
        other error stops here with all finished runs kept.
        """
        self.workspace.store.check_writable()
        note = self.needs.reporter.note
        results: list[RunResult] = []
        start = time.monotonic()
        for number, run in enumerate(runs, start=1):
            # Notes and no bar: training and encoding have bars of their own, and two would mix.
            fold = f", fold {run.fold}" if run.fold else ""
            where = f"run {number} of {len(runs)}, {run.variant} with seed {run.seed}{fold}"
            note(f"{where}: {run.inputs.steps} steps")
            result = self._run(run)
            results.append(result)
            left = _time_left(results, len(runs), time.monotonic() - start)
            note(f"{where}: {self._state(result)}{left}")
        return tuple(results)

    def _run(self, run: TrainingRun) -> RunResult:
        """Train and measure one run, or continue with the part that is finished."""
        folder = run.folder(self.workspace.root)
        before = read_record(folder)
        record = RunRecord(run.variant, run.seed, run.key, 0.0, 0.0, "")
        start = time.monotonic()
        try:
            trained = self.needs.trainer.train(run.recipe, folder, self.needs.reporter)
            trained_at = time.monotonic()
            measured = self._measure_run(run, trained)
        except ModelError as error:
            failed = replace(record, failure=error.message)
            write_record(folder, failed)
            return RunResult(run, {}, failed, reused=False)
        self.needs.trainer.drop_checkpoints(folder)
        if before is not None and not before.failure and measured.reused:
            return RunResult(run, measured.entries, before, reused=True)
        # Seconds of a run that was resumed count from there; those of a finished one stay.
        record = replace(
            record,
            train_seconds=trained_at - start,
            measure_seconds=time.monotonic() - trained_at,
            log=str(trained.log.relative_to(folder)),
        )
        write_record(folder, record)
        return RunResult(run, measured.entries, record, reused=False)

    def _measure_run(self, run: TrainingRun, trained: TrainedRun) -> Measured:
        """Return a run's entries by task.

        Vectors go into a cache of the run's own, which is removed when they are scored: those of
        one model among many would fill the user's cache and are never asked for again.
        """
        cache = run.folder(self.workspace.root) / "vectors"
        if trained.head is not None:
            inner = self.needs.head(trained.head)
        else:
            inner = self.needs.retriever(str(trained.model), cache)
        retriever = RunRetriever(inner, run, self.spec.name, self.needs.trainer.code)
        measured = self._measure(retriever, self._tasks_of(run))
        shutil.rmtree(cache, ignore_errors=True)
        return measured

    def _measure(self, retriever: Retriever, tasks: Sequence[Task]) -> Measured:
        config = EvalConfig(command=self.workspace.command)
        store, reporter = self.workspace.store, self.needs.reporter
        evaluations = {
            task.name: evaluate(retriever, task, store, config, reporter) for task in tasks
        }
        return Measured(
            {name: each.entry for name, each in evaluations.items()},
            all(each.reused for each in evaluations.values()),
        )

    def _state(self, result: RunResult) -> str:
        """Return one line on how a run ended."""
        if result.failed:
            return f"failed ({result.record.failure})"
        scores = ", ".join(
            f"{task.name} {task.head_metric} "
            f"{result.entries[task.name].metrics[task.head_metric]:.4f}"
            for task in self._tasks_of(result.run)
        )
        return f"{scores} ({'reused' if result.reused else 'trained and measured'})"


def _time_left(results: Sequence[RunResult], runs: int, seconds: float) -> str:
    """Return how long the rest may take, by the runs that this call made."""
    made = sum(not each.reused for each in results)
    rest = runs - len(results)
    if not made or not rest:
        return ""
    return f"; {rest} left, at most {seconds / made * rest / 60:.0f} min"


class RunRetriever:
    """Wraps a run's retriever: the run's name, its lineage in identity and facts.

    What decides the weights (hashes of recipe, data and code, the seed) is part of the identity;
    what they are called in the ablation is a fact.
    """

    def __init__(self, inner: Retriever, run: TrainingRun, ablation: str, code: str) -> None:
        """Wrap the retriever of a run's model."""
        self._inner = inner
        self._run = run
        self._ablation = ablation
        self._code = code

    @property
    def name(self) -> str:
        """Return the run's name."""
        return self._run.name

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the model's identity with the run's lineage."""
        lineage: dict[str, Json] = {
            "run": self._run.key,
            "data": self._run.inputs.data,
            "code": self._code,
            "seed": self._run.seed,
        }
        return {**self._inner.identity(task), "lineage": lineage}

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Search, and add what the run is called to the facts."""
        retrieved = self._inner.search(task, k, reporter)
        named: dict[str, Json] = {
            "ablation": self._ablation,
            "variant": self._run.variant,
            "rows": self._run.inputs.rows,
            "steps": self._run.inputs.steps,
        }
        return replace(retrieved, facts={**retrieved.facts, "trained": named})
