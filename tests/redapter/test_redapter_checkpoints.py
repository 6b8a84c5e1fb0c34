"""The run folder: starting, resuming with a difference, half-written and damaged checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.core.errors import BadInput, StoreError
from redapter.checkpoints import MARKER, TrainingFolder
from redapter.config_file import config_from_table, config_json

RECORD = {
    "config": {"batch": {"size": 4}, "data": {"path": "a.jsonl"}, "model": {"base": "here"}},
    "data": "d1",
    "parent": "sha256:p1",
}


def whole_checkpoint(folder: TrainingFolder, step: int) -> Path:
    path = folder.path / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_bytes(b"w" * step)
    folder.mark_complete(step)
    return path


def test_a_new_folder_gets_its_record_and_a_used_one_is_refused(tmp_path):
    folder = TrainingFolder(tmp_path / "run")
    folder.open(RECORD, resume=False)
    assert folder.record() == RECORD
    with pytest.raises(BadInput, match=r"holds a run already\n.*--resume"):
        folder.open(RECORD, resume=False)
    folder.open(RECORD, resume=True)


def test_resuming_a_run_that_was_never_started_starts_it(tmp_path):
    folder = TrainingFolder(tmp_path / "run")
    folder.open(RECORD, resume=True)
    assert folder.last_checkpoint() is None


def test_each_difference_is_named(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.open(RECORD, resume=False)
    changed = {**RECORD, "config": {**RECORD["config"], "batch": {"size": 8}}, "data": "d2"}
    with pytest.raises(BadInput, match=r"config.batch.size: 4 -> 8; data: 'd1' -> 'd2'"):
        folder.open(changed, resume=True)


def test_data_and_base_may_move(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.open(RECORD, resume=False)
    moved = {"batch": {"size": 4}, "data": {"path": "b.jsonl"}, "model": {"base": "there"}}
    folder.open({**RECORD, "config": moved}, resume=True)


def test_a_run_started_before_a_key_existed_resumes_with_its_default(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.open(RECORD, resume=False)
    full = config_json(
        config_from_table({"name": "x", **RECORD["config"], "model": {"base": "there"}}, "here")
    )
    full["name"] = ""
    folder.open({**RECORD, "config": full}, resume=True)
    full["data"]["reasoning_format"] = "{query} {reasoning}"
    with pytest.raises(BadInput, match=r"config\.data\.reasoning_format"):
        folder.open({**RECORD, "config": full}, resume=True)


def test_half_written_checkpoints_are_passed_over_and_removed(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.open(RECORD, resume=False)
    good = whole_checkpoint(folder, 10)
    whole_checkpoint(folder, 9)
    half = tmp_path / "checkpoint-12"
    half.mkdir()
    (half / "weights").write_bytes(b"half")
    assert folder.last_checkpoint() == good
    folder.open(RECORD, resume=True)
    assert not half.exists()
    assert folder.last_checkpoint() == good


def test_a_damaged_checkpoint_is_not_used(tmp_path):
    folder = TrainingFolder(tmp_path)
    good = whole_checkpoint(folder, 9)
    (good / "weights").write_bytes(b"short")
    with pytest.raises(StoreError, match=r"should hold 9 bytes and holds 5\nRemove"):
        folder.last_checkpoint()
    (good / "weights").unlink()
    with pytest.raises(StoreError, match="holds None"):
        folder.last_checkpoint()


def test_the_marker_is_no_part_of_what_it_counts(tmp_path):
    folder = TrainingFolder(tmp_path)
    sizes = json.loads((whole_checkpoint(folder, 2) / MARKER).read_text())["sizes"]
    assert sizes == {"weights": 2}


def test_foreign_checkpoints_are_left_alone(tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(BadInput, match="holds checkpoints but no"):
        TrainingFolder(tmp_path).open(RECORD, resume=True)
    assert (tmp_path / "checkpoint-5").exists()


def test_the_log_is_cut_to_the_step_and_at_a_torn_line(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.cut_log(3)
    folder.log.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 4}\n{"ste')
    folder.cut_log(3)
    assert folder.log.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'
    folder.cut_log(0)
    assert folder.log.read_text() == ""


def test_a_flipped_bit_is_named_and_the_advice_repairs_it(tmp_path):
    folder = TrainingFolder(tmp_path)
    before, newest = whole_checkpoint(folder, 2), whole_checkpoint(folder, 4)
    weights = newest / "weights"
    weights.write_bytes(b"wxww")
    with pytest.raises(StoreError, match=rf"weights is not what {MARKER} says") as caught:
        folder.last_checkpoint()
    assert f"Remove {newest}" in caught.value.fix
    shutil.rmtree(newest)
    assert folder.last_checkpoint() == before
    marker = before / MARKER
    marker.write_text(marker.read_text().replace('"step": 2', '"step": 3'))
    with pytest.raises(StoreError, match="do not have its checksum"):
        folder.last_checkpoint()


def test_a_checkpoint_of_an_earlier_release_is_held_to_its_sizes(tmp_path):
    folder = TrainingFolder(tmp_path)
    path = whole_checkpoint(folder, 2)
    (path / MARKER).write_text(json.dumps({"step": 2, "sizes": {"weights": 2}}))
    assert folder.last_checkpoint() == path


def test_a_changed_record_is_named(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.open(RECORD, resume=False)
    record = tmp_path / "run.json"
    record.write_text(record.read_text().replace("d1", "d2"))
    with pytest.raises(StoreError, match="do not have its checksum"):
        folder.open({**RECORD, "data": "d2"}, resume=True)
