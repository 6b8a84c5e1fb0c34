"""The version of a piece of code: what changes it, and what does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.core.code_hash import source_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a package of three modules, two of which the first one imports."""
    folder = tmp_path / "ownpkg"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Own."""\n')
    (folder / "first.py").write_text(
        '"""First."""\n\n\ndef work():\n    """Work."""\n    from ownpkg import second\n'
        "    return second.VALUE  # a comment\n"
    )
    (folder / "second.py").write_text("import ownpkg.third\n\nVALUE = 1\n")
    (folder / "third.py").write_text("WORDS = 'told'\n")
    (folder / "other.py").write_text("VALUE = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("ownpkg")]:
        del sys.modules[name]


def hashed(*without: str) -> str:
    return source_hash(("ownpkg.first",), ("ownpkg",), without)


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_code_that_is_imported_directly_or_not_counts(package: Path, name):
    before = hashed()
    with (package / f"{name}.py").open("a") as handle:
        handle.write("\nMORE = 2\n")
    assert hashed() != before


def test_comments_docstrings_and_layout_do_not_count(package: Path):
    before = hashed()
    text = (package / "first.py").read_text()
    text = text.replace("# a comment", "# another").replace('"""Work."""', '"""Labour."""')
    (package / "first.py").write_text(text.replace("\n\n\n", "\n\n"))
    assert hashed() == before


def test_other_modules_do_not_count(package: Path):
    before = hashed()
    (package / "other.py").write_text("VALUE = 6\n")
    assert hashed() == before


def test_modules_that_are_left_out_do_not_count(package: Path):
    whole, before = hashed(), hashed("ownpkg.third")
    assert whole != before
    (package / "third.py").write_text("WORDS = 'said'\n")
    assert hashed("ownpkg.third") == before


def test_a_module_that_is_not_there():
    with pytest.raises(ModuleNotFoundError):
        source_hash(("harness.core.nothing",), ("harness",), ())
