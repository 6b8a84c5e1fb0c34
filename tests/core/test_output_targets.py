"""Where output goes: through links, into pipes and devices, and past what dead writers left."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from harness.core.errors import BadInput, StoreError
from harness.core.files import LEFTOVER_SECONDS, read_text, write_text


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "real.md", tmp_path / "link.md"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["real.md"]


def test_a_link_to_nothing_makes_what_it_points_to(tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "later").read_text() == "new"


def test_a_link_in_a_circle_is_refused(tmp_path: Path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StoreError, match="cannot write"):
        write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "hello")
    reader.join(timeout=20)
    assert heard == ["hello"]
    assert pipe.is_fifo()


def test_a_device_takes_it(tmp_path: Path):
    write_text(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    write_text(link, "gone")
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "名" * 100])
def test_names_that_no_file_can_have(tmp_path: Path, name: str):
    with pytest.raises(StoreError, match="cannot write"):
        write_text(tmp_path / name, "x")
    with pytest.raises(BadInput):
        read_text(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_longest_possible_name_of_another_script(tmp_path: Path):
    write_text(tmp_path / ("名" * 85), "x")
    assert [path.name for path in tmp_path.iterdir()] == ["名" * 85]


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="it is a folder"):
        write_text(tmp_path, "x")


def test_what_dead_writers_left_is_removed_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    old, young = f".a.json.{'0' * 32}.part", f".b.json.{'1' * 32}.part"
    others = [young, ".part", "x.part", f"a.{'0' * 32}.part", ".a.json.0.part"]
    for name in (old, *others):
        (folder / name).write_text("half")
    before = time.time() - LEFTOVER_SECONDS - 60
    for name in (old, *others[1:]):
        os.utime(folder / name, (before, before))
    write_text(folder / "new", "whole")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, "new"])
