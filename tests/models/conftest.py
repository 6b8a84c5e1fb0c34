"""Tiny checkpoints made once a session, embedders over them, and a server of embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions
from tests.helpers import tiny
from tests.helpers.embedding_server import Server, serving
from tests.helpers.http_embedders import FakeClock
from tests.helpers.splade import splade_tiny


@pytest.fixture
def server() -> Iterator[Server]:
    """Return the state of an embeddings endpoint that runs for one test."""
    with serving() as state:
        yield state


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock on which waiting takes no time."""
    return FakeClock()


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny Qwen3 embedder's folder."""
    return tiny.qwen3(tmp_path_factory.mktemp("qwen3"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny plain Llama's folder."""
    return tiny.llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny BERT embedder's folder."""
    return tiny.bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def model2vec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny model2vec model's folder."""
    return tiny.model2vec(tmp_path_factory.mktemp("model2vec"))


@pytest.fixture
def make():
    """Return a function that makes the embedder of a folder, name or hub id."""

    def embedder(spec, **options):
        chosen = LoadOptions(**{"device": "cpu", **options})
        return make_embedder(resolve_model(str(spec), chosen, {}))

    return embedder


@pytest.fixture(scope="session")
def splade() -> Path:
    """Return the folder of SPLADE-tiny's real weights: a bare masked language model."""
    return splade_tiny()
