"""Which runs an ablation takes: one a variant and seed, named by a hash of all that decides it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ablation.spec import Spec, Variant
from harness.ablation.tools import Made, Prepared, Recipe, Tools
from harness.core.errors import BadInput
from harness.core.hashing import sha256_file, sha256_json
from harness.core.types import Json

DIGITS = 16
"""Hex digits of a run's key that name its folder."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training to be: `name` is the model's, `key` the hash of recipe, data, code and seed."""

    variant: str
    seed: int
    name: str
    recipe: Recipe
    prepared: Prepared
    made: Made
    key: str

    def folder(self, root: Path) -> Path:
        """Return where the run lives under an ablation's folder."""
        return root / "runs" / self.key[:DIGITS]


def recipe_of(spec: Spec, variant: str, seed: int, tools: Tools, data: str = "") -> Recipe:
    """Return the recipe of one variant and seed, with the data's path; raises `BadInput`."""
    own: dict[str, Json] = {"name": f"{spec.name}-{variant}-s{seed}", "train": {"seed": seed}}
    if data:
        own["data"] = {"path": data}
    changes = overlaid(spec.recipe, spec.variants[variant].recipe, own)
    return tools.trainer.recipe(changes, f"variant {variant!r}")


def data_options(spec: Spec, variant: Variant) -> dict[str, Json]:
    """Return how a variant's data is made; empty: as its recipe says."""
    return overlaid(spec.data, variant.data)


def check_variants(spec: Spec, tools: Tools) -> None:
    """Raise `BadInput` for the first variant whose recipe or data options cannot be followed."""
    for name, variant in spec.variants.items():
        recipe_of(spec, name, spec.seeds[0], tools)
        options = data_options(spec, variant)
        if options:
            tools.data.check(options, f"data of variant {name!r}")


def plan_runs(spec: Spec, tools: Tools) -> tuple[Run, ...]:
    """Make the data of every variant and return its runs, seed by seed.

    Seed by seed, so that an interrupted ablation has compared all variants as often as it could.
    Raises `BadInput` for two variants that are the same.
    """
    made: dict[str, Made] = {}
    runs: list[Run] = []
    for seed in spec.seeds:
        for name, variant in spec.variants.items():
            if name not in made:
                made[name] = _made(spec, name, variant, tools)
            recipe = recipe_of(spec, name, seed, tools, str(made[name].path))
            runs.append(_run(name, seed, recipe, made[name], tools))
    _refuse_twins(runs, spec)
    return tuple(runs)


def _made(spec: Spec, name: str, variant: Variant, tools: Tools) -> Made:
    """Return a variant's data, made if its options say how."""
    recipe = recipe_of(spec, name, spec.seeds[0], tools)
    options = data_options(spec, variant)
    if options:
        return _hashed(tools.data.make(options, recipe, tools.reporter))
    table = recipe.get("data")
    return _hashed(Made(Path(str(table.get("path", "")) if isinstance(table, dict) else "")))


def _hashed(made: Made) -> Made:
    """Return the data with the hash of its file."""
    return replace(made, sha256=sha256_file(made.path)) if made.path.is_file() else made


def _run(variant: str, seed: int, recipe: Recipe, made: Made, tools: Tools) -> Run:
    """Return one run with its key."""
    prepared = tools.trainer.prepare(recipe)
    key = sha256_json({"code": tools.trainer.code, "run": prepared.identity})
    return Run(variant, seed, str(recipe["name"]), recipe, prepared, made, key)


def _refuse_twins(runs: Sequence[Run], spec: Spec) -> None:
    """Raise `BadInput` when two variants would train the same model."""
    first: dict[str, Run] = {}
    for run in runs:
        twin = first.setdefault(run.key, run)
        if twin is not run:
            raise BadInput(
                f"the variants {twin.variant!r} and {run.variant!r} of {spec.name!r} are the same: "
                "equal recipes, data and seeds",
                fix="Change one of them, or leave one out with --variants.",
            )


def warnings_of(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return what the runs warn of, each once, with the variant's name."""
    found = {f"{run.variant}: {text}": None for run in runs for text in run.prepared.warnings}
    return tuple(found)


def overlaid(*tables: object) -> dict[str, Json]:
    """Return tables put over one another, later ones on top, tables within them likewise."""
    result: dict[str, Json] = {}
    for table in tables:
        if not isinstance(table, dict):
            continue
        for key, value in table.items():
            old = result.get(key)
            both = isinstance(old, dict) and isinstance(value, dict)
            result[key] = overlaid(old, value) if both else value
    return result
