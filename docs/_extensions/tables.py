"""Tables that stand in the code, as Markdown."""

from __future__ import annotations


def flags() -> str:
    """Return which backend follows which option of a run."""
    from models.flags import HONOURED, KINDS, flag_of

    lines = [_row("option", *KINDS), _row(*["---"] * (len(KINDS) + 1))]
    for field, kinds in HONOURED.items():
        marks = ("yes" if kind in kinds else "–" for kind in KINDS)
        lines.append(_row(f"`{flag_of(field)}`", *marks))
    return "\n".join(lines)


def file_kinds() -> str:
    """Return every kind of file that is believed, and what to do about a damaged one."""
    from harness.core.file_kinds import FILE_KINDS

    lines = [_row("kind", "its checksum", "if it is damaged"), _row("---", "---", "---")]
    for kind in FILE_KINDS:
        advice = f"the message says: {kind.advice}" if kind.advice else "it is made again by itself"
        lines.append(_row(kind.name, _PLACES[kind.carrier], advice))
    return "\n".join(lines)


_PLACES = {
    "document": "a key of the file",
    "line": "a key of each line",
    "manifest": "in the file beside it that lists it",
    "name": "in its name or its folder's",
    "header": "in the file's head",
    "gzip": "that of gzip",
}
"""Where a checksum lies, in words."""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
