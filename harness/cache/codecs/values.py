"""Float32 values as bytes: the narrowest storage that loses no bit, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import FloatVector

ITEM_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_LOW_HALF = np.uint32(0xFFFF)
_PROBE_ROWS = 4


def smallest_lossless_dtype(values: NDArray[np.float32]) -> str:
    """Return the storage for float32 of any shape, decided by the bits themselves.

    A model run in bfloat16 whose pooling and normalisation stay there gives float32 values with
    an empty lower half; one that normalises in float32 does not, whatever its weights are.
    """
    for storage in ("bfloat16", "float16"):
        # A few rows tell almost always, which spares the conversion of all of them.
        if _fits(values[:_PROBE_ROWS], storage) and _fits(values, storage):
            return storage
    return "float32"


def pack_values(values: NDArray[np.float32], storage: str) -> bytes:
    """Return float32 as little-endian bytes in `storage`; loses bits unless it fits."""
    if storage == "bfloat16":
        return (_bits(values) >> np.uint32(16)).astype("<u2").tobytes()
    if storage == "float16":
        with np.errstate(over="ignore"):
            return values.astype("<f2").tobytes()
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def unpack_values(data: NDArray[np.uint8], storage: str) -> FloatVector:
    """Return bytes in `storage` as float32 `[n]`; float32 itself is not copied."""
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


def _fits(values: NDArray[np.float32], storage: str) -> bool:
    """Tell whether every value survives the way into `storage` and back, bit by bit."""
    if storage == "bfloat16":
        return not (_bits(values) & _LOW_HALF).any()
    with np.errstate(over="ignore", invalid="ignore"):
        back = values.astype(np.float16).astype(np.float32)
    return bool((_bits(back) == _bits(values)).all())


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the bit patterns of float32 values, same shape."""
    return np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
