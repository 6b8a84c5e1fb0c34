"""An invented world: facts that chain over one, two or three hops, questions, and reasonings.

Families live in towns, towns lie in regions, and what holds in a region stands in one document for
each topic. A question names a topic and a region (one hop), a town (two) or a family (three); its
answer is always the region's document, which names neither town nor family. The facts that link
them are documents too. All names are made of syllables, so no model has met them; the links can be
learned from other questions about the same town or family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator

from harness.core.errors import BadInput

HOPS = (1, 2, 3)
REGIONS, TOWNS, FAMILIES = 40, 3, 2
"""Regions, towns in each, families in each town."""

TOPICS: tuple[tuple[str, str], ...] = (
    ("may build a bridge", "Leave to build a bridge"),
    ("keeps the register of boats", "The register of boats"),
    ("sets the price of salt", "The price of salt"),
    ("pays the night watch", "Payment of the night watch"),
    ("lends seed after a poor harvest", "Seed after a poor harvest"),
    ("settles quarrels over wells", "A quarrel over a well"),
    ("licenses the ferries", "A licence for a ferry"),
    ("inspects the mills", "Inspection of the mills"),
    ("stores the old maps", "The store of old maps"),
    ("trains the bell founders", "Training of bell founders"),
    ("decides on felling oaks", "The felling of oaks"),
    ("collects the market toll", "The market toll"),
)
"""What a question asks who does, and how the documents put it."""

_WORDINGS = (
    "{who} {deed} {where}?",
    "We need to know {who_small} {deed} {where}.",
    "I was asked {who_small} {deed} {where}, and nobody here could say.",
    "Before the meeting: {who_small} {deed} {where}?",
)
_PLACES = {
    1: "in {name}",
    2: "for people of {name}",
    3: "for the {name} family",
}
_SYLLABLES = """
b br d dr f g gr h k kl l m n p pr r s sk st t tr v z
a e i o u ai ei ou
l m n nd r rk rn s sk st th x
"""
_ONSETS, _VOWELS, _CODAS = (line.split() for line in _SYLLABLES.strip().splitlines())


@dataclass(frozen=True, slots=True)
class ControlQuery:
    """A question: its hops, the document that answers, its chain of reasoning, its hard negatives.

    `answer` and `negatives` are document ids.
    """

    id: str
    hops: int
    text: str
    reasoning: str
    answer: str
    negatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """How much is generated: training rows and held-out questions for each number of hops.

    `rows` 0: no control. Everything follows from `seed`. Raises `BadInput`.
    """

    rows: int = 0
    queries: int = 96
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse counts that the world cannot give: a region is asked each topic once."""
        most = REGIONS * len(TOPICS) - 1
        if self.rows < 0 or self.seed < 0 or not 1 <= self.queries <= most:
            raise BadInput(
                f"control: rows = {self.rows}, queries = {self.queries}, seed = {self.seed}",
                fix=f"Give rows and seed from 0, and 1 to {most} queries.",
            )


