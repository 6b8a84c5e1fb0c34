"""Paths and names as users type them, checked before any work hangs on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import BadInput

LONGEST_NAME, LONGEST_PATH = 255, 4095
"""Bytes of a name and of a path that common file systems take."""


def user_path(text: str | Path) -> Path:
    """Return a path that a user names, a leading `~` or `~user` expanded.

    Raises `BadInput` for a user that this machine does not have, for NUL, and for a name that is
    not UTF-8: such names can stand in no entry and no report.
    """
    named = str(text)
    if problem := _problem_of(named):
        raise BadInput(f"{named!r} cannot name a file: {problem}", fix="Choose another name.")
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        user = Path(named).parts[0].removeprefix("~")
        raise BadInput(
            f"{named}: this machine has no user {user!r}", fix="Write the whole path."
        ) from error


def named_folder(text: str | Path) -> Path | None:
    """Return the folder that a text names, `None` if it names none, however long or odd it is.

    Raises `BadInput` as `user_path` does, save for NUL.
    """
    if "\0" in str(text):
        return None
    path = user_path(text)
    return path if os.path.isdir(path) else None


def check_length(path: Path) -> None:
    """Raise `BadInput` for a path that is too long for common file systems, or has such a name."""
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    size = len(os.fsencode(path))
    if longest > LONGEST_NAME or size > LONGEST_PATH:
        told = f"a name of {longest:,} bytes" if longest > LONGEST_NAME else f"{size:,} bytes"
        raise BadInput(
            f"{str(path)[:60]}… cannot name a file: it has {told}",
            fix=f"A name may have {LONGEST_NAME} bytes, a path {LONGEST_PATH:,}.",
        )


def check_folder(path: Path) -> None:
    """Raise `BadInput` for a path to write a folder to that is a file, a pipe or a device."""
    if os.path.lexists(path) and not os.path.isdir(path):
        raise BadInput(f"{path} is not a folder", fix="Name a folder, or one that is not there.")


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse words of a command line that no command can use: those that are not UTF-8.

    A command line is kept with what it measured. Raises `BadInput` naming the word.
    """
    for word in arguments:
        if problem := _problem_of(word):
            raise BadInput(
                f"the argument {word!r} cannot be used: {problem}",
                fix="Rename the file or folder, or retype the word.",
            )
        for path in (word, word.partition("=")[2]):
            if path.startswith("~"):
                user_path(path)


def _problem_of(text: str) -> str:
    """Return what keeps a text from being a name; empty if nothing does."""
    if "\0" in text:
        return "it holds a NUL"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not UTF-8"
    return ""
