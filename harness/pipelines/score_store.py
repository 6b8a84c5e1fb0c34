"""Scores of (query, passage) pairs, kept like vectors: under everything that changes a score.

`root/rerank/<hash of the reranker's identity>/<SHA-256 of the file>.npz`, each holding pair hashes,
float32 scores and, where the reranker counts them, the tokens that it read of each pair. Files are
immutable, written whole and named by their content, so several processes may write at once and a
reader trusts only what fits its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.files import write_atomic, write_text
from harness.core.hashing import sha256_json
from harness.core.types import Json

if TYPE_CHECKING:
    from harness.core.types import IntVector

FOLDER = "rerank"
_KEY_BYTES = 32


def pair_key(query: str, passage: str) -> bytes:
    """Return the SHA-256 that names a pair: of both texts, each preceded by its length."""
    digest = hashlib.sha256()
    for text in (query, passage):
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class PairScore:
    """The score of a pair, and how many tokens the reranker read of it; `None` if not counted."""

    score: float
    tokens: int | None = None


class ScoreStore:
    """The stored scores of one reranker under one set of settings."""

    def __init__(self, root: Path, identity: Mapping[str, Json]) -> None:
        self.folder = root / FOLDER / sha256_json(identity)[:32]
        self._identity = identity
        self._scores: dict[bytes, PairScore] | None = None
        self.damaged: list[Path] = []
        """Files that do not have the hash that names them: left out, gone with the next `add`."""

    def find(self, keys: Sequence[bytes]) -> list[PairScore | None]:
        """Return the stored score of each pair, `None` where there is none."""
        known = self._known()
        return [known.get(key) for key in keys]

    def add(
        self, keys: Sequence[bytes], scores: Sequence[float], tokens: IntVector | None = None
    ) -> None:
        """Keep scores and, if counted, tokens, whole or not at all; raises `StoreError`."""
        if not keys:
            return
        buffer = io.BytesIO()
        values: dict[str, Any] = {
            "keys": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, _KEY_BYTES),
            "scores": np.asarray(scores, dtype=np.float32),
        }
        if tokens is not None:
            values["tokens"] = np.asarray(tokens, dtype=np.int32)
        np.savez(buffer, **values)
        data = buffer.getvalue()
        if not (self.folder / "reranker.json").is_file():
            text = json.dumps(self._identity, indent=1, ensure_ascii=False)
            write_text(self.folder / "reranker.json", text + "\n")
        known = self._known()
        for path in self.damaged:  # before the new file, which may get the name of one of them
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        write_atomic(self.folder / f"{hashlib.sha256(data).hexdigest()}.npz", data)
        counts = [None] * len(keys) if tokens is None else tokens.tolist()
        known.update(zip(keys, map(PairScore, scores, counts), strict=True))

    def _known(self) -> dict[bytes, PairScore]:
        """All stored scores; a file that does not fit its name is left out."""
        if self._scores is None:
            self._scores = {}
            for path in sorted(self.folder.glob("*.npz")):
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() != path.stem:
                    self.damaged.append(path)
                    continue
                with np.load(io.BytesIO(data)) as shard:
                    rows = shard["keys"].tobytes()
                    scores = shard["scores"].tolist()
                    counts = shard["tokens"].tolist() if "tokens" in shard else [None] * len(scores)
                    for at, found in enumerate(map(PairScore, scores, counts)):
                        self._scores[rows[at * _KEY_BYTES : (at + 1) * _KEY_BYTES]] = found
        return self._scores
