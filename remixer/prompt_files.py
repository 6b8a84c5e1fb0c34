"""Prompts as text files: `{{name}}` is filled in, and a hash tells one wording from another."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib.resources import files

from harness.core.errors import BadInput
from harness.core.hashing import sha256_parts

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@functools.cache
def prompt_text(name: str) -> str:
    """Return the text of `prompts/<name>.txt`; raises `BadInput` when there is none."""
    path = files("remixer").joinpath("prompts", f"{name}.txt")
    if not path.is_file():
        raise BadInput(f"there is no prompt {name!r}", fix="Install rebench again.")
    return path.read_text(encoding="utf-8")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its placeholders replaced, outer white space stripped.

    Values are put in as they are: one that holds `{{…}}` itself is left alone. Raises `BadInput`
    when a placeholder has no value or a value no placeholder, so that a prompt never goes out
    with a hole in it, nor without the document it is about.
    """
    named = set(_PLACEHOLDER.findall(template))
    if named != set(values):
        raise BadInput(
            f"a prompt with the placeholders {sorted(named)} is given {sorted(values)}",
            fix="Make the names in the prompt's text and in the code agree.",
        )
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], template).strip()


def version(*texts: str) -> str:
    """Return the hash of the texts that a prompt is made of: 12 hex digits."""
    return sha256_parts(texts)[:12]
