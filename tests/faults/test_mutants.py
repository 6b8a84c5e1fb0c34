"""The mutants that `make mutants` runs: one change each, in sound code, the same for a seed."""

from __future__ import annotations

import ast

import pytest

from tests.faults.mutants import COVERED, mutants
from tests.helpers.writing_calls import ROOT


@pytest.mark.parametrize("package", COVERED)
def test_each_mutant_is_one_change_that_can_be_run(package: str) -> None:
    made = list(mutants(package, 30, seed=1))
    assert made == list(mutants(package, 30, seed=1))
    assert len(made) == 30
    for mutant in made:
        sound = ast.unparse(ast.parse((ROOT / mutant.file).read_text()))
        changed = ast.unparse(ast.parse(mutant.source))
        assert changed != sound, mutant


def test_every_file_has_tests_that_exist() -> None:
    for files in COVERED.values():
        for file, tests in files.items():
            assert (ROOT / file).is_file()
            assert all((ROOT / test).exists() for test in tests), file
