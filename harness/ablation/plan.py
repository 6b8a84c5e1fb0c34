"""The runs of an ablation, one per variant and seed, and a preview of what is left to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ablation.ports import Dependencies, RunInputs, TrainingData
from harness.ablation.records import known_detectable, known_seconds, read_record
from harness.ablation.spec import AblationSpec, Variant
from harness.core.errors import BadInput, DataUnavailable
from harness.core.hashing import sha256_file, sha256_json
from harness.core.types import Json

if TYPE_CHECKING:
    from redapter.config import RunConfig

DIGITS = 16
"""Hex digits of a run's key that name its folder."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One training to be: `name` is the model's, `key` the hash of recipe, data, code and seed.

    `fold` is the one held out (0: none).
    """

    variant: str
    seed: int
    fold: int
    name: str
    recipe: RunConfig
    inputs: RunInputs
    data: TrainingData
    key: str

    def folder(self, root: Path) -> Path:
        """Return where the run lives under an ablation's folder."""
        return root / "runs" / self.key[:DIGITS]


def check_variants(spec: AblationSpec, needs: Dependencies) -> dict[str, RunConfig]:
    """Return each variant's recipe, without seed and data.

    Raises `BadInput` for the first variant whose recipe or data options cannot be followed.
    """
    recipes: dict[str, RunConfig] = {}
    for name, variant in spec.variants.items():
        changes = overlay(spec.recipe, variant.recipe)
        recipes[name] = needs.trainer.recipe(changes, f"variant {name!r}")
        options = data_options(spec, variant)
        if options:
            needs.data.check(options, f"data of variant {name!r}")
    return recipes


def run_recipe(
    recipe: RunConfig, spec: AblationSpec, variant: str, seed: int, fold: int
) -> RunConfig:
    """Return a variant's recipe with the run's name and seed."""
    name = f"{spec.name}-{variant}-s{seed}" + (f"-f{fold}" if fold else "")
    return replace(recipe, name=name, train=replace(recipe.train, seed=seed))


def data_options(spec: AblationSpec, variant: Variant) -> dict[str, Json]:
    """Return how a variant's data is made; empty: it trains on its recipe's `data.path`."""
    return overlay(spec.data, variant.data)


def plan_runs(spec: AblationSpec, needs: Dependencies) -> tuple[TrainingRun, ...]:
    """Make the data of every variant and return its runs, seed by seed.

    Seed by seed, so that an interrupted ablation has compared all variants as often as it could.
    Raises `BadInput` for variants that cannot be followed, and for two that are the same.
    """
    recipes = check_variants(spec, needs)
    data = {
        (name, fold): each
        for name, recipe in recipes.items()
        for fold, each in _fold_data(spec, name, recipe, needs).items()
    }
    runs = []
    for seed in spec.seeds:
        for (name, fold), rows in data.items():
            recipe = run_recipe(recipes[name], spec, name, seed, fold)
            if rows.path != Path(recipe.data.path):
                recipe = replace(recipe, data=replace(recipe.data, path=str(rows.path)))
            inputs = needs.trainer.prepare(recipe)
            key = sha256_json({"code": needs.trainer.code, "run": inputs.identity})
            runs.append(TrainingRun(name, seed, fold, recipe.name, recipe, inputs, rows, key))
    _refuse_twins(runs, spec)
    return tuple(runs)


def _fold_data(
    spec: AblationSpec, name: str, recipe: RunConfig, needs: Dependencies
) -> dict[int, TrainingData]:
    """Return fold -> the rows that a variant trains on."""
    data = _training_data(spec, name, recipe, needs)
    if not spec.folds.count:
        return {0: data}
    folds = needs.folds()
    return {fold: _hashed(folds.training_data(data, fold)) for fold in spec.fold_numbers}


def _training_data(
    spec: AblationSpec, name: str, recipe: RunConfig, needs: Dependencies
) -> TrainingData:
    """Return a variant's data with its file's hash, made first if its options say how."""
    options = data_options(spec, spec.variants[name])
    if options:
        data = needs.data.make(options, recipe, needs.reporter)
    else:
        data = TrainingData(Path(recipe.data.path))
    return _hashed(data)


def _hashed(data: TrainingData) -> TrainingData:
    return replace(data, sha256=sha256_file(data.path)) if data.path.is_file() else data


