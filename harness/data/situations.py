"""The embedded tasks' data: one situation in several wordings, judged once, as packages ship it.

A situation is what somebody is faced with. Its wordings ask for the same thing with ever fewer
words of the answer in them, so how much reasoning a query needs is known by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_jsonl, read_lines

ANSWERS = 2
"""Grade of a document that meets the need by itself, or states the fact that decides it."""

HELPS = 1
"""Grade of a document that brings its reader substantially closer to the answer."""

_JUDGED = "judged.tsv.gz"


@dataclass(frozen=True, slots=True)
class Collection:
    """Where situations lie and in which wordings.

    `package` holds `situations/*.jsonl` and `judged.tsv.gz`; `levels` go from the least reasoning
    to the most; `former_gold` tells whether rows also hold an earlier judgement, `gold_1`.
    """

    package: str
    levels: tuple[str, ...]
    former_gold: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """One situation as it is written down.

    `wordings` maps each level to a query. `answers` and `helps` are the qualified names of the
    gold by grade, `gold_1` those of a first release's ungraded judgement, on which older entries
    stand (empty if there was none). `reasoning` says which step leads to the answer: it is for
    people who read the data, and never part of what a retriever sees.
    """

    id: str
    wordings: Mapping[str, str]
    answers: tuple[str, ...]
    helps: tuple[str, ...]
    gold_1: tuple[str, ...]
    reasoning: str

    @property
    def grades(self) -> Mapping[str, int]:
        """Return relevant document -> grade."""
        return {**dict.fromkeys(self.answers, ANSWERS), **dict.fromkeys(self.helps, HELPS)}


def read_situations(collection: Collection) -> tuple[Situation, ...]:
    """Return the situations that ship with a package, by file name, then line.

    Raises `BadInput` with file and line when a row lacks a field.
    """
    folder = files(collection.package).joinpath("situations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".jsonl"))
    situations: list[Situation] = []
    for name in names:
        with as_file(folder.joinpath(name)) as path:
            for number, row in read_jsonl(path):
                situations.append(_situation(row, collection, f"{path}, line {number}"))
    return tuple(situations)


def read_judged(collection: Collection) -> Mapping[str, tuple[str, ...]]:
    """Return situation -> every document that was judged for it, the relevant ones included.

    The file holds a line for each situation: its id, a tab, and names with spaces between. Raises
    `BadInput` for a line of another form.
    """
    judged: dict[str, tuple[str, ...]] = {}
    with as_file(files(collection.package).joinpath(_JUDGED)) as path:
        for number, line in read_lines(path):
            situation, tab, names = line.partition("\t")
            if not tab or not names:
                raise BadInput(
                    f"{path}, line {number}: expected an id, a tab and names",
                    fix="Install rebench again.",
                )
            judged[situation] = tuple(names.split(" "))
    return judged


def _situation(row: Mapping[str, Any], collection: Collection, place: str) -> Situation:
    """Return a JSON row as a `Situation`; raises `BadInput` naming what is wrong with it."""
    text_keys = ("id", "reasoning", *collection.levels)
    name_keys = ("answers", "helps", *(("gold_1",) if collection.former_gold else ()))
    texts = [row.get(key) for key in text_keys]
    lists = [row.get(key) for key in name_keys]
    named = all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists
    )
    if not named or not row["answers"] or not all(isinstance(text, str) and text for text in texts):
        raise BadInput(
            f"{place}: expected {', '.join(text_keys)}, {', '.join(name_keys)}, none of the texts "
            "and of the answers empty",
            fix="Fix that line, or install rebench again.",
        )
    return Situation(
        id=row["id"],
        wordings={level: row[level] for level in collection.levels},
        answers=tuple(row["answers"]),
        helps=tuple(row["helps"]),
        gold_1=tuple(row.get("gold_1", ())),
        reasoning=row["reasoning"],
    )
