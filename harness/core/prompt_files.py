"""Prompts as text files, ours or a user's: `{{name}}` is filled in, a hash names a wording."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from harness.core.errors import BadInput
from harness.core.files import read_text
from harness.core.hashing import sha256_parts

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_ADDITION = re.compile(r"\{\{\+(.*?)\+\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PromptFolder:
    """The texts of prompts: ours, which lie in `home` (a package and a folder in it), or a user's.

    A file `NAME.txt` of `folder` replaces our text of that name. Parts between `{{+` and `+}}` are
    our additions to a wording of others; they are left out unless `additions` is set. Raises
    `BadInput` if `folder` is not a folder, or holds a `.txt` file that is no prompt.
    """

    home: ClassVar[tuple[str, str]]

    folder: Path | None = None
    additions: bool = True

    def __post_init__(self) -> None:
        """Refuse a folder whose files would be ignored."""
        if self.folder is None:
            return
        if not self.folder.is_dir():
            raise BadInput(f"--prompts {self.folder} is not a folder", fix="Check the path.")
        ours = sorted(path.name for path in self._ours().iterdir() if path.name.endswith(".txt"))
        theirs = sorted(path.name for path in self.folder.glob("*.txt"))
        unknown = [name for name in theirs if name not in ours]
        if unknown or not theirs:
            what = f"{unknown[0]}, which is no prompt" if unknown else "no prompt"
            raise BadInput(f"{self.folder} holds {what}", fix=f"The prompts are {', '.join(ours)}.")

    def text(self, name: str) -> str:
        """Return the text of a prompt; raises `BadInput` if there is none of that name."""
        path = self._ours() / f"{name}.txt"
        if self.replaces(name) and self.folder is not None:
            path = self.folder / f"{name}.txt"
        if not path.is_file():
            raise BadInput(f"there is no prompt {name!r}", fix="Install rebench again.")
        return _text(path, additions=self.additions)

    def replaces(self, name: str) -> bool:
        """Tell whether the user's folder holds a prompt of that name."""
        return self.folder is not None and (self.folder / f"{name}.txt").is_file()

    def _ours(self) -> Path:
        package, folder = type(self).home
        return Path(str(files(package).joinpath(folder)))


@cache
def _text(path: Path, *, additions: bool) -> str:
    """Read a prompt once, however many requests are built from it."""
    return _ADDITION.sub(r"\1" if additions else "", read_text(path))


def fill(template: str, values: Mapping[str, str], required: Collection[str] = ()) -> str:
    """Return a template with its placeholders replaced and outer white space stripped.

    Values are inserted as they are: one that holds `{{…}}` itself is not expanded. Raises
    `BadInput` if a placeholder has no value, or if a `required` value has no placeholder: a prompt
    never goes out with a hole in it, nor without the document it is about.
    """
    placeholders = set(_PLACEHOLDER.findall(template))
    unknown, absent = placeholders - set(values), set(required) - placeholders
    if unknown or absent:
        problem = (
            f"has the unknown placeholder {{{{{min(unknown)}}}}}"
            if unknown
            else (f"lacks the placeholder {{{{{min(absent)}}}}}")
        )
        raise BadInput(
            f"a prompt {problem}",
            fix=f"It may have {', '.join(sorted(values))}"
            + (f", and must have {', '.join(sorted(required))}." if required else "."),
        )
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], template).strip()


def version(*texts: str) -> str:
    """Return the hash of the texts that a prompt is made of: 12 hex digits."""
    return sha256_parts(texts)[:12]
