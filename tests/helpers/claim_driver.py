"""Encodes texts in a process of its own, slowly; arguments: CACHE LOG. A line of LOG is a batch."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from harness.cache.batches import EncodingInput
from harness.cache.encode import encode_texts
from harness.cache.store import EmbeddingStore
from harness.core.progress import SilentReporter
from harness.core.types import VectorSpace

TEXTS = [f"text {number} " + "word " * (number % 40) for number in range(400)]
BATCH_TOKENS = 400


class SlowEmbedder:
    """A space of hashed words, each batch a twentieth of a second."""

    name = "slow"
    batch_tokens = BATCH_TOKENS

    def __init__(self, log: Path) -> None:
        self.identity = {"model": "slow"}
        self.log = log

    def space(self, role, instruction):
        return VectorSpace(
            "slow", "w", "made", "mean", False, role, instruction, 0, "float32", "right", "t"
        )

    def token_counts(self, texts, role, instruction):
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def encode(self, texts, *, role, instruction):
        time.sleep(0.05)
        with self.log.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"pid": os.getpid(), "texts": list(texts)}) + "\n")
        return np.array([[1.0, len(text), hash(text) % 7] for text in texts], dtype=np.float32)


def main(cache: Path, log: Path) -> None:
    embedder = SlowEmbedder(log)
    source = EncodingInput.of(embedder, "document", "")
    encoded = encode_texts(embedder, TEXTS, source, EmbeddingStore(cache), SilentReporter())
    assert len(encoded.vectors) == len(TEXTS)
    assert (encoded.vectors[:, 1] == [len(text) for text in TEXTS]).all()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