def _refuse_twins(runs: Sequence[TrainingRun], spec: AblationSpec) -> None:
    """Raise `BadInput` if two variants would train the same model."""
    first: dict[str, TrainingRun] = {}
    for run in runs:
        twin = first.setdefault(run.key, run)
        if twin is not run:
            raise BadInput(
                f"the variants {twin.variant!r} and {run.variant!r} of {spec.name!r} are the same: "
                "equal recipes, data and seeds",
                fix="Change one of them, or leave one out with --variants.",
            )


def warnings_of(runs: Iterable[TrainingRun]) -> tuple[str, ...]:
    """Return what the runs warn of, each once, with the variant's name."""
    return tuple(
        dict.fromkeys(f"{run.variant}: {text}" for run in runs for text in run.inputs.warnings)
    )


def overlay(*tables: Mapping[str, Json]) -> dict[str, Json]:
    """Return tables put over one another, later ones on top, tables within them likewise."""
    result: dict[str, Json] = {}
    for table in tables:
        for key, value in table.items():
            old = result.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                result[key] = overlay(old, value)
            else:
                result[key] = value
    return result


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One line of a preview: `state` is `finished`, `begun`, `failed before` or `to do`.

    `rows`, `steps` and `key` are `None` while the data is not made.
    """

    variant: str
    seed: int
    fold: int
    state: str
    rows: int | None
    steps: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """All runs, whether the data exists already, and the seconds that the rest will take.

    `seconds` is `None` if no run of this ablation has been measured on this machine yet.
    `detectable` is the smallest difference that is seen at the level of Holm's first step, as a
    fraction: the largest over the comparisons of the last report in this folder, or what the
    ablation's pilot says of this design (`by_pilot`).
    """

    runs: tuple[PlannedRun, ...]
    data_made: bool
    seconds: float | None
    needs: tuple[str, ...]
    detectable: float | None = None
    by_pilot: bool = False


def preview(spec: AblationSpec, needs: Dependencies, root: Path) -> Preview:
    """Return what would be done, without making, training or measuring anything.

    Raises `BadInput` for recipes and options that cannot be followed.
    """
    recipes = check_variants(spec, needs)
    options = {name: data_options(spec, variant) for name, variant in spec.variants.items()}
    made = (not spec.folds.count or needs.folds_ready()) and all(
        not options[name] or needs.data.is_ready(options[name], recipe)
        for name, recipe in recipes.items()
    )
    try:
        rows = _planned(spec, needs, root) if made else _unmade(spec)
    except DataUnavailable:  # rows on a hub that is out of reach: the rest of the plan still holds
        made, rows = False, _unmade(spec)
    left = sum(row.state != "finished" for row in rows)
    known = known_seconds(root)
    seconds = None if known is None else left * known
    reported = known_detectable(root)
    detectable = pilot_detectable(spec) if reported is None else reported
    by_pilot = reported is None and detectable is not None
    return Preview(rows, made, seconds, spec.needs.facts, detectable, by_pilot)


def pilot_detectable(spec: AblationSpec) -> float | None:
    """Return what the design can see by its pilot's variances; `None` without a pilot.

    Degrees of freedom are those of the queries, whose part is the largest by far.
    """
    from harness.compare.differences import ComparisonSettings
    from harness.stats.power import detectable_difference

    pilot, settings = spec.pilot, ComparisonSettings()
    if not pilot.queries or not spec.tests:
        return None
    return detectable_difference(
        pilot.error(len(spec.seeds)),
        pilot.queries - 1,
        alpha=settings.alpha / spec.tests,
        target=settings.power,
    )


def _planned(spec: AblationSpec, needs: Dependencies, root: Path) -> tuple[PlannedRun, ...]:
    """Return the runs with their states; all data exists, so planning makes none."""
    rows = []
    for run in plan_runs(spec, needs):
        folder = run.folder(root)
        record = read_record(folder)
        state = "to do"
        if record is not None:
            state = "failed before" if record.failure else "finished"
        elif folder.is_dir():
            state = "begun"
        inputs = run.inputs
        rows.append(
            PlannedRun(run.variant, run.seed, run.fold, state, inputs.rows, inputs.steps, run.key)
        )
    return tuple(rows)


def _unmade(spec: AblationSpec) -> tuple[PlannedRun, ...]:
    """Return the runs while their data is not made, so that their keys are not known."""
    return tuple(
        PlannedRun(name, seed, fold, "to do", None, None, None)
        for seed in spec.seeds
        for name in spec.variants
        for fold in spec.fold_numbers
    )
