"""An ablation as data: variants of a recipe, seeds, tasks, comparisons; read from TOML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.ablation.control.world import ControlOptions
from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput, UnknownName
from harness.core.files import parse_toml, read_text

NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
ALL = "all"
DEFAULT_PRESET = "demo"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train: keys put over the recipe, and over the table that says how data is made.

    `title` is what tables call it (empty: its name). A variant that is not `on_request` is
    trained when no variant is named.
    """

    title: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    on_request: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceModel:
    """A model that is not trained here, such as the one that training starts from.

    `model` is a name as in `eval --model`; empty: there is none.
    """

    model: str = ""
    title: str = "untrained"


@dataclass(frozen=True, slots=True)
class Folds:
    """The written queries of `data`, held out by fold; `count` 0: they are not measured.

    `pool` names retrievers, as in `eval --model`, or runs (files, or `example:NAME`): what they
    mine and what was judged of it makes the gold documents. Raises `BadInput`.
    """

    count: int = 0
    pool: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a single fold, and folds without a pool."""
        if self.count < 0 or self.count == 1 or bool(self.count) != bool(self.pool):
            raise BadInput(
                f"folds.count = {self.count}, folds.pool = {list(self.pool)}",
                fix="Give two folds or more and the retrievers whose candidates were judged.",
            )


@dataclass(frozen=True, slots=True)
class PilotVariance:
    """The variance of a mean difference as an earlier run of this design measured it.

    It had `queries` queries (0: there was none) and `seeds` seeds; `from_queries` is the part that
    stays however many seeds there are, `from_seeds` the part that goes down with them (the seeds'
    own and the rest). Both are of values from 0 to 1.
    """

    queries: int = 0
    seeds: int = 1
    from_queries: float = 0.0
    from_seeds: float = 0.0

    def error(self, seeds: int) -> float:
        """Return the standard error of a mean difference with so many seeds."""
        return math.sqrt(self.from_queries + self.from_seeds * self.seeds / seeds)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a machine must have: CUDA devices, hub repositories (`datasets/` in front of sets).

    `facts` are sentences for the user: sizes and hours as far as they are known, and what is an
    assumption.
    """

    gpus: int = 0
    hub: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AblationSpec:
    """A whole ablation.

    `base` is a recipe's name or TOML file, `recipe` what is put over it for every variant. `data`
    says how training data is made (empty: the recipe's own). `comparisons` are pairs of variants
    (or the reference's title), the first less the second; empty: each against `baseline`, and
    each against the reference. `metric` empty: the tasks' head metric. `published` names models
    whose published numbers are shown beside. `control` generates a task and its rows,
    which come to the tasks and stand for the data. `pilot` is what a plan tells the detectable
    difference by before anything was measured. Raises `BadInput`, `UnknownName`.
    """

    name: str
    base: str
    tasks: tuple[str, ...]
    baseline: str
    variants: Mapping[str, Variant]
    title: str = ""
    about: str = ""
    seeds: tuple[int, ...] = (1, 2, 3)
    metric: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    comparisons: tuple[tuple[str, str], ...] = ()
    reference: ReferenceModel = field(default_factory=ReferenceModel)
    published: tuple[str, ...] = ()
    needs: Needs = field(default_factory=Needs)
    folds: Folds = field(default_factory=Folds)
    control: ControlOptions = field(default_factory=ControlOptions)
    pilot: PilotVariance = field(default_factory=PilotVariance)

    def __post_init__(self) -> None:
        """Check names, counts and that what is compared exists."""
        for name in (self.name, *self.variants):
            if not NAME.fullmatch(name):
                raise BadInput(
                    f"the name {name!r}", fix="Use small letters, digits, dots and hyphens."
                )
        if not self.variants or not (self.tasks or self.folds.count or self.control.rows):
            raise BadInput("no variant or no task", fix="Write [variants.NAME] tables and tasks.")
        if self.folds.count and not self.data:
            raise BadInput("folds without data", fix="Say in [data] how the queries are written.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise BadInput(f"seeds = {list(self.seeds)}", fix="Give different numbers from 0.")
        if self.baseline not in self.variants:
            raise UnknownName(
                "variant", self.baseline, self.variants, listing=_listing(self.variants)
            )
        if self.reference.title in self.variants:
            raise BadInput(
                f"the reference and a variant are both called {self.reference.title!r}",
                fix="Give reference.title another name.",
            )
        for name in (each for pair in self.comparisons for each in pair):
            if name not in self.sides:
                raise UnknownName(
                    "side of a comparison", name, self.sides, listing=_listing(self.sides)
                )

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """Return the folds that each variant and seed is trained for; 0: on all rows.

        The run on all rows is measured on `tasks`, the others on the queries held out.
        """
        every = (0,) if self.tasks else ()
        return (*every, *range(1, self.folds.count + 1))

    @property
    def sides(self) -> tuple[str, ...]:
        """Return what can stand in a comparison: variants, and the reference where there is one."""
        return (*self.variants, *((self.reference.title,) if self.reference.model else ()))

    @property
    def tests(self) -> int:
        """Return how many differences are tested: each comparison on each task, or on all too."""
        held_out = 2 if self.folds.count else 0
        together = 1 if len(self.tasks) > 1 and not held_out else 0
        return len(self.pairs) * (len(self.tasks) + held_out + together)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the comparisons: those written down, or each against baseline and reference."""
        if self.comparisons:
            return self.comparisons
        others = [name for name in self.variants if name != self.baseline]
        own = [(name, self.baseline) for name in others]
        if not self.reference.model:
            return tuple(own)
        return (*own, *((name, self.reference.title) for name in self.variants))

    def title_of(self, side: str) -> str:
        """Return what tables call a variant or the reference."""
        variant = self.variants.get(side)
        return side if variant is None else variant.title or side


def _listing(names: Iterable[str]) -> str:
    return f"There are: {', '.join(names)}."


def shipped() -> dict[str, Path]:
    """Return the ablations that ship, as `NAME-PRESET` -> file."""
    folder = Path(str(files("harness.ablation").joinpath("presets")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_spec(source: str, preset: str = "") -> AblationSpec:
    """Return the checked ablation of a TOML file, or of a shipped name with one of its presets.

    Raises `UnknownName` with the nearest names, `BadInput` for TOML that does not parse, unknown
    keys (with did-you-mean), wrong types and what `AblationSpec` refuses.
    """
    path = _file(source, preset)
    table = parse_toml(read_text(path), path.name)
    return dataclass_from_table(AblationSpec, table, path.name)


def _file(source: str, preset: str) -> Path:
    """Return the file that a name or path stands for."""
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        if preset:
            raise BadInput(f"--preset {preset!r} with a file", fix="Presets belong to names.")
        if not path.is_file():
            raise BadInput(f"no ablation at {source}", fix="Check the path.")
        return path
    known = shipped()
    names = sorted({name.partition("-")[0] for name in known})
    if source not in names:
        raise UnknownName("ablation", source, names, listing=f"Name {_or(names)}, or a TOML file.")
    presets = [name.partition("-")[2] for name in known if name.partition("-")[0] == source]
    wanted = preset or DEFAULT_PRESET
    if wanted not in presets:
        raise UnknownName("preset", wanted, presets, listing=f"{source} has: {', '.join(presets)}.")
    return known[f"{source}-{wanted}"]


def restrict(
    spec: AblationSpec,
    *,
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tasks: Sequence[str] = (),
) -> AblationSpec:
    """Return the ablation with only the variants, seeds and tasks that are asked for.

    Without `variants`, those that are not on request; `all` stands for every one. The baseline
    stays; comparisons of what is left out go. Raises `UnknownName`, and what `AblationSpec` raises.
    """
    wanted = list(spec.variants) if ALL in variants else list(variants)
    for name in wanted:
        if name not in spec.variants:
            listing = f"There are: {', '.join(spec.variants)}, and {ALL}."
            raise UnknownName("variant", name, spec.variants, listing=listing)
    if not wanted:
        wanted = [name for name, each in spec.variants.items() if not each.on_request]
    kept = {
        name: each
        for name, each in spec.variants.items()
        if name in wanted or name == spec.baseline
    }
    sides = {*kept, spec.reference.title}
    written = tuple(pair for pair in spec.comparisons if sides.issuperset(pair))
    named = {side for pair in written for side in pair}
    # A variant that no written comparison names would be trained for nothing.
    added = tuple((name, spec.baseline) for name in kept if spec.comparisons and name not in named
                  and name != spec.baseline)  # fmt: skip
    return replace(
        spec,
        variants=kept,
        comparisons=(*written, *added),
        seeds=tuple(seeds) or spec.seeds,
        tasks=tuple(tasks) or spec.tasks,
    )


def _or(names: Sequence[str]) -> str:
    """Return names as `a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
