"""Every reader, on files that were changed at random: no error but the project's own comes out.

`make test-fuzz` tries 20,000 files a reader; here it is as many as fit into a few seconds.
"""

from __future__ import annotations

import ast
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from models.chat.journal import parse_line
from tests.faults import fuzz_mutations as forms
from tests.faults.fuzz import findings, kept, slug
from tests.faults.fuzz_reader import one_of
from tests.faults.fuzz_readers import NOT_FUZZED, READERS
from tests.helpers.writing_calls import PACKAGES, ROOT

SECONDS = 4.0
"""Shared by all readers."""
INPUTS = 40
READING_NAMES = frozenset({
    "read_json", "read_text", "read_lines", "read_jsonl", "read_toml", "parse_json", "parse_toml",
    "open_text", "read_document", "read_manifest", "read_checked_lines", "read_bytes",
    "ParquetFile", "metadata_load", "loads", "load_file", "safe_load",
})  # fmt: skip
"""Called by these names, a function reads a file or a server's reply."""


def test_no_reader_lets_an_error_of_others_out() -> None:
    share = SECONDS / len(READERS)
    for name in READERS:
        found = list(findings(name, INPUTS, seed=0, until=time.monotonic() + share))
        assert not found, [(name, each.error, each.place, each.data[:300]) for each in found]


def test_what_was_found_before_stays_repaired() -> None:
    assert [(each.reader, each.error, each.place) for each in kept()] == []


def test_a_reader_that_lets_an_error_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(root: Path) -> object:
        return parse_line((root / "a.txt").read_bytes())

    monkeypatch.setitem(READERS, "new", one_of(read, {"a.txt": "no record\n"}))
    (finding, *_) = findings("new", 200, seed=1)
    assert finding.error == "ValueError"
    assert finding.file == "a.txt"


def test_changes_are_the_same_for_the_same_seed_and_seldom_none() -> None:
    data = b'{"a": [1, 2, {"b": "text"}], "c": null}\n'
    made = [forms.mutated(data, forms.PLAIN, random.Random(seed)) for seed in range(300)]
    assert made == [forms.mutated(data, forms.PLAIN, random.Random(seed)) for seed in range(300)]
    assert sum(each == data for each in made) < 30
    assert len(set(made)) > 200


def _functions(node: ast.AST, place: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield each function of a module under its qualified name."""
    for child in ast.iter_child_nodes(node):
        inner = place
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{place}.{child.name}" if place else child.name
            if isinstance(child, ast.FunctionDef):
                yield inner, child
        yield from _functions(child, inner)


def _reads(function: ast.AST) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in READING_NAMES:
                return True
    return False


def reading_functions() -> set[str]:
    """Return `package.module:function` of every function that reads by one of the names."""
    return {
        f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}:{name}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name, function in _functions(ast.parse(path.read_text("utf-8")), "")
        if _reads(function)
    }


def _entered() -> set[str]:
    """Return the functions of the packages that all readers enter on sound files."""
    codes = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    for reader in READERS.values():
        with tempfile.TemporaryDirectory() as name:
            root = Path(name, "sound")
            root.mkdir()
            reader.write(root)
            sys.setprofile(note)
            try:
                reader.read(root)  # a sound file: nothing may be raised at all
            finally:
                sys.setprofile(None)
    return {
        f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}:{code.co_qualname}"
        for code in codes
        if (path := Path(code.co_filename)).is_relative_to(ROOT) and ".venv" not in path.parts
    }


def test_every_function_that_reads_a_file_is_fuzzed_or_says_why_not() -> None:
    reading, entered = reading_functions(), _entered()
    missing = reading - entered - NOT_FUZZED.keys()
    assert not missing, "add a reader of it to tests/faults/fuzz_readers.py"
    assert reading >= NOT_FUZZED.keys(), "these read nothing any more"


def test_readers_have_folders_of_their_own() -> None:
    assert len({slug(name) for name in READERS}) == len(READERS)
