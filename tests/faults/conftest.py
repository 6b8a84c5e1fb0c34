"""Counts the faults of a run and prints them at its end (one process: without `-n`)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

_TALLY: Counter[str] = Counter()


@pytest.fixture
def tally() -> Counter[str]:
    """Return what counts: what was done or seen, in words -> how often."""
    return _TALLY


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the counts."""
    if _TALLY:
        terminalreporter.section("faults")
        for what, count in _TALLY.items():
            terminalreporter.write_line(f"{count:>7,}  {what}")
