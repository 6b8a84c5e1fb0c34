"""Weights that are not all there, and pickles that hold more than weights, are named."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from harness.core.errors import DataUnavailable, ModelError
from harness.core.weight_files import check_weight_file, check_weight_files, weight_errors

WHOLE = save({"a": np.arange(64, dtype=np.float32), "b": np.ones((3, 5), dtype=np.float16)})
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db\n"
    b"size 90868376\n"
)


def written(folder: Path, data: bytes, name: str = "model.safetensors") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (POINTER, r"pointer of Git LFS.*90,868,376 bytes"),
        (WHOLE[:-1], "cut short"),
        (WHOLE[:40], "cut short in its header"),
        (WHOLE[:7], "cut short in its header"),
        (WHOLE + b"x", "holds"),
        (b"not weights at all", "does not begin as a safetensors file"),
        (len(b"[]").to_bytes(8, "little") + b"[]", "damaged header"),
    ],
    ids=["empty", "pointer", "cut", "cut header", "cut start", "longer", "text", "list"],
)
def test_a_file_that_is_not_all_there_is_named_with_what_to_fetch(tmp_path, data, says):
    path = written(tmp_path, data)
    with pytest.raises(DataUnavailable, match=says) as caught:
        check_weight_files(tmp_path)
    assert str(path) in caught.value.message
    assert "etch" in caught.value.fix or "git lfs pull" in caught.value.fix


def test_whole_files_pass(tmp_path: Path):
    check_weight_file(written(tmp_path, WHOLE))
    check_weight_file(written(tmp_path, save({}), "empty.safetensors"))
    check_weight_file(written(tmp_path, pickle.dumps({"old": 1}), "old.bin"))


@given(st.integers(0, len(WHOLE) - 1))
def test_no_cut_passes_for_a_whole_file(tmp_path_factory: pytest.TempPathFactory, size: int):
    path = written(tmp_path_factory.mktemp("cut"), WHOLE[:size])
    with pytest.raises(DataUnavailable):
        check_weight_file(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_whole_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
):
    path = written(tmp_path_factory.mktemp("any"), data)
    with contextlib.suppress(DataUnavailable):
        check_weight_file(path)


torch = pytest.importorskip("torch")


def test_a_cut_zip_of_torch_is_named(tmp_path: Path):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(100)}, path)
    check_weight_file(path)
    data = path.read_bytes()
    for size in (len(data) - 1, len(data) // 2, 30):
        with pytest.raises(DataUnavailable, match="cut short"):
            check_weight_file(written(tmp_path, data[:size], path.name))


class _Code:
    def __reduce__(self):
        return os.mkdir, ("was-run",)


@pytest.mark.parametrize("form", ["zip", "old"])
def test_a_pickle_with_code_is_refused_in_one_sentence_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": _Code()}, path, _use_new_zipfile_serialization=form == "zip")
    refused = pytest.raises(ModelError, match="holds code or objects besides weights")
    with refused as caught, weight_errors("tiny", tmp_path):
        torch.load(path, weights_only=True)
    assert "\n" not in caught.value.message
    assert not Path("was-run").exists()


def _as_bin(folder: Path, state: dict) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")


def test_a_model_folder_is_refused_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from models.backends.st import SentenceTransformerEmbedder
    from models.registry import resolve_model
    from models.weights import check_files
    from tests.helpers import tiny

    monkeypatch.chdir(tmp_path)
    folder = tiny.bert(tmp_path / "bert")
    check_files(folder)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.x"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataUnavailable, match=r"model-00002-of-00002\.x, which is not there"):
        check_files(folder)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model-00001-of-00002.safetensors").rename(folder / "model.safetensors")
    (folder / "tokenizer.json").rename(tmp_path / "kept.json")
    written(folder, POINTER, "tokenizer.json")
    with pytest.raises(DataUnavailable, match=r"tokenizer\.json is a pointer"):
        check_files(folder)
    (tmp_path / "kept.json").rename(folder / "tokenizer.json")
    _as_bin(folder, {"a": _Code()})
    embedder = SentenceTransformerEmbedder(resolve_model(str(folder), None, {}))
    with pytest.raises(ModelError, match="holds code or objects besides weights"):
        embedder.encode(["moss"], role="query", instruction="")
    assert not Path("was-run").exists()
