"""Run the command line in this process, on a small task folder with every trap in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.command_run import Done, runner
from tests.helpers.small_task import write_beir


@pytest.fixture
def rebench(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs `rebench ARGS…` here and returns what it did."""
    return runner(capsys, monkeypatch, tmp_path)


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Return a folder in BEIR layout: duplicates, an empty document, exclusions, odd ids."""
    return write_beir(tmp_path / "tides")
