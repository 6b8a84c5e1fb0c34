"""Float32 vectors rounded so that their storage is narrower: bfloat16, or int8 with scales.

What is rounded stays float32, and the codec finds by the bits alone what it can be stored as: a
vector in memory is always the one that comes back from the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import FloatMatrix, FloatVector

INT8 = "int8"
INT8_SCALE_BYTES = 4
_MOST = np.float32(127)
_HALF_STEP, _LOW_BITS = np.uint32(1 << 6), np.uint32((1 << 7) - 1)
_PROBE_ROWS = 8


def rounded_to(values: FloatMatrix, rounding: str) -> FloatMatrix:
    """Return float32 `[n, d]` that is stored without loss as `rounding`, one of `types.ROUNDINGS`.

    bfloat16 rounds to the nearest, ties to even. int8 takes each vector's largest component,
    divided by 127, as the scale and rounds the others to whole multiples of it: a component is
    off by at most half a scale. Raises `ValueError` for another name.
    """
    if rounding == "float32":
        return values
    if rounding == "bfloat16":
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
        even = (bits >> np.uint32(16)) & np.uint32(1)
        whole: FloatMatrix = ((bits + np.uint32(0x7FFF) + even) & ~np.uint32(0xFFFF)).view(
            np.float32
        )
        return whole
    if rounding != INT8:
        raise ValueError(f"no rounding is called {rounding!r}")
    scales = _scales(values)
    return from_int8(scales, _numbers(values, scales))


def as_int8(values: FloatMatrix) -> tuple[FloatVector, NDArray[np.int8]] | None:
    """Return scales `[n]` and whole numbers `[n, d]` that give `values` bit by bit, or `None`."""
    for part in (values[:_PROBE_ROWS], values):
        scales = _scales(part)
        numbers = _numbers(part, scales)
        again = from_int8(scales, numbers)
        if not len(values) or (again.view(np.uint32) != part.view(np.uint32)).any():
            return None
    return scales, numbers


def from_int8(scales: FloatVector, numbers: NDArray[np.int8]) -> FloatMatrix:
    """Return float32 `[n, d]`: each vector's numbers times its scale."""
    values: FloatMatrix = numbers.astype(np.float32)
    values *= scales[:, None]
    return values


def _scales(values: FloatMatrix) -> FloatVector:
    """Return each vector's largest size over 127, in 17 binary digits, float32 `[n]`.

    127 has seven: every multiple up to it then fits float32's 24, so that rounding once more
    gives the same scale and the same numbers.
    """
    most = np.abs(values).max(axis=1, initial=0) / _MOST
    bits = most.astype(np.float32).view(np.uint32)
    scales: FloatVector = ((bits + _HALF_STEP) & ~_LOW_BITS).view(np.float32)
    return scales


def _numbers(values: FloatMatrix, scales: FloatVector) -> NDArray[np.int8]:
    """Return the whole multiples of the scales nearest to the values, int8 `[n, d]`."""
    divisors = np.where(scales > 0, scales, np.float32(1))
    whole = np.rint(values / divisors[:, None])
    numbers: NDArray[np.int8] = np.clip(whole, -_MOST, _MOST).astype(np.int8)
    return numbers
