"""What the vLLM backend does before vLLM is needed; `tests/vllm` runs the engine itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.core.errors import BadInput, MissingExtra
from harness.core.hashing import space_fingerprint
from harness.core.types import VectorSpace
from models.backends.st import SentenceTransformerEmbedder
from models.backends.vllm import VllmEmbedder
from models.backends.vllm_engine import (
    ENVIRONMENT,
    EngineRecipe,
    PoolingEngine,
    prepare_environment,
)
from models.card import ModelCard
from models.registry import EMBEDDERS
from models.spec import LoadOptions, make_spec

SPEC = find_spec("vllm")
HAS_VLLM = SPEC is not None and SPEC.origin is not None  # tests/vllm alone is no package
ON_CPU = LoadOptions(device="cpu", dtype="float32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings and something in the place of weights."""
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"})
    )
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def embedder(folder: Path, options: LoadOptions = ON_CPU, **more: object) -> VllmEmbedder:
    return VllmEmbedder(make_spec(card(folder, **more), options))


def card(folder: Path, **more: object) -> ModelCard:
    return ModelCard(
        name="tiny",
        backend="vllm",
        pooling="last",
        max_query_length=64,
        max_document_length=128,
        options={"folder": str(folder), **more},  # type: ignore[dict-item]
    )


def space(folder: Path, **more: object) -> VectorSpace:
    return embedder(folder, **more).space("document", "find: ")


def test_the_registry_knows_the_backend() -> None:
    assert EMBEDDERS.get("vllm") is VllmEmbedder


def test_identity_and_space_import_neither_vllm_nor_torch(folder: Path) -> None:
    code = (
        "import sys\n"
        "from models.card import ModelCard\n"
        "from models.spec import LoadOptions, make_spec\n"
        "from models.backends.vllm import VllmEmbedder\n"
        f"card = ModelCard(name='t', backend='vllm', options={{'folder': {str(folder)!r}}})\n"
        "made = VllmEmbedder(make_spec(card, LoadOptions(device='cpu')))\n"
        "made.identity, made.space('query', '')\n"
        "print([name for name in ('vllm', 'torch', 'transformers') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_its_vectors_are_kept_apart_from_the_other_backends(folder: Path) -> None:
    ours = space(folder)
    other = SentenceTransformerEmbedder(make_spec(card(folder), ON_CPU)).space("document", "find: ")
    assert (ours.backend, other.backend) == ("vllm", "sentence-transformers")
    assert (ours.weights, ours.pooling, ours.max_length) == (
        other.weights,
        other.pooling,
        other.max_length,
    )
    assert embedder(folder).identity["backend"] == "vllm"


def test_engine_arguments_that_only_change_speed_share_vectors(folder: Path) -> None:
    plain = space_fingerprint(space(folder))
    quick = {"tensor_parallel_size": 4, "gpu_memory_utilization": 0.5, "enforce_eager": True}
    assert space_fingerprint(space(folder, engine=quick)) == plain
    assert embedder(folder, engine=quick).identity["engine"] == quick


@pytest.mark.parametrize(
    "engine",
    [
        {"quantization": "fp8"},
        {"hf_overrides": {"rope_theta": 1.0}},
        {"enable_prefix_caching": True},
        {"an_argument_of_the_future": 1},
    ],
    ids=str,
)
def test_all_other_engine_arguments_do_not(folder: Path, engine: dict[str, object]) -> None:
    assert space_fingerprint(space(folder, engine=engine)) != space_fingerprint(space(folder))


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"dtype": "float16", "runner": "generate"}, "names dtype, runner"),
        ("fast", "options.engine = 'fast'"),
        (["fast"], "options.engine = ['fast']"),
    ],
)
def test_engine_arguments_that_are_not_the_cards_to_give(
    folder: Path, engine: object, said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        embedder(folder, engine=engine)
    assert said in caught.value.message


def test_batches_are_large_because_the_engine_makes_its_own(folder: Path) -> None:
    assert embedder(folder).batch_tokens >= 1_000_000
    told = LoadOptions(device="cpu", batch_tokens=512)
    assert embedder(folder, told).batch_tokens == 512


@pytest.mark.skipif(HAS_VLLM, reason="vLLM is installed here")
def test_without_vllm_the_extra_is_named(folder: Path) -> None:
    with pytest.raises(MissingExtra, match=r"rebench-retrieval\[vllm\]"):
        PoolingEngine(EngineRecipe("tiny", folder, "cpu", "float32", "last"))


@pytest.mark.parametrize(
    ("seen", "device", "expected"),
    [
        (None, "cuda:2", "2"),
        ("4,5,6", "cuda:2", "6"),
        ("GPU-aa,GPU-bb", "cuda:1", "GPU-bb"),
        ("4,5", "cuda", "4,5"),
        (None, "cpu", None),
    ],
)
def test_one_device_of_several_is_chosen_by_what_vllm_sees(
    monkeypatch: pytest.MonkeyPatch, seen: str | None, device: str, expected: str | None
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "as the user set it")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen or "")
    if seen is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    prepare_environment(device)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == expected
    assert {os.environ[name] for name in ENVIRONMENT} == {"as the user set it"}


def test_a_device_that_is_not_among_those_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with pytest.raises(BadInput, match="CUDA_VISIBLE_DEVICES=4,5"):
        prepare_environment("cuda:2")


def test_vllms_log_stays_off_stdout_and_nothing_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("VLLM_LOGGING_STREAM", "VLLM_LOGGING_LEVEL", "VLLM_NO_USAGE_STATS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    prepare_environment("cpu")
    assert os.environ["VLLM_LOGGING_STREAM"] == "ext://sys.stderr"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
