"""A whole ablation: data, runs, reference model, tested differences, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.ablation.curves import read_curves
from harness.ablation.execute import Executor, RunResult, Workspace
from harness.ablation.plan import plan_runs, warnings_of
from harness.ablation.ports import Dependencies
from harness.ablation.results import AblationResult
from harness.ablation.spec import AblationSpec
from harness.ablation.table import make_table
from harness.ablation.values import read_values
from harness.compare.slices import intensity_bins
from harness.compare.task_context import TaskContextLoader
from harness.data.local_tasks import DataLocations
from results.published import PublishedRow, load_published
from results.schema import Entry


def run_ablation(
    spec: AblationSpec,
    needs: Dependencies,
    workspace: Workspace,
    places: DataLocations,
    version: str,
) -> AblationResult:
    """Make the data, train and measure every run, and return the tested differences.

    Finished data, trainings and entries are reused. Raises what reading, training and measuring
    raise; a run that fails by itself is part of the result.
    """
    runs = plan_runs(spec, needs)
    for text in warnings_of(runs):
        needs.reporter.warn(text)
    executor = Executor(spec, [needs.load_task(name) for name in spec.tasks], needs, workspace)
    reference = executor.reference()
    results = executor.run_all(runs)
    values = read_values(spec, results, reference, workspace.store)
    first = next(result.entries for result in results if not result.failed)
    loader = TaskContextLoader(workspace.store, (), places, needs.reporter)
    contexts = {task: loader.load(entry.task, (), ()) for task, entry in first.items()}
    return AblationResult(
        spec=spec,
        results=results,
        metric=values.metric,
        values=values,
        table=make_table(spec, values, intensity_bins(values.columns, contexts)),
        curves=read_curves(results, workspace.root),
        published=published_rows(spec.published),
        notes=(
            *(note for context in contexts.values() for note in context.notes),
            *_twins(results),
            *warnings_of(runs),
        ),
        code=needs.trainer.code,
        version=version,
        command=workspace.command,
    )


def published_rows(models: Sequence[str]) -> tuple[PublishedRow, ...]:
    """Return the published rows of these models that give an average, in the models' order."""
    rows = [row for row in load_published() if row.overall is not None]
    return tuple(row for model in models for row in rows if row.model == model)


def _twins(results: Sequence[RunResult]) -> list[str]:
    """Return a note for variants of unequal recipes that ended in the very same numbers."""
    by_variant: dict[str, dict[tuple[int, int], tuple[str, ...]]] = {}
    for each in results:
        if not each.failed:
            weights = tuple(str(_weights(entry)) for entry in each.entries.values())
            by_variant.setdefault(each.run.variant, {})[each.run.seed, each.run.fold] = weights
    names = list(by_variant)
    return [
        f"{one} and {other} ended in the same weights for every seed: their recipes differ in "
        "nothing that took effect"
        for at, one in enumerate(names)
        for other in names[at + 1 :]
        if by_variant[one] and by_variant[one] == by_variant[other]
    ]


def _weights(entry: Entry) -> object:
    """Return the identity of an entry's weights."""
    if "head" in entry.identity:
        return entry.identity["head"]
    model = entry.identity.get("model")
    return model.get("weights") if isinstance(model, Mapping) else entry.identity_hash


def default_root(spec: AblationSpec) -> Path:
    """Return where an ablation lives by default."""
    return Path("ablations") / spec.name
