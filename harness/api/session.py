"""Where one call reads and writes, and how it reports: the arguments that all functions share."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.paths import user_path
from harness.core.progress import SilentReporter
from harness.core.protocols import Reporter
from harness.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from results.schema import Entry
    from results.store import ResultStore


class RebenchWarning(UserWarning):
    """Something that the user should look at, such as queries that a run lacks."""


class WarningReporter(SilentReporter):
    """The reporter of library calls: no bars, no notes, and warnings through `warnings`."""

    def warn(self, message: str) -> None:
        """Give the message as a `RebenchWarning`."""
        warnings.warn(message, RebenchWarning, stacklevel=2)


@dataclass(frozen=True, slots=True)
class Session:
    """The folders and the reporter of one call."""

    settings: Settings
    reporter: Reporter

    @property
    def store(self) -> ResultStore:
        """The store of measured entries."""
        from results.store import ResultStore

        return ResultStore(self.settings.results_dir)

    def entries(self) -> tuple[Entry, ...]:
        """Return the sound entries of the store; each damaged one is a warning."""
        loaded = self.store.entries()
        for problem in loaded.problems:
            self.reporter.warn(f"{problem.message} ({problem.fix})")
        return loaded.entries


def open_session(
    *,
    results: str | Path | None = None,
    cache: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> Session:
    """Return a session: arguments over environment over `rebench.toml` over defaults.

    `progress` shows bars, notes and warnings; without one, warnings are Python warnings and the
    rest is silent. Raises `BadInput` for a `rebench.toml` that cannot be read.
    """
    settings = load_settings(
        Path.cwd(), os.environ, results=_path(results), cache=_path(cache), data=_path(data)
    )
    return Session(settings, progress or WarningReporter())


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else user_path(value)
