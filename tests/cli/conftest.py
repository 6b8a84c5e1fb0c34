"""Run the command line in this process, on a small task folder with every trap in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_task import write_beir

from harness.cli.main import main


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished command left: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return stdout as JSON; nothing else may be there."""
        return json.loads(self.out)


@pytest.fixture
def rebench(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs `rebench ARGS…` here and returns what it did."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["rebench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return Done(int(stop.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Return a folder in BEIR layout: duplicates, an empty document, exclusions, odd ids."""
    return write_beir(tmp_path / "tides")
