"""Which numbers a report's text may hold: those of its JSON, as they may be printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

NUMBER = re.compile(r"(?<![\w.#])[+−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


def leaves(value: Any) -> Iterator[Any]:
    """Yield every value in a JSON document that is no container; keys too."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def spellings(value: float) -> set[str]:
    """Return the ways in which a report may print a number."""
    forms = {f"{value}", f"{value:,}", f"{value:g}", f"{value:.2f}", f"{value:.4f}",
             f"{value:,.1f}", f"{100 * value:.2f}", f"{100 * value:g}", f"{value:.1e}"}  # fmt: skip
    plain = {form.replace("-", "−") for form in forms}
    return plain | {f"+{form}" for form in plain}


def allowed(data: Any) -> set[str]:
    """Return all numbers that the text may hold: those of the JSON, and those in its strings."""
    found = _counted(data)
    for leaf in leaves(data):
        if isinstance(leaf, str):
            found.update(NUMBER.findall(leaf))
        elif isinstance(leaf, int | float) and not isinstance(leaf, bool):
            found |= spellings(leaf)
    return found


def _counted(data: Any) -> set[str]:
    """Return counts that the text may give of lists in the data, and of what is inside."""
    found = {len(c["gold"]) - 3 for c in data["comparison"]["changes"]}
    for each in data["reproductions"]:
        for source in each["sources"]:
            told = [line["inside"] for line in source["lines"]]
            found |= {sum(map(bool, told)), len(told)}
    return {str(n) for n in found}


def strange_numbers(text: str, data: Any) -> list[str]:
    """Return the numbers of a text that its data do not hold."""
    known = allowed(data)
    return [number for number in NUMBER.findall(text) if number.strip(",") not in known]
