"""Eight texts whose vectors tell whether a model is still the one that its version names.

The vectors of a version are recorded when it is first used. Later ones are compared with them by
angle and length, not bit by bit: another device or library changes the last bits of a float.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.checksums import DamagedFile, expecting_fields, read_document, write_document
from harness.core.errors import ModelError
from harness.core.hashing import sha256_json

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, Role

PROBES = (
    "Why does the tide come in twice a day?",
    "def median(values): return sorted(values)[len(values) // 2]",
    "The enzyme lowers the activation energy of the reaction.",
    "Prove that the square root of two is irrational.",
    "Demand falls when the price of a substitute falls.",
    "La photosynthèse transforme la lumière en énergie chimique.",
    "a",
    "One long sentence, with commas, that goes on, and on, about nothing in particular. " * 20,
)

DIGITS = 3
"""Decimals of a component, of vectors of length 1, that the hash covers."""

LEAST_COSINE = 0.9999
MOST_STRETCH = 0.01
"""How far a later vector may be from the recorded one: in angle, and in length as a share."""


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """What a model's probes are recorded under."""

    name: str
    version: str
    role: Role


def recorded_probe(vectors: FloatMatrix, key: ProbeKey | None, folder: Path) -> str:
    """Return the hash of the probes' vectors `[8, d]`, those first recorded under `key`.

    With `None` nothing is recorded. Raises `ModelError` if the vectors
    are not those recorded.
    """
    rounded = _rounded(vectors)
    if key is None:
        return _hash(rounded)
    path = folder / f"{sha256_json([key.name, key.version, key.role])[:32]}.json"
    if not path.is_file():
        record = {**asdict(key), "vectors": rounded}
        write_document(path, record)
        return _hash(rounded)
    recorded = _read(path)
    if not _alike(vectors, recorded):
        raise ModelError(
            f"model {key.name!r} gives other {key.role} vectors than version {key.version!r} "
            "gave before",
            fix="Give the changed model another version=; what was stored under the old one stays.",
        )
    return _hash(recorded)


def _rounded(vectors: FloatMatrix) -> list[list[float]]:
    """Return lengths and directions: each row is its length, then its components at length 1."""
    import numpy as np

    rows = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return [
        [float(f"{norm:.{DIGITS}g}"), *(round(float(x), DIGITS + 2) + 0.0 for x in unit)]
        for norm, unit in zip(norms[:, 0], units, strict=True)
    ]


def _alike(vectors: FloatMatrix, recorded: list[list[float]]) -> bool:
    """Tell whether vectors point and reach where the recorded ones do."""
    import numpy as np

    if len(vectors) != len(recorded) or vectors.shape[1] + 1 != len(recorded[0]):
        return False
    rows, before = np.asarray(vectors, dtype=np.float64), np.asarray(recorded)
    norms, old_norms, old_units = np.linalg.norm(rows, axis=1), before[:, 0], before[:, 1:]
    if (np.abs(norms - old_norms) > MOST_STRETCH * np.maximum(norms, old_norms)).any():
        return False
    lengths = norms * np.linalg.norm(old_units, axis=1)
    cosines = np.divide((rows * old_units).sum(axis=1), lengths, where=lengths > 0,
                        out=np.ones_like(lengths))  # fmt: skip
    return bool((cosines >= LEAST_COSINE).all())


def _hash(rounded: list[list[float]]) -> str:
    return sha256_json([[round(x, DIGITS) + 0.0 for x in row] for row in rounded])


def _read(path: Path) -> list[list[float]]:
    fix = "Remove it; it is made again."
    vectors = read_document(path, fix=fix).get("vectors")
    if not isinstance(vectors, list) or not all(isinstance(row, list) for row in vectors):
        raise DamagedFile(f"{path} is no record of probes", fix=fix)
    with expecting_fields(path, fix=fix):
        found = [[float(x) for x in row] for row in vectors]
    if len({len(row) for row in found}) != 1:
        raise DamagedFile(f"{path} is no record of probes", fix=fix)
    return found
