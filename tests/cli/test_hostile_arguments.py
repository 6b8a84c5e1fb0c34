"""Names and numbers that nothing can work with are refused in words, before any work starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import BadInput
from harness.core.paths import named_folder, user_path
from tests.helpers.command_run import runner
from tests.helpers.measured_store import make_task

LONG = "n" * 300
LONG_ELSEWHERE = "名" * 300
NOBODY = "~nosuchuser/x"
NOT_UTF8 = "f\udcff"
TASK = ("--tasks", "stdlib-oblique")

REFUSED = {
    "a model of nobody's": (("eval", "-m", NOBODY, *TASK), "has no user 'nosuchuser'"),
    "a model of 300 letters": (("eval", "-m", LONG, *TASK), "unknown model"),
    "a model in another script": (("eval", "-m", LONG_ELSEWHERE, *TASK), "unknown model"),
    "a task of 300 letters": (("eval", "-m", "bm25", "-t", LONG), "unknown task"),
    "a task of nobody's": (("eval", "-m", "bm25", "-t", NOBODY), "has no user 'nosuchuser'"),
    "a folder in no encoding": (("leaderboard", "--results", NOT_UTF8), "it is not UTF-8"),
    "an output of nobody's": (("leaderboard", f"-o={NOBODY}"), "has no user 'nosuchuser'"),
    "a cache of nobody's": (("cache", "info", f"--cache={NOBODY}"), "has no user 'nosuchuser'"),
    "a recipe of 300 letters": (("train", LONG), "no recipe at"),
    "a cache that is a file": (("cache", "info", f"--cache={__file__}"), "is not a folder"),
    "a cache to verify, a file": (("cache", "verify", f"--cache={__file__}"), "is not a folder"),
    "an ablation into a file": (("ablate", "redapter", "--output", __file__), "is not a folder"),
    "an index of no links": (("eval", "-m", "wordllama", *TASK, "--index", "HNSW0"), "'HNSW0'"),
    "an index of no lists": (("eval", "-m", "wordllama", *TASK, "--index", "IVF0,Flat"), "IVF0"),
    "an index of one link": (("eval", "-m", "wordllama", *TASK, "--index", "HNSW1"), "'HNSW1'"),
    "too many permutations": (("compare", "a", "b", "--permutations", "1" + "0" * 9), "at most"),
    "a number of 21 digits": (("compare", "a", "b", "--permutations", "1" + "0" * 20), "is 1000"),
    "permutations as a power": (("compare", "a", "b", "--permutations", "1e20"), "integer"),
    "a batch below nothing": (("eval", "-m", "wordllama", *TASK, "--batch-tokens", "-5"), "is -5"),
    "a length below nothing": (("eval", "-m", "wordllama", *TASK, "--max-length", "-1"), "is -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_words_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str
):
    arguments, says = REFUSED[case]
    for variable in ("REBENCH_RESULTS", "REBENCH_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / "kept"))
    done = runner(capsys, monkeypatch, tmp_path)(*arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [LONG, LONG_ELSEWHERE], ids=["letters", "script"])
def test_a_name_that_no_folder_can_have_is_refused_before_the_run_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
):
    run = runner(capsys, monkeypatch, tmp_path)
    done = run("score", "absent.trec", "--task", "stdlib-oblique", "--name", name, "--record")
    assert done.code == 2
    assert "cannot name results" in done.err


def test_a_user_of_this_machine_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/x") == tmp_path / "x"
    assert named_folder("~") == tmp_path


@pytest.mark.parametrize("text", ["a\0b", NOT_UTF8, NOBODY], ids=ascii)
def test_a_path_that_can_name_nothing_is_bad_input(text: str):
    with pytest.raises(BadInput):
        user_path(text)


@pytest.mark.parametrize("text", ["a\0b", LONG, LONG_ELSEWHERE, "x/" * 5000], ids=len)
def test_no_text_breaks_the_look_for_a_folder(text: str):
    assert named_folder(text) is None


def test_a_name_of_a_task_is_checked_too(tmp_path: Path):
    from results.store import ResultStore

    with pytest.raises(BadInput, match="270 characters"):
        ResultStore(tmp_path).check_writable("m", make_task("名" * 30).name)
    ResultStore(tmp_path).check_writable("m", "名" * 28)
