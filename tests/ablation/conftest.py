"""One finished ablation of two variants and two seeds, and a way to run `rebench ablate` here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.ablation_cases import write_ablation
from tests.helpers.command_run import Done, runner


@pytest.fixture
def ablate(capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs `rebench ablate ARGS…` in this process and says what it did."""
    return runner(capfd, monkeypatch, tmp_path, "ablate")


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """Return the TOML file of a small ablation, with all that it names beside it."""
    return write_ablation(tmp_path_factory.mktemp("ablation"))


@dataclass(frozen=True, slots=True)
class Finished:
    """An ablation that was run to its end: its file, its folder, its store, its JSON."""

    file: Path
    root: Path
    store: Path
    values: Any


@pytest.fixture(scope="session")
def finished(small: Path, tmp_path_factory) -> Finished:
    """Run the small ablation once, as `rebench ablate` does; tests copy what they change."""
    import rebench

    folder = tmp_path_factory.mktemp("finished")
    root, store = folder / "out", folder / "results"
    rebench.ablate(small, output=root, cache=folder / "cache", results=store)
    return Finished(small, root, store, json.loads((root / "report.json").read_text()))


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Finished:
    """Return the finished ablation in a place of its own."""
    root, store = tmp_path / "out", tmp_path / "results"
    shutil.copytree(finished.root, root)
    shutil.copytree(finished.store, store)
    return Finished(finished.file, root, store, finished.values)
