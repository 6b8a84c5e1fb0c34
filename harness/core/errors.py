"""Errors that a user can act on: what happened, with the value, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RebenchError(Exception):
    """A condition the user can mend; `harness.cli.errors` alone prints it (exit code 2).

    `message` says what happened with the value, `fix` what to do next.
    """

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(f"{message}\n{fix}")
        self.message = message
        self.fix = fix


class UnknownName(RebenchError):
    """A model, task, metric or other registered name that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listing: str) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(close)}? " if close else ""
        super().__init__(f"unknown {kind} {name!r}", fix=f"{hint}{listing}")
        self.name = name
        self.close = close


class BadInput(RebenchError):
    """A file or value that cannot be used as it is."""


class DataUnavailable(RebenchError):
    """A data set or weights that could not be reached."""


class MissingExtra(RebenchError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package!r}, which is not installed",
            fix=f"Run: pip install 'rebench-retrieval[{extra}]'",
        )
        self.extra = extra


class NotComparable(RebenchError):
    """Entries measured on different ground."""


class StoreError(RebenchError):
    """A results or cache folder that cannot be read or written."""


class ModelError(RebenchError):
    """A model or server that failed or returned something unusable."""


class BudgetReached(RebenchError):
    """A limit on tokens or money was met; what is finished is kept."""


class OutOfMemory(RuntimeError):
    """A batch did not fit; the caller halves it and goes on. Not for users."""
