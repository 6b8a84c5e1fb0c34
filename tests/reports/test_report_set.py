"""A report's files are of one writing: a kill midway is seen, and nothing of others is removed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.ablation.records import known_detectable
from harness.core.checksums import DamagedFile
from harness.core.errors import StoreError
from harness.core.file_sets import file_set_problems, write_file_set
from tests.helpers.command_run import runner
from tests.helpers.measured_store import make_task, measure, some_ranks, store_at
from tests.helpers.sample_entries import kill_at

OLD = {"report.md": b"# Old\n", "report.json": b'{"old": 1}', "figures/old.png": b"\x89PNG old"}
NEW = {"report.md": b"# New\n", "report.json": b'{"new": 1}', "figures/new.png": b"\x89PNG new"}
MANIFEST = "report.manifest.json"


def contents(folder: Path) -> dict[str, bytes]:
    """Return the finished files of a folder, the manifest left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST and path.suffix != ".part"
    }


def killed_writings(root: Path) -> Iterator[Path]:
    """Yield folders in which a second writing died at its first file operation, its second, …"""
    for die_at in range(1, 200):
        folder = root / str(die_at)
        write_file_set(folder / MANIFEST, OLD)
        child = os.fork()
        if child == 0:
            kill_at(folder, die_at)
            write_file_set(folder / MANIFEST, NEW)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        yield folder
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_writing_killed_at_any_step_is_whole_or_named_and_written_again(tmp_path: Path) -> None:
    mixes = 0
    for folder in killed_writings(tmp_path):
        problems = file_set_problems(folder / MANIFEST, fix="Write it again.")
        found = contents(folder)
        if problems:
            mixes += 1
            named = " ".join(each.message for each in problems)
            assert any(name in named for name in {**OLD, **NEW})
        else:
            assert found in (OLD, NEW), folder
        write_file_set(folder / MANIFEST, NEW)
        assert file_set_problems(folder / MANIFEST, fix="") == ()
        left = contents(folder)
        left.pop("figures/old.png", None)  # if the kill came after the last mention of it
        assert left == NEW
    assert mixes >= 4


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    write_file_set(tmp_path / MANIFEST, OLD)
    with pytest.raises(StoreError, match="cannot write"):
        write_file_set(tmp_path / MANIFEST, {**NEW, "n" * 300: b"x"})
    assert contents(tmp_path) == OLD
    assert file_set_problems(tmp_path / MANIFEST, fix="") == ()
    assert not list(tmp_path.rglob("*.part"))


def test_only_what_the_former_manifest_lists_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_file_set(folder / MANIFEST, OLD)
    (folder / "figures" / "mine.png").write_bytes(b"mine")
    (folder / "notes.txt").write_bytes(b"mine")
    write_file_set(folder / MANIFEST, NEW)
    assert contents(folder) == {**NEW, "figures/mine.png": b"mine", "notes.txt": b"mine"}


@pytest.mark.parametrize("name", ["../outside", "{folder}/../outside", "link/outside", ".."])
def test_a_manifest_cannot_have_files_elsewhere_removed(tmp_path: Path, name: str) -> None:
    from harness.core.checksums import with_checksum

    folder = tmp_path / "report"
    write_file_set(folder / MANIFEST, OLD)
    (tmp_path / "outside").write_text("kept")
    (folder / "link").symlink_to(tmp_path)
    listed = {name.format(folder=folder): "0" * 64}
    (folder / MANIFEST).write_text(json.dumps(with_checksum({"files": listed})))
    write_file_set(folder / MANIFEST, NEW)
    assert (tmp_path / "outside").read_text() == "kept"


def test_a_pipe_takes_its_file_and_is_not_listed(tmp_path: Path) -> None:
    import threading

    pipe = tmp_path / "report.md"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write_file_set(tmp_path / MANIFEST, NEW)
    reader.join(timeout=20)
    assert heard == [NEW["report.md"]]
    assert pipe.is_fifo()
    assert file_set_problems(tmp_path / MANIFEST, fix="") == ()


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., object]:
    store = store_at(tmp_path)
    for at, name in enumerate(("a", "b")):
        measure(store, name, make_task("biology", 12), some_ranks(12, seed=at))
    return runner(capsys, monkeypatch, tmp_path)


def test_the_commands_name_a_mix_and_writing_again_repairs_it(run, tmp_path: Path) -> None:
    assert run("report", "a", "b", "-o", "out").code == 0
    assert run("verify", "out").code == 0
    names = set(json.loads((tmp_path / "out" / MANIFEST).read_text())["files"])
    assert {"report.md", "report.json"} <= names
    assert any(name.startswith("figures/") for name in names)
    data = tmp_path / "out" / "report.json"
    data.write_text(data.read_text().replace("biology", "biologx", 1))
    seen = run("verify", "out", "--json")
    assert seen.code == 2
    (problem,) = seen.json
    assert "report.json is not what report.manifest.json says" in problem["problem"]
    again = run("report", "a", "-o", "out")
    assert "report.json is not what report.manifest.json says" in again.err
    assert run("verify", "out").code == 0
    differences = tmp_path / "out" / "figures" / "differences.png"
    assert "figures/differences.png" in names
    assert not differences.exists()
    assert "no report at" in run("verify", "elsewhere").err


def test_a_plan_does_not_believe_a_changed_report_of_an_ablation(tmp_path: Path) -> None:
    data = {"differences": [{"detectable_corrected": 0.031}]}
    files = {"report.md": b"# A\n", "report.json": json.dumps(data).encode()}
    write_file_set(tmp_path / MANIFEST, files)
    assert known_detectable(tmp_path) == 0.031
    path = tmp_path / "report.json"
    path.write_text(path.read_text().replace("0.031", "0.013"))
    with pytest.raises(DamagedFile, match=r"(?s)report.json.*Remove .*report.json"):
        known_detectable(tmp_path)
    path.unlink()
    assert known_detectable(tmp_path) is None
