"""The reporter that says nothing, for library use and tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.protocols import Advance


def _ignore(done: int = 1, /, *, tokens: int = 0) -> None:
    """Take a step and show nothing."""


class SilentReporter:
    """A `Reporter` that drops everything it is told."""

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        """Open a bar that shows nothing."""
        yield _ignore

    def note(self, message: str) -> None:
        """Drop the message."""

    def warn(self, message: str) -> None:
        """Drop the message."""
