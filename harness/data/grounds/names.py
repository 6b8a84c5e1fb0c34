"""How a task is named that no table knows: `hub:ORG/NAME[@REV][:SUBSET][#SPLIT]`, or a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.paths import named_folder

PREFIX = "hub:"
FORM = f"{PREFIX}ORG/NAME[@REV][:SUBSET][#SPLIT]"
_NAME = re.compile(
    r"hub:(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[^@:#]+))?(:(?P<subset>[^:#]+))?(#(?P<split>[^#]+))?"
)


@dataclass(frozen=True, slots=True)
class GroundName:
    """Where a task lies, and which part of the data set it is.

    One of `repository` (`ORG/NAME` on the hub) and `folder` is given. `revision` is empty for the
    newest, `subset` and `split` where the data leave no choice.
    """

    repository: str = ""
    folder: Path | None = None
    revision: str = ""
    subset: str = ""
    split: str = ""

    @property
    def task(self) -> str:
        """Return the task's name: without the revision, which its entries record."""
        place = f"{PREFIX}{self.repository}" if self.folder is None else self.folder.resolve().name
        return f"{place}{self.part}"

    @property
    def part(self) -> str:
        """Return `:SUBSET#SPLIT`, as far as given."""
        subset = f":{self.subset}" if self.subset else ""
        return subset + (f"#{self.split}" if self.split else "")


def hub_name(text: str) -> GroundName:
    """Return what a `hub:` name says; raises `BadInput` for another form."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise BadInput(f"{text!r} is not of the form {FORM}", fix=f"Write it as {FORM}.")
    part = match.groupdict(default="")
    return GroundName(part["id"], None, part["revision"], part["subset"], part["split"])


def folder_name(text: str) -> GroundName | None:
    """Return what `FOLDER[:SUBSET][#SPLIT]` says; `None` unless there is such a folder."""
    whole = named_folder(text)
    if whole is not None:
        return GroundName(folder=whole)
    place, _, split = text.rpartition("#") if "#" in text else (text, "", "")
    folder = named_folder(place)
    if folder is not None:
        return GroundName(folder=folder, split=split)
    place, _, subset = place.rpartition(":")
    folder = named_folder(place) if place else None
    return None if folder is None else GroundName(folder=folder, subset=subset, split=split)
