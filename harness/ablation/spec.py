"""What an ablation is: variants of one recipe, seeds, tasks, comparisons; frozen and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import BadInput, UnknownName

NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
ALL = "all"


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
class Reference:
    """A model that is not trained here, such as the one that training starts from.

    `model` is a name as in `eval --model`; empty: there is none.
    """

    model: str = ""
    title: str = "untrained"


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
class Spec:
    """A whole ablation.

    `base` is a recipe's name or TOML file, `recipe` what is put over it for every variant. `data`
    says how training data is made (empty: the recipe's own). `comparisons` are pairs of variants
    (or the reference's title), the first less the second; empty: each against `baseline`, and
    each against the reference. `metric` empty: the tasks' head metric. `published` names models
    whose published numbers are shown beside. Raises `BadInput`, `UnknownName`.
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
    reference: Reference = field(default_factory=Reference)
    published: tuple[str, ...] = ()
    needs: Needs = field(default_factory=Needs)

    def __post_init__(self) -> None:
        """Check names, counts and that what is compared exists."""
        for name in (self.name, *self.variants):
            if not NAME.fullmatch(name):
                raise BadInput(
                    f"the name {name!r}", fix="Use small letters, digits, dots and hyphens."
                )
        if not self.variants or not self.tasks:
            raise BadInput("no variant or no task", fix="Write [variants.NAME] tables and tasks.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise BadInput(f"seeds = {list(self.seeds)}", fix="Give different numbers from 0.")
        if self.baseline not in self.variants:
            raise UnknownName(
                "variant", self.baseline, self.variants, listing=f"{_listing(self.variants)}"
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
    def sides(self) -> tuple[str, ...]:
        """Return what can stand in a comparison: variants, and the reference where there is one."""
        return (*self.variants, *((self.reference.title,) if self.reference.model else ()))

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


def _listing(names: object) -> str:
    """Return the sentence that lists what there is."""
    return f"There are: {', '.join(map(str, names))}."  # type: ignore[call-overload]
