"""Embedders for the cache's tests: wordllama's real weights, watched, slowed or made to fail."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.cache import encode
from harness.cache.batches import EncodingInput
from harness.core.errors import OutOfMemory
from harness.core.progress import SilentReporter
from models.backends.static import StaticEmbedder
from models.card import ModelCard
from models.registry import find_card
from models.spec import LoadOptions, make_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cache.encode import Encoded
    from harness.cache.store import EmbeddingStore
    from harness.cache.workers import Workers
    from harness.core.protocols import Embedder, Reporter
    from harness.core.types import FloatMatrix, IntVector, Role, VectorSpace

WORDS = [
    "tide", "moon", "water", "dough", "yeast", "sugar", "heat", "engine", "work", "light", "prism",
    "colour", "river", "stone", "wind", "sail", "copper", "wire", "spark", "magnet", "pole",
    "star", "orbit", "comet", "dust", "cell", "root", "leaf", "seed", "rain", "cloud", "frost",
]  # fmt: skip


def some_texts(count: int, seed: int = 0, longest: int = 40) -> list[str]:
    """Return distinct texts of 1 to `longest` words; a number keeps each one apart."""
    rng = np.random.default_rng(seed)
    return [
        f"{seed}-{number} " + " ".join(rng.choice(WORDS, int(rng.integers(1, longest + 1))))
        for number in range(count)
    ]


class Watched(StaticEmbedder):
    """Counts calls and keeps the texts of each; `budget` replaces the batch's tokens."""

    def __init__(
        self, card: ModelCard | None = None, options: LoadOptions | None = None, budget: int = 256
    ) -> None:
        super().__init__(make_spec(card or find_card("wordllama"), options))
        self.budget = budget
        self.calls: list[list[str]] = []
        self.counted: list[str] = []

    @property
    def batch_tokens(self) -> int:
        return self.budget

    @property
    def seen(self) -> list[str]:
        """Return all texts that went through the model."""
        return [text for call in self.calls for text in call]

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        self.counted.extend(texts)
        return super().token_counts(texts, role, instruction)

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        self.calls.append(list(texts))
        return super().encode(texts, role=role, instruction=instruction)


class Asleep(Watched):
    """Knows its space and nothing else: a warm run must not touch it."""

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        raise AssertionError("the tokenizer was asked for")

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        raise AssertionError("the model was asked for")


class Cramped(Watched):
    """Runs out of memory above `room` padded tokens."""

    def __init__(self, room: int, budget: int) -> None:
        super().__init__(budget=budget)
        self.room = room
        self.refused = 0

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        longest = int(StaticEmbedder.token_counts(self, texts, role, instruction).max())
        if longest * len(texts) > self.room:
            self.refused += 1
            raise OutOfMemory(f"{longest * len(texts)} tokens")
        return super().encode(texts, role=role, instruction=instruction)


class Limited(Watched):
    """Says that it cuts texts at `limit` tokens."""

    def __init__(self, limit: int, budget: int = 256) -> None:
        super().__init__(budget=budget)
        self.limit = limit

    def space(self, role: Role, instruction: str) -> VectorSpace:
        return replace(super().space(role, instruction), max_length=self.limit)


class Bent(Watched):
    """Hands its vectors to `bend` before returning them."""

    def __init__(self, bend: object, budget: int = 256) -> None:
        super().__init__(budget=budget)
        self.bend = bend

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        vectors = super().encode(texts, role=role, instruction=instruction)
        return self.bend(list(texts), vectors)  # type: ignore[operator]


class Recorder(SilentReporter):
    """Keeps warnings and what the bars were told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.bars: dict[str, list[int]] = {}

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)

    def bar(self, label, total, unit):
        from contextlib import contextmanager

        told = self.bars.setdefault(label, [total, 0, 0])

        @contextmanager
        def opened():
            def advance(done: int = 1, /, *, tokens: int = 0) -> None:
                told[1] += done
                told[2] += tokens

            yield advance

        return opened()


@dataclass(frozen=True)
class MakeWatched:
    """A picklable factory for worker processes; leaves a line for each embedder and each call.

    `dies_on` names a device whose process kills itself at its third batch, `fails_on` one whose
    vectors are not finite then.
    """

    log: Path
    dies_on: str = ""
    fails_on: str = ""

    def __call__(self, device: str) -> Watched:
        return _Logged(self, device)


class _Logged(Watched):
    def __init__(self, make: MakeWatched, device: str) -> None:
        super().__init__()
        self.make = make
        self.device = device
        self._say("made", 0)

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        vectors = super().encode(texts, role=role, instruction=instruction)
        if len(self.calls) == 3 and self.device == self.make.dies_on:
            os.kill(os.getpid(), signal.SIGKILL)
        if len(self.calls) == 3 and self.device == self.make.fails_on:
            vectors = vectors * np.float32("nan")
        self._say("encoded", len(texts))
        time.sleep(0.002)
        return vectors

    def _say(self, what: str, count: int) -> None:
        with self.make.log.open("a", encoding="utf-8") as handle:
            handle.write(f"{what} {self.device} {os.getpid()} {count}\n")


def encode_texts(
    embedder: Embedder,
    texts: Sequence[str],
    role: Role,
    instruction: str,
    store: EmbeddingStore | None,
    reporter: Reporter,
    workers: Workers | None = None,
) -> Encoded:
    """Encode texts of one role under an instruction."""
    source = EncodingInput.of(embedder, role, instruction)
    return encode.encode_texts(embedder, texts, source, store, reporter, workers)
