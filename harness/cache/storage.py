"""Vectors in the narrowest type that loses no bit: bfloat16, float16 or float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import FloatMatrix, FloatVector

ITEM_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_LOW_HALF = np.uint32(0xFFFF)
_PROBE_ROWS = 4


def narrowest(vectors: FloatMatrix) -> str:
    """Return the storage for float32 `[n, d]`, decided by the bits themselves.

    A model run in bfloat16 whose pooling and normalisation stay there gives float32 values with
    an empty lower half; one that normalises in float32 does not, whatever its weights are.
    """
    for storage in ("bfloat16", "float16"):
        # A few rows tell almost always, which spares the conversion of all of them.
        if _fits(vectors[:_PROBE_ROWS], storage) and _fits(vectors, storage):
            return storage
    return "float32"


def squeeze(vectors: FloatMatrix, storage: str) -> bytes:
    """Return float32 `[n, d]` as little-endian bytes in `storage`; loses bits unless it fits."""
    if storage == "bfloat16":
        return (_bits(vectors) >> np.uint32(16)).astype("<u2").tobytes()
    if storage == "float16":
        with np.errstate(over="ignore"):
            return vectors.astype("<f2").tobytes()
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def restore(data: NDArray[np.uint8], storage: str) -> FloatVector:
    """Return bytes in `storage` as float32 `[n · d]`; float32 itself is not copied."""
    values: FloatVector
    if storage == "bfloat16":
        wide = data.view("<u2").astype(np.uint32)
        wide <<= np.uint32(16)
        values = wide.view(np.float32)
    elif storage == "float16":
        values = data.view("<f2").astype(np.float32)
    else:
        values = data.view("<f4").astype(np.float32, copy=False)
    return values


def _fits(vectors: FloatMatrix, storage: str) -> bool:
    """Tell whether every value survives the way into `storage` and back, bit by bit."""
    if storage == "bfloat16":
        return not (_bits(vectors) & _LOW_HALF).any()
    with np.errstate(over="ignore", invalid="ignore"):
        back = vectors.astype(np.float16).astype(np.float32)
    return bool((_bits(back) == _bits(vectors)).all())


def _bits(vectors: FloatMatrix) -> NDArray[np.uint32]:
    """Return the bit patterns of float32 values, same shape."""
    return np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
