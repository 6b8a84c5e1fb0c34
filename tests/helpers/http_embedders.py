"""HTTP embedders for tests: cards that point at a test's server, and a clock that need not wait."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from models.backends.http import HttpEmbedder
from models.card import ModelCard, card_from_mapping
from models.spec import make_spec
from tests.helpers.embedding_server import MODEL, Server

TEXTS = [f"text number {number}" for number in range(10)]


class FakeClock:
    """A clock that only moves when it is waited for, and remembers how long."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return 1_900_000_000.0 + sum(self.waits)

    def wait(self, seconds: float, stop: threading.Event) -> None:
        with self._lock:
            self.waits.append(seconds)


class NoJitter(np.random.Generator):
    """A generator that always draws 0."""

    def random(self, *args: Any, **kwargs: Any) -> float:  # type: ignore[override]
        return 0.0


def card(server: Server, *, name: str = "toy", **values: Any) -> ModelCard:
    options = {"base_url": server.url, **values.pop("options", {})}
    table = {"name": name, "backend": "http", "hub_id": MODEL, "options": options, **values}
    return card_from_mapping(table, "test")


def embedder(server: Server, clock: FakeClock, **values: Any) -> HttpEmbedder:
    rng = NoJitter(np.random.PCG64(0))
    return HttpEmbedder(make_spec(card(server, **values)), clock=clock, draw=rng.random)


def encode(model: HttpEmbedder, texts: list[str] = TEXTS) -> np.ndarray:
    try:
        return model.encode(texts, role="document", instruction="")
    finally:
        model.close()
