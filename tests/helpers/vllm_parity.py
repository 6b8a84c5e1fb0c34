"""Texts and comparisons that the vLLM tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.core.types import Role
from models.backends.st import SentenceTransformerEmbedder
from models.card import ModelCard
from models.spec import LoadOptions, make_spec

ON_CPU = LoadOptions(device="cpu", dtype="float32")
SAME = 0.9999
"""The cosine that vectors of two backends must have at least."""
TEXTS = [
    "what makes leaves turn red in autumn?",
    "Prove that the sum of two even numbers is even.",
    "x",
    "",
    "  white space\tis kept \n as it is  ",
    "Grüße aus Köln, 東京 and Ελλάδα 🙂",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "one two three four five six seven eight nine ten " * 60,
    "the last token of a long text is the one that is read out " * 40,
    *(f"sentence {number} of many, about {number * 7919 % 101} things" for number in range(24)),
]


def minilm_card(folder: Path) -> ModelCard:
    return ModelCard(
        name="minilm",
        backend="vllm",
        max_query_length=256,
        max_document_length=256,
        dimension=384,
        options={"folder": str(folder)},
    )


def decoder_card(folder: Path, **options: object) -> ModelCard:
    return ModelCard(
        name="decoder",
        backend="vllm",
        max_query_length=64,
        max_document_length=128,
        options={"folder": str(folder), **options},  # type: ignore[dict-item]
    )


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of rows, float64 [n]."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / norms


def reference(card: ModelCard, texts: list[str], role: Role, instruction: str = "") -> np.ndarray:
    """Return what the sentence-transformers backend makes of texts, one text at a time."""
    embedder = SentenceTransformerEmbedder(make_spec(card, ON_CPU))
    return np.concatenate(
        [embedder.encode([text], role=role, instruction=instruction) for text in texts]
    )
