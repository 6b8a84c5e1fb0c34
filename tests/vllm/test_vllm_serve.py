"""The HTTP backend against a real `vllm serve`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.errors import ModelError
from harness.core.secrets import Secret
from models.backends.http import HttpEmbedder
from models.backends.rerank_server import ServerReranker
from models.card import ModelCard
from models.spec import make_spec
from tests.helpers.vllm_parity import SAME, TEXTS, cosines, minilm_card, reference
from tests.helpers.vllm_server import vllm_serve

pytestmark = pytest.mark.vllm

KEY = "a-key-for-this-test"


@dataclass(frozen=True)
class Serving:
    """A running server and the folder of its model."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def serving(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run `vllm serve` until the module's tests are done."""
    log = tmp_path_factory.mktemp("serve") / "log"
    arguments = [
        *("--api-key", KEY, "--served-model-name", "minilm", "--max-model-len", "256"),
        *("--runner", "pooling", "--convert", "embed"),
    ]
    with vllm_serve(minilm_folder, log, *arguments) as url:
        yield Serving(f"{url}/v1", minilm_folder)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_VLLM_KEY", KEY)


def embedder(
    serving: Serving, options: dict[str, Any] | None = None, **values: Any
) -> HttpEmbedder:
    card = ModelCard(
        name="minilm-served",
        backend="http",
        max_query_length=values.pop("max_length", 256),
        max_document_length=256,
        options={
            "base_url": serving.url,
            "model": "minilm",
            "api_key_env": "TEST_VLLM_KEY",
            "length_field": "truncate_prompt_tokens",
            **(options or {}),
        },
    )
    return HttpEmbedder(make_spec(card))


def test_served_vectors_equal_local_ones(serving: Serving) -> None:
    model = embedder(serving, {"batch_size": 4, "empty_text": ""})
    vectors = model.encode(TEXTS, role="document", instruction="")
    expected = reference(minilm_card(serving.folder), TEXTS, "document")
    assert cosines(vectors, expected).min() >= SAME
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert model.usage.requests == (len(TEXTS) + 3) // 4
    assert model.usage.retries == 0


def test_the_server_bills_the_tokens_that_we_count(serving: Serving) -> None:
    texts = TEXTS[:2]
    options = {"tokenizer": str(serving.folder), "price_per_million_tokens": 1000.0}
    model = embedder(serving, options)
    model.encode(texts, role="document", instruction="")
    counted = int(model.token_counts(texts, "document", "").sum())
    assert model.usage.tokens == counted
    assert model.usage.cost == pytest.approx(counted / 1000)


def test_base64_gives_the_same_vectors(serving: Serving) -> None:
    plain = embedder(serving).encode(TEXTS[:5], role="document", instruction="")
    packed = embedder(serving, {"encoding_format": "base64"})
    other = packed.encode(TEXTS[:5], role="document", instruction="")
    np.testing.assert_allclose(plain, other, atol=1e-6)


@pytest.mark.parametrize("where", ["server", "client"])
def test_texts_are_cut_there_or_here(serving: Serving, where: str) -> None:
    long = [text for text in TEXTS if len(text) > 1000]
    options = {"tokenizer": str(serving.folder), "length_field": ""} if where == "client" else {}
    vectors = embedder(serving, options).encode(long, role="query", instruction="q: ")
    expected = reference(minilm_card(serving.folder), long, "query", "q: ")
    assert cosines(vectors, expected).min() >= SAME


def test_a_text_beyond_the_servers_limit_is_named(serving: Serving) -> None:
    long = max(TEXTS, key=len)
    model = embedder(serving, {"length_field": "", "server_truncates": True})
    with pytest.raises(ModelError, match="256") as caught:
        model.encode([*TEXTS[:3], long], role="document", instruction="")
    assert repr(long[:60]) in caught.value.message


def test_an_embedder_is_no_reranker(serving: Serving) -> None:
    root = serving.url.removesuffix("/v1")
    reranker = ServerReranker(f"{root}/score", "minilm", Secret(KEY))
    with pytest.raises(ModelError, match="compares vectors"):
        reranker.scores([("why the tide", "the moon")])


def test_a_refused_key(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_VLLM_KEY", "another-key")
    with pytest.raises(ModelError, match="answered 401") as caught:
        embedder(serving).encode(["a"], role="query", instruction="")
    assert "TEST_VLLM_KEY" in caught.value.fix
    assert "another-key" not in str(caught.value)


def test_a_model_that_is_not_served(serving: Serving) -> None:
    with pytest.raises(ModelError, match="answered 404") as caught:
        embedder(serving, {"model": "other"}).encode(["a"], role="query", instruction="")
    assert "other" in caught.value.message


def test_dimensions_that_the_model_cannot_have(serving: Serving) -> None:
    with pytest.raises(ModelError, match="answered 400"):
        embedder(serving, {"dimensions": 64}).encode(["a"], role="query", instruction="")
