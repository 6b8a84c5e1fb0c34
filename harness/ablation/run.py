"""A whole ablation: data, runs, reference, table, curves and what is published beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.ablation.content import Outcome
from harness.ablation.curves import read_curves
from harness.ablation.execute import Result, Site, measure_reference, run_all
from harness.ablation.plan import check_variants, plan_runs, warnings_of
from harness.ablation.spec import Spec
from harness.ablation.table import make_table
from harness.ablation.tools import Tools
from harness.ablation.values import Sheet, read_sheet
from harness.compare.insight import Library, Places
from harness.compare.slices import BEYOND, BINS, bin_of
from results.published import PublishedRow, load_published
from results.schema import Entry


def run_ablation(spec: Spec, tools: Tools, site: Site, places: Places, version: str) -> Outcome:
    """Make the data, train and measure every run, and return what came of it.

    What is finished is reused: data, trainings, entries. Raises what reading, training and
    measuring raise; a run that fails by itself is part of the outcome.
    """
    check_variants(spec, tools)
    runs = plan_runs(spec, tools)
    for text in warnings_of(runs):
        tools.reporter.warn(text)
    tasks = [tools.load_task(name) for name in spec.tasks]
    reference = measure_reference(spec, tasks, tools, site)
    results = run_all(spec, runs, tasks, tools, site)
    sheet = read_sheet(spec, results, reference, site.store)
    first = next(result.entries for result in results if not result.failed)
    bins, notes = intensity_bins(sheet, first, Library(site.store, (), places, tools.reporter))
    return Outcome(
        spec=spec,
        results=results,
        metric=sheet.metric,
        table=make_table(spec, sheet, bins),
        curves=read_curves(results, site.root),
        published=published_rows(spec.published),
        notes=(*notes, *_twins(results), *warnings_of(runs)),
        code=tools.trainer.code,
        version=version,
        command=site.command,
    )


def intensity_bins(
    sheet: Sheet, entries: Mapping[str, Entry], library: Library
) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """Return bin of reasoning intensity -> columns, in order, and what is not known."""
    bins: dict[str, list[int]] = {name: [] for name in (*(name for name, _, _ in BINS), BEYOND)}
    notes: list[str] = []
    for task, entry in entries.items():
        known = library.know(entry.task, (), ())
        notes += known.notes
        if known.ranks is None:
            continue
        for at in sheet.columns.of(task):
            bins[bin_of(known.ranks[sheet.columns.queries[at]])].append(at)
    return {name: places for name, places in bins.items() if places}, tuple(notes)


def published_rows(models: Sequence[str]) -> tuple[PublishedRow, ...]:
    """Return the published rows of these models that give an average, in the models' order."""
    rows = [row for row in load_published() if row.overall is not None]
    return tuple(row for model in models for row in rows if row.model == model)


def _twins(results: Sequence[Result]) -> list[str]:
    """Return a note for variants of unequal recipes that ended in the very same numbers."""
    by_variant: dict[str, dict[int, tuple[str, ...]]] = {}
    for each in results:
        if not each.failed:
            weights = tuple(str(_weights(entry)) for entry in each.entries.values())
            by_variant.setdefault(each.run.variant, {})[each.run.seed] = weights
    names = list(by_variant)
    return [
        f"{one} and {other} ended in the same weights for every seed: their recipes differ in "
        "nothing that took effect"
        for at, one in enumerate(names)
        for other in names[at + 1 :]
        if by_variant[one] and by_variant[one] == by_variant[other]
    ]


def _weights(entry: Entry) -> object:
    """Return the weights' identity as an entry has it."""
    model = entry.identity.get("model")
    return model.get("weights") if isinstance(model, Mapping) else entry.identity_hash


def default_root(spec: Spec) -> Path:
    """Return where an ablation lives unless told otherwise."""
    return Path("ablations") / spec.name
