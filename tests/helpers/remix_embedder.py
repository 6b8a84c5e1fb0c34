"""An embedder without a model: a text is its words, hashed into a few dimensions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from harness.core.types import Json, PromptFields, Role, VectorSpace


class HashedWords:
    """A deterministic `Embedder` for tests."""

    name = "hashed-words"
    identity: Mapping[str, Json] = {"card": "hashed-words"}
    batch_tokens = 0

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        return ""

    def space(self, role: Role, instruction: str) -> VectorSpace:
        return VectorSpace(
            self.name, "1", "test", "sum", True, role, instruction, 0, "float32", "right", "words"
        )

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> np.ndarray:
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> np.ndarray:
        vectors = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % 64] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
