"""Which documents get a query, and under which drawn conditions it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.core.types import Corpus
from remixer.rows import SourceRow

LENGTH_CLASSES = (
    ("fewer than 100 words", 1),
    ("100 to 200 words", 2),
    ("200 to 300 words", 3),
    ("300 to 400 words", 3),
    ("400 to 500 words", 2),
    ("at least 500 words", 1),
)
"""Length of a query and its weight of 12 (ReasonEmbed, data_synthesis at 1efe855, constant.py)."""

EDUCATION_LEVELS = (("high school", 1), ("college", 2), ("PhD", 2))
"""Education needed to understand a query and its weight of 5 (same source)."""

MIN_CHARACTERS = 200
MAX_CHARACTERS = 5000
"""Documents shorter or longer are left out (same source, 1-run_generation)."""

PER_TASK = 10_000
SEED = 42
"""Documents sampled per task, and the seed (same source)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a query must be like: `length` and `education` are texts for the prompt."""

    length: str
    education: str


@dataclass(frozen=True, slots=True)
class SelectConfig:
    """How documents are chosen: lengths in characters, inclusive; `limit` documents at most."""

    min_characters: int = MIN_CHARACTERS
    max_characters: int = MAX_CHARACTERS
    limit: int = PER_TASK
    seed: int = SEED


@dataclass(frozen=True, slots=True)
class Selection:
    """Chosen rows of the corpus in drawn order, and why the others were left out (counts)."""

    rows: tuple[int, ...]
    reserved: int
    too_short: int
    too_long: int
    over_limit: int


def select_documents(corpus: Corpus, reserved: Collection[str], config: SelectConfig) -> Selection:
    """Choose the documents to write queries for.

    `reserved` names documents that queries of the benchmark judge or exclude. The order is that
    of a hash of seed and id, not of a generator's stream: a document's place depends on nothing
    but itself, so a corpus that gains or loses documents keeps the rest of its sample.
    """
    kept = []
    dropped = {"reserved": 0, "short": 0, "long": 0}
    for row, (key, text) in enumerate(zip(corpus.ids, corpus.texts, strict=True)):
        if key in reserved:
            dropped["reserved"] += 1
        elif len(text) < config.min_characters:
            dropped["short"] += 1
        elif len(text) > config.max_characters:
            dropped["long"] += 1
        else:
            kept.append(row)
    kept.sort(key=lambda row: (_draw(config.seed, "document", corpus.ids[row]), corpus.ids[row]))
    return Selection(
        rows=tuple(kept[: config.limit]),
        reserved=dropped["reserved"],
        too_short=dropped["short"],
        too_long=dropped["long"],
        over_limit=max(0, len(kept) - config.limit),
    )


def draw_conditions(document_id: str, seed: int) -> Conditions:
    """Draw length and education for a document's query, independently and by weight."""
    return Conditions(
        length=_weighted(LENGTH_CLASSES, _draw(seed, "length", document_id)),
        education=_weighted(EDUCATION_LEVELS, _draw(seed, "education", document_id)),
    )


def source_row(document_id: str, seed: int) -> SourceRow:
    """Return a document with the conditions drawn for its query."""
    drawn = draw_conditions(document_id, seed)
    return SourceRow(document_id, drawn.length, drawn.education)


def _draw(seed: int, purpose: str, document_id: str) -> int:
    """Return 64 uniform bits that depend on these three alone, on any machine."""
    text = f"{seed}\0{purpose}\0{document_id}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _weighted(choices: Sequence[tuple[str, int]], bits: int) -> str:
    """Return the choice that 64 uniform bits fall on, each as wide as its weight."""
    place = bits * sum(weight for _, weight in choices) >> 64
    for choice, weight in choices:
        if place < weight:
            return choice
        place -= weight
    raise AssertionError("the weights add up to the range of the draw")
