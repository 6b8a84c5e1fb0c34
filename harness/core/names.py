"""Lists of names as users type them."""

from __future__ import annotations


def split_names(spec: str) -> list[str]:
    """Return the names of a comma-separated list, without blanks and empty parts, in order."""
    return [name for part in spec.split(",") if (name := part.strip())]
