"""The benchmark of known values does not pass without having measured anything."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def known_values(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return `benchmarks/known_values.py` as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import known_values

    return known_values


@pytest.mark.parametrize("only", ["minlm", "bm25,", "runs,all"])
def test_an_unknown_part_is_refused(
    known_values: ModuleType,
    only: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page.md"
    argv = ["known_values.py", str(tmp_path), "--only", only, "-o", str(page)]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as stop:
        known_values.main()
    assert stop.value.code == 2
    assert "some of bm25,minilm,runs" in capsys.readouterr().err
    assert not page.exists()
