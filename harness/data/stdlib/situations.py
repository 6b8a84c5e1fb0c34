"""The embedded tasks' data: one situation in four wordings, judged once, as the package ships it.

A situation is what somebody is faced with. Its four wordings ask for the same thing with ever
fewer words of the answer in them, so how much reasoning a query needs is known by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_jsonl, read_lines

LEVELS = ("lexical", "paraphrase", "plain", "oblique")
"""Wordings from the least reasoning to the most: technical words in one line; two sentences that
do not name the object; the story with the words that the asker has in front of them; the story
without any technical word."""

ANSWERS = 2
"""Grade of a document that meets the need by itself, or states the fact that decides it."""

HELPS = 1
"""Grade of a document that brings its reader substantially closer to the answer."""

_DATA = "harness.data.stdlib"
_JUDGED = "judged.tsv.gz"


@dataclass(frozen=True, slots=True)
class Situation:
    """One situation as it is written down.

    `wordings` maps each level to a query. `answers` and `helps` are the qualified names of gold 2
    by grade, `gold_1` those of the first release's ungraded judgement, on which older entries
    stand. `reasoning` says which step leads to the answer: it is for people who read the data,
    and never part of what a retriever sees.
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


def read_situations() -> tuple[Situation, ...]:
    """Return the situations that ship with the package, by file name, then line.

    Raises `BadInput` with file and line when a row lacks a field.
    """
    folder = files(_DATA).joinpath("situations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".jsonl"))
    found: list[Situation] = []
    for name in names:
        with as_file(folder.joinpath(name)) as path:
            found.extend(_situation(row, path, number) for number, row in read_jsonl(path))
    return tuple(found)


def read_judged() -> Mapping[str, tuple[str, ...]]:
    """Return situation -> every document that was judged for it, the relevant ones included.

    The file holds a line for each situation: its id, a tab, and names with spaces between. Raises
    `BadInput` for a line of another form.
    """
    judged: dict[str, tuple[str, ...]] = {}
    with as_file(files(_DATA).joinpath(_JUDGED)) as path:
        for number, line in read_lines(path):
            situation, tab, names = line.partition("\t")
            if not tab or not names:
                raise BadInput(
                    f"{path}, line {number}: expected an id, a tab and names",
                    fix="Install rebench again.",
                )
            judged[situation] = tuple(names.split(" "))
    return judged


def _situation(row: Mapping[str, Any], path: Path, number: int) -> Situation:
    """Return a JSON row as a `Situation`; raises `BadInput` naming what is wrong with it."""
    texts = [row.get(key) for key in ("id", "reasoning", *LEVELS)]
    lists = [row.get(key) for key in ("answers", "helps", "gold_1")]
    named = all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists
    )
    if not named or not row["answers"] or not all(isinstance(text, str) and text for text in texts):
        raise BadInput(
            f"{path}, line {number}: expected id, reasoning, {', '.join(LEVELS)}, answers, helps "
            "and gold_1, none of the texts and of the answers empty",
            fix="Fix that line, or install rebench again.",
        )
    return Situation(
        id=row["id"],
        wordings={level: row[level] for level in LEVELS},
        answers=tuple(row["answers"]),
        helps=tuple(row["helps"]),
        gold_1=tuple(row["gold_1"]),
        reasoning=row["reasoning"],
    )
