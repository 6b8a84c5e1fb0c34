"""API keys: read from the environment in one place, checked, and kept out of every message."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, final
from urllib.parse import quote

from harness.core.errors import BadInput

HIDDEN = "[key]"
"""What is shown in the place of a key."""
SHORTEST = 8
"""Characters from which on a key is taken for a real one, and struck from replies too."""

_USER_IN_URL = re.compile(r"(?<=//)[^/@\s]+@")


@final
class Secret:
    """A key that a request can carry and that no text shows.

    An empty one stands for no key. `variable` is the environment variable it came from. The value
    never appears in `repr`, `str` or a comparison's message.
    """

    __slots__ = ("_spellings", "_value", "variable")

    def __init__(self, value: str = "", variable: str = "") -> None:
        self._value = value
        self.variable = variable
        self._spellings = _spellings(value) if value else ()

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return HIDDEN if self._value else "[no key]"

    def reveal(self) -> str:
        """Return the key itself, for the header of a request and nothing else."""
        return self._value

    def redact(self, text: str) -> str:
        """Return a message without the key, however it is spelled, and without users in URLs.

        Call this before a text is shortened: the start of a key is a leak too.
        """
        return _USER_IN_URL.sub("", self._struck(text))

    def redact_json(self, value: Any) -> Any:
        """Return decoded JSON without the key in any text or name.

        Lists of numbers are not walked. A key shorter than `SHORTEST` is a stand-in ("EMPTY",
        "none") that may well be a word of a reply: then the value is returned as it is.
        """
        if len(self._value) < SHORTEST:
            return value
        if isinstance(value, str):
            return self._struck(value)
        if isinstance(value, dict):
            return {self._struck(name): self.redact_json(inner) for name, inner in value.items()}
        if isinstance(value, list) and not (value and isinstance(value[0], (int, float))):
            return [self.redact_json(inner) for inner in value]
        return value

    def _struck(self, text: str) -> str:
        for spelling in self._spellings:
            text = text.replace(spelling, HIDDEN)
        return text


NO_KEY = Secret()


def key_from(environment: Mapping[str, str], variables: Sequence[str]) -> Secret:
    """Return the key in the first of the variables that holds one, without blanks around it.

    Raises `BadInput` naming the variable, and never the key, if a character in it cannot stand
    in an HTTP header: a control character, a line break, a blank, or anything beyond ASCII.
    """
    for variable in variables:
        value = environment.get(variable, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise BadInput(
                f"the API key in {variable} contains a blank, a line break or a character that "
                "an HTTP header cannot carry",
                fix=f"Set {variable} again to the key alone: no quotes, no 'Bearer', one line.",
            )
        return Secret(value, variable)
    return NO_KEY


def _spellings(value: str) -> tuple[str, ...]:
    """Return the ways in which a message or URL may write a key, longest first."""
    escaped = json.dumps(value)[1:-1]
    forms = {value, escaped, escaped.replace("/", "\\/"), repr(value)[1:-1], html.escape(value),
             quote(value), quote(value, safe="")}  # fmt: skip
    return tuple(sorted(forms, key=len, reverse=True))
