"""What a leaderboard is made of: rows, boards, and what the statistics say of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from harness.core.types import Json
from harness.stats.bootstrap import Interval
from results.schema import Entry

Kind: TypeAlias = Literal["measured", "published", "imported"]
"""Measured here; printed by a source; read from somebody's result files."""

KINDS: tuple[Kind, ...] = ("measured", "published", "imported")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model apart from its results; `None` and empty: not known.

    `parameters` counts all weights, `price` is per million tokens in the card's currency,
    `trained_on_bright` tells whether BRIGHT's documents or queries were in its training. `card`
    is the whole card for the page of an entry.
    """

    parameters: int | None = None
    dimension: int | None = None
    licence: str = ""
    family: str = ""
    trained_on_bright: bool | None = None
    price: float | None = None
    card: Mapping[str, Json] = field(default_factory=dict)


NO_FACTS = ModelFacts()

ABOVE = "above its candidates"
"""The provenance of a reranker whose published values exceed the ceiling of what it ordered."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the tests say of one measured row among those of its board.

    `group` is its rank group from 1: the data do not separate its members from the group's best.
    `best` and `worst` are the ends of the interval of its rank, `interval` that of its mean
    (a fraction; `None` where a task has a single query).
    """

    group: int
    best: int
    worst: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """How the standings of a board were computed, over `entries` rows and `queries` queries.

    Holm's correction covers all `pairs` of those rows.
    """

    entries: int
    queries: int
    pairs: int
    permutations: int
    resamples: int
    seed: int
    alpha: float
    level: float

    @property
    def reachable(self) -> bool:
        """Tell whether any pair could be told apart: the smallest corrected p is below alpha."""
        return self.pairs <= self.alpha * (self.permutations + 1)


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one board: values by task as fractions, and where they come from.

    `label` tells apart rows of one model; `tag` names in a word where a row that was not measured
    here comes from, for that. `mean` is the plain mean over the board's `members`, `None` unless
    every task is there (`printed_mean`: a source printed it and gave no task values). `grounds`
    maps what must agree between rows (a task's judgements, documents and queries) to their
    fingerprints; published and imported rows have none. `provenance` is what else is known of
    where the numbers come from. Only a measured row has a `standing`. `extras` maps further metrics
    to their means over the board's members, where they were asked for; `depth` is then how many
    documents the shallowest of its runs holds.
    """

    model: str
    kind: Kind
    values: Mapping[str, float]
    mean: float | None
    source: str
    label: str = ""
    tag: str = ""
    grounds: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    printed_mean: bool = False
    facts: ModelFacts = NO_FACTS
    provenance: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None
    extras: Mapping[str, float] = field(default_factory=dict)
    depth: int | None = None

    @property
    def name(self) -> str:
        """Return the label, or the model's name where there is none."""
        return self.label or self.model


@dataclass(frozen=True, slots=True)
class LevelMean:
    """A mean over the queries of one level, a fraction, with its interval."""

    level: str
    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class LevelStep:
    """What the mean changes from the level before to this one, paired by situation."""

    level: str
    change: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Profile:
    """One system over the levels, from the least reasoning to the most."""

    system: str
    means: tuple[LevelMean, ...]
    steps: tuple[LevelStep, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """Rows that may be compared: one group, query set, metric and gold version, best first.

    `members` are the tasks that the mean is over, `whole` how many the group has; `tasks` those
    that any row has a value for. `gold` is empty for measured rows and for others on the current
    judgements; rows on an old revision, or one that the source does not name, have boards of
    their own. `ground` is empty unless another board has the same name and other judgements,
    documents or queries: then it tells them apart. `statistics` is `None` until the board is
    ranked. `fold` is `None` for all queries. `profiles` are those of rows measured on every wording
    of the embedded tasks.
    """

    group: str
    query_set: str
    metric: str
    gold: str
    members: tuple[str, ...]
    whole: int
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    ground: str = ""
    statistics: Statistics | None = None
    fold: int | None = None
    profiles: tuple[Profile, ...] = ()
