"""Encodes in processes that get killed; run by test_encode_crash.py as `MODEL FOLDER SEED`.

The weights are loaded once; every encode is a process of its own, forked from there. In FOLDER:

    killed/    kills at random moments, then resumed (resumed.npy) and run again (again.npy)
    together/  three processes at once, the third killed (0.npy, 1.npy)
    alone/     one undisturbed encode (alone.npy)

Each has its cache and a log with a line for each call of the model: process, texts, and how many
of them lay in a shard that was finished before the process's call before that had ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from scipy.sparse import issparse

from harness.cache import store as writer
from harness.cache.keys import text_keys
from harness.cache.shard import read_head
from harness.cache.store import EmbeddingStore
from harness.core.progress import SilentReporter
from harness.core.types import TokenVectors
from models.registry import (
    EMBEDDERS,
    LATE_EMBEDDERS,
    SPARSE_EMBEDDERS,
    find_card,
    resolve_model,
)
from models.spec import LoadOptions, ModelSpec, make_spec
from tests.helpers.cache_embedders import encode_texts
from tests.helpers.late import late_modernbert
from tests.helpers.splade import splade_tiny

FEW = int(os.environ.get("REBENCH_KILLS", "4"))
KILLS = {"wordllama": 20, "minilm": FEW, "splade": FEW, "late": FEW}
SLEEP = 0.01
CLOCK = 0.02  # file times lag behind the clock by up to one tick of the kernel
SIZES = {"wordllama": (600, 30, 128), "minilm": (300, 20, 64), "splade": (60, 12, 32),
         "late": (60, 12, 32)}  # fmt: skip
"""Texts, words of the longest, and tokens in a batch."""
WORDS = [
    "tide", "moon", "water", "dough", "yeast", "sugar", "heat", "engine", "work", "light",
    "prism", "colour", "river", "stone",
]  # fmt: skip


def texts_of(model: str) -> list[str]:
    """Return the corpus: distinct texts, every tenth one twice, one empty."""
    count, longest, _ = SIZES[model]
    rng = random.Random(11)
    texts = [
        f"{number} " + " ".join(rng.choices(WORDS, k=rng.randint(1, longest)))
        for number in range(count)
    ]
    return [*texts, "", *texts[::10]]


def subject(model: str) -> tuple[Any, ModelSpec]:
    """Return the embedder's class, and the spec that it takes."""
    load = LoadOptions(device="cpu")
    if model == "late":
        spec = resolve_model(str(late_modernbert(Path(mkdtemp()) / "late")), load, {})
        return LATE_EMBEDDERS.get("late"), spec
    if model != "splade":
        card = find_card(model)
        return EMBEDDERS.get(card.backend), make_spec(card)
    load = LoadOptions(backend="sparse", device="cpu")
    return SPARSE_EMBEDDERS.get("sparse"), resolve_model(str(splade_tiny()), load, {})


def slowed(model: str) -> Any:
    """Return the model's embedder, loaded, slowed, with small batches and a log of its calls."""
    base, spec = subject(model)

    class Slowed(base):  # type: ignore[misc, valid-type]
        batch_tokens = SIZES[model][2]
        folder = Path()
        ended = 0.0
        tell = -1

        def encode(self, texts, *, role, instruction):
            mine = {key.tobytes() for key in text_keys(texts)}
            row = {"pid": os.getpid(), "texts": texts, "again": len(mine & self.finished())}
            with (self.folder / "log").open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")
            if self.tell >= 0:
                os.write(self.tell, b".")
            time.sleep(SLEEP)
            vectors = super().encode(texts, role=role, instruction=instruction)
            self.ended = time.time()
            return vectors

        def finished(self) -> set[bytes]:
            """Return the texts in shards that were there when the last call ended."""
            found = set()
            for path in shards(self.folder):
                if path.stat().st_ctime < self.ended - CLOCK:
                    found |= {key.tobytes() for key in read_head(path).keys}
            return found

    embedder = Slowed(spec)
    base.encode(embedder, ["to have all loaded"], role="document", instruction="")
    return embedder


def shards(folder: Path) -> list[Path]:
    return list(folder.glob("cache/embeddings/*/shards/*.shard"))


def start(embedder: Any, model: str, folder: Path, out: str = "") -> int:
    """Fork a process that encodes into `folder` and saves its vectors there; return its id."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    embedder.folder = folder
    writer.FLUSH_SECONDS = 0.05
    store = EmbeddingStore(folder / "cache")
    encoded = encode_texts(embedder, texts_of(model), "document", "", store, SilentReporter())
    if out:
        np.save(folder / out, a_row_each(encoded.vectors))
    os._exit(0)


def a_row_each(vectors: Any) -> np.ndarray:
    """Return vectors of any kind with one row a text; token vectors side by side, then zeros."""
    if not isinstance(vectors, TokenVectors):
        return vectors.toarray() if issparse(vectors) else vectors
    most, dimension = int(vectors.lengths.max()), vectors.values.shape[1]
    rows = np.zeros((len(vectors), most * dimension), dtype=np.float32)
    for row in range(len(vectors)):
        rows[row, : vectors[row].size] = vectors[row].ravel()
    return rows


def finish(child: int) -> None:
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"a process ended with status {status}")


def kill(child: int) -> bool:
    """Kill a process; tell whether it was still at work."""
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def kills(embedder: Any, model: str, folder: Path, seed: int) -> dict[str, int]:
    """Kill some processes and let the next ones finish; return what there was in between.

    Every fifth dies while it reads and plans, the others within their first batches.
    """
    rng = random.Random(seed)
    killed = 0
    for number in range(KILLS[model]):
        heard, embedder.tell = os.pipe()
        child = start(embedder, model, folder)
        os.close(embedder.tell)
        if number % 5:
            os.read(heard, 1)
        time.sleep(rng.uniform(0.0, 0.1))
        killed += kill(child)
        os.close(heard)
    embedder.tell = -1
    found = {"killed": killed, "shards": len(shards(folder)), "calls": calls(folder)}
    finish(start(embedder, model, folder, "resumed.npy"))
    found["calls_resumed"] = calls(folder)
    finish(start(embedder, model, folder, "again.npy"))
    found["calls_again"] = calls(folder)
    return found


def together(embedder: Any, model: str, folder: Path) -> None:
    """Run three at once, and kill the third once it has begun and there are shards."""
    heard, embedder.tell = os.pipe()
    third = start(embedder, model, folder)
    os.close(embedder.tell)
    embedder.tell = -1
    first, second = [start(embedder, model, folder, f"{number}.npy") for number in range(2)]
    os.read(heard, 1)
    while not shards(folder):
        time.sleep(0.005)
    time.sleep(SLEEP)
    kill(third)
    finish(first)
    finish(second)


def calls(folder: Path) -> int:
    return len((folder / "log").read_text(encoding="utf-8").splitlines())


def main(model: str, folder: Path, seed: int) -> None:
    embedder = slowed(model)
    found = kills(embedder, model, folder / "killed", seed)
    together(embedder, model, folder / "together")
    finish(start(embedder, model, folder / "alone", "alone.npy"))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
