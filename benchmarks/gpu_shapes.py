"""Qwen3 shapes for the GPU benchmarks: sizes, configs, and the arithmetic that texts need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """A Qwen3 backbone's sizes, from the config.json of the model of that name."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    inner: int
    head_dim: int = 128
    vocabulary: int = 151_936

    @property
    def multiplied(self) -> int:
        """Return the weights that every token is multiplied with: all but embeddings and norms."""
        attention = self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.inner)

    def config(self) -> Any:
        """Return the transformers config."""
        from transformers import Qwen3Config

        return Qwen3Config(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head_dim,
            max_position_embeddings=32_768,
            use_cache=False,
        )

    def forward_flops(self, lengths: Iterable[int]) -> int:
        """Return the operations (multiplications and additions) of one forward pass over texts.

        Two a weight and token; and in each layer and head, for each pair of a token and one it
        may see (itself and those before it), `head_dim` products for the score and as many for
        the value. Norms, softmax, rotations and padding are not counted.
        """
        pair = 4 * self.layers * self.heads * self.head_dim
        return sum(2 * self.multiplied * n + pair * (n * (n + 1) // 2) for n in lengths)


SHAPES = {
    "qwen3-0.6b": Shape("qwen3-0.6b", 1024, 28, 16, 8, 3072),
    "qwen3-4b": Shape("qwen3-4b", 2560, 36, 32, 8, 9728),
    "qwen3-8b": Shape("qwen3-8b", 4096, 36, 32, 8, 12_288),
    "tiny": Shape("tiny", 32, 2, 4, 2, 64, head_dim=8, vocabulary=512),
}
