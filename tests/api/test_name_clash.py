"""A folder with modules of the user's that are called like ours: one sentence, and nothing run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.name_clash import ROOT, name_clash
from tests.helpers.small_task import write_beir

TRY = """
import sys
sys.path.insert(0, {root!r})
sys.path.insert(0, "")
import rebench
try:
    print(sorted(rebench.evaluate("bm25", "tides", record=False).metrics)[0])
except rebench.RebenchError as error:
    print(type(error).__name__, error.message)
"""


def run_in(folder: Path, code: str = TRY) -> str:
    done = subprocess.run(
        [sys.executable, "-S", "-c", code.format(root=str(ROOT))],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ran" not in done.stdout, done.stdout
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["models", "harness", "results", "redapter"])
@pytest.mark.parametrize("kind", ["module", "package"])
def test_the_clash_is_named_and_the_users_module_is_not_run(
    tmp_path: Path, name: str, kind: str
) -> None:
    theirs = tmp_path / f"{name}.py" if kind == "module" else tmp_path / name / "__init__.py"
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("print('ran')\n", encoding="utf-8")
    told = run_in(tmp_path)
    place = theirs if kind == "module" else theirs.parent
    assert f"BadInput {place.resolve()} hides the package '{name}' of rebench" in told


def test_a_folder_of_results_without_code_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    code = "import sys; sys.path.insert(0, {root!r}); sys.path.insert(0, '')\n" + (
        "from harness.core.name_clash import name_clash; print(name_clash())"
    )
    assert run_in(tmp_path, code) == "None\n"


def test_our_own_results_folder_and_a_folder_of_weights_hide_nothing(tmp_path: Path) -> None:
    write_beir(tmp_path / "tides")
    (tmp_path / "models").mkdir()
    code = (
        "import os, rebench\nos.environ.pop('REBENCH_RESULTS', None)\n"
        "print(rebench.evaluate('bm25', 'tides').entries[0].model)\n"
    )
    for _ in range(2):  # the first makes the folder results
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == "bm25\n", done.stderr
    assert (tmp_path / "results" / "measured").is_dir()


def test_a_module_that_was_imported_under_our_name_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name_clash() is None
    (tmp_path / "models.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    clash = name_clash()
    assert clash is not None
    assert (clash.package, clash.path) == ("models", str((tmp_path / "models.py").resolve()))
