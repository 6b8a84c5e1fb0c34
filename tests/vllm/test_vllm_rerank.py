"""Rerankers behind a real `vllm serve`: logits in both dialects, and an embedder refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ModelError
from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
from models.backends.rerank_server import ServerReranker
from models.rerankers.find import find_reranker
from tests.helpers import tiny
from tests.helpers.vllm_server import vllm_serve

pytestmark = pytest.mark.vllm

PAIRS = [(query, passage) for query in tiny.TEXTS[:2] for passage in tiny.TEXTS]
SMALL = ("--max-model-len", "64", "--runner", "pooling")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.cross_encoder(tmp_path_factory.mktemp("models") / "tiny-reranker")


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with vllm_serve(folder, log, "--served-model-name", "tiny", *SMALL) as url:
        yield url


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/score"])
def test_served_scores_are_the_local_logits(server: str, folder: Path, path: str) -> None:
    served = ServerReranker(f"{server}{path}", "tiny").scores(PAIRS)
    local = CrossEncoderReranker(find_reranker(str(folder)), LocalOptions("cpu")).scores(PAIRS)
    np.testing.assert_allclose(served, local, atol=1e-4)
    assert np.abs(1 / (1 + np.exp(-local)) - local).min() > 1e-3, "a sigmoid would show"


def test_a_name_that_is_not_served_is_refused(server: str) -> None:
    with pytest.raises(ModelError, match="404"):
        ServerReranker(f"{server}/v1/rerank", "other").scores(PAIRS[:1])
