"""Runs `rebench ARGS…` in this process and says what it did."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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


def runner(
    captured: Any, monkeypatch: pytest.MonkeyPatch, folder: Path, *command: str
) -> Callable[..., Done]:
    """Return a function that runs `rebench COMMAND ARGS…` in `folder`.

    `captured` is pytest's `capsys` or, where other processes write too, its `capfd`.
    """
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["rebench", *command, *map(str, arguments)])
        captured.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        found = captured.readouterr()
        return Done(int(stop.value.code or 0), found.out, found.err)

    return run