@dataclass(frozen=True)
class World:
    """The names of one world; towns and families by the region and town that they belong to."""

    seed: int

    @cached_property
    def _names(self) -> Sequence[str]:
        """Different names of two or three syllables, in the order they were made."""
        rng = np.random.default_rng((self.seed, 0))
        wanted = REGIONS * (1 + TOWNS + TOWNS * FAMILIES) + REGIONS * len(TOPICS)
        names: dict[str, None] = {}
        while len(names) < wanted:
            names[_name(rng)] = None
        return tuple(names)

    def region(self, number: int) -> str:
        """Return the name of a region."""
        return self._names[number]

    def town(self, number: int) -> str:
        """Return the name of a town; town t lies in region t // TOWNS."""
        return self._names[REGIONS + number]

    def family(self, number: int) -> str:
        """Return the name of a family; family f lives in town f // FAMILIES."""
        return self._names[REGIONS * (1 + TOWNS) + number]

    def office(self, region: int, topic: int) -> str:
        """Return the name of who does what a topic asks in a region."""
        first = REGIONS * (1 + TOWNS + TOWNS * FAMILIES)
        return self._names[first + region * len(TOPICS) + topic]

    @cached_property
    def documents(self) -> dict[str, str]:
        """Document id -> text: what holds in each region, and the facts that link names."""
        texts = {}
        for region in range(REGIONS):
            for topic, (_, title) in enumerate(TOPICS):
                office = self.office(region, topic)
                texts[_rule(region, topic)] = (
                    f"{title} in {self.region(region)} is a matter for the house of {office}."
                )
        for town in range(REGIONS * TOWNS):
            where = self.region(town // TOWNS)
            texts[f"town-{town}"] = f"{self.town(town)} is a town in {where}."
        for family in range(REGIONS * TOWNS * FAMILIES):
            home = self.town(family // FAMILIES)
            texts[f"family-{family}"] = f"The {self.family(family)} family lives in {home}."
        return texts

    def starts(self, hops: int) -> int:
        """Return how many entities a question of so many hops can start from."""
        return REGIONS * (1, TOWNS, TOWNS * FAMILIES)[hops - 1]

    def question(self, hops: int, start: int, topic: int, rng: Generator) -> ControlQuery:
        """Return the question that asks a topic of an entity, its wording and negatives drawn."""
        name = (self.region, self.town, self.family)[hops - 1](start)
        family, town = (start if hops == 3 else None), None
        if hops > 1:
            town = start if hops == 2 else start // FAMILIES
        region = start if town is None else town // TOWNS
        words = {"who": "Who", "who_small": "who", "deed": TOPICS[topic][0]}
        where = _PLACES[hops].format(name=name)
        chain = [self.documents[f"family-{family}"]] if family is not None else []
        chain += [self.documents[f"town-{town}"]] if town is not None else []
        asked = f"The question is about {TOPICS[topic][1].lower()} in {self.region(region)}."
        linking = [f"family-{family}"] if family is not None else []
        linking += [f"town-{town}"] if town is not None else []
        return ControlQuery(
            id=f"h{hops}-{start}-{topic}",
            hops=hops,
            text=_WORDINGS[int(rng.integers(len(_WORDINGS)))].format(**words, where=where),
            reasoning=" ".join([*chain, asked]),
            answer=_rule(region, topic),
            negatives=(*linking, *_others(region, topic, rng)),
        )


@dataclass(frozen=True, slots=True)
class ControlSplit:
    """Questions to train on and questions held out: no entity and topic of one are in the other."""

    training: tuple[ControlQuery, ...]
    held_out: tuple[ControlQuery, ...]


def draw_questions(world: World, options: ControlOptions) -> ControlSplit:
    """Return `options.rows` training and `options.queries` held-out questions for each hop.

    Pairs of entity and topic are shuffled; the first are held out, one question each, and training
    goes round the rest as often as it needs, in a wording drawn anew.
    """
    training: list[ControlQuery] = []
    held_out: list[ControlQuery] = []
    for hops in HOPS:
        rng = np.random.default_rng((options.seed, hops))
        count = world.starts(hops) * len(TOPICS)
        order = rng.permutation(count)
        test, rest = order[: options.queries], order[options.queries :]
        chosen = np.concatenate([test, np.resize(rest, options.rows)])
        pairs = [divmod(int(pair), len(TOPICS)) for pair in chosen]
        made = [world.question(hops, start, topic, rng) for start, topic in pairs]
        held_out += made[: options.queries]
        training += made[options.queries :]
    return ControlSplit(tuple(training), tuple(held_out))


def hops_of(query_id: str) -> int:
    """Return the hops of a question, by its id."""
    return int(query_id[1 : query_id.index("-")])


def _name(rng: Generator) -> str:
    """Return two or three open syllables and an end."""
    parts = [_of(part, rng) for _ in range(int(rng.integers(2, 4))) for part in (_ONSETS, _VOWELS)]
    return "".join([*parts, _of(_CODAS, rng)]).capitalize()


def _of(parts: Sequence[str], rng: Generator) -> str:
    return parts[int(rng.integers(len(parts)))]


def _rule(region: int, topic: int) -> str:
    return f"rule-{region}-{topic}"


def _others(region: int, topic: int, rng: Generator) -> list[str]:
    """Return two documents of the topic in other regions, and two of other topics in the region."""
    regions = (region + 1 + rng.choice(REGIONS - 1, 2, replace=False)) % REGIONS
    topics = (topic + 1 + rng.choice(len(TOPICS) - 1, 2, replace=False)) % len(TOPICS)
    return [
        *(_rule(int(other), topic) for other in regions),
        *(_rule(region, int(other)) for other in topics),
    ]
