"""Fixtures shared by all tests: the folder of real data, and a home of its own for each run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is slow, not wrong: no test here is about time.
settings.register_profile("rebench", deadline=None)
settings.load_profile("rebench")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout, or skip with the reason."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data beside the checkout is absent")
    return folder


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep results, cache and settings of a test away from the user's."""
    monkeypatch.setenv("REBENCH_CACHE", str(tmp_path / "rebench-cache"))
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "rebench-results"))
    monkeypatch.delenv("REBENCH_DATA", raising=False)
