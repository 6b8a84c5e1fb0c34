"""Inner products with torch, on the CPU or a GPU, accumulated in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.core.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix

GPU_BLOCK_BYTES = 8 * 1024**3
"""Document vectors on the GPU at once; larger matrices go through it in blocks."""


def torch_multiplier(
    document_vectors: FloatMatrix, device: str
) -> Callable[[FloatMatrix], FloatMatrix]:
    """Return what turns query vectors `[b, d]` into scores, float32 `[b, n]` in host memory.

    Raises `MissingExtra` without torch, `BadInput` for a device that is not there.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    place = _device(device)
    # On the CPU this shares the matrix' memory; nothing is copied.
    documents = torch.from_numpy(document_vectors)
    if place.type == "cpu":
        return lambda queries: (torch.from_numpy(queries) @ documents.T).numpy()
    # TF32 would round each factor to 10 bits; the protocol asks for float32 scores.
    torch.backends.cuda.matmul.allow_tf32 = False
    step = max(1, GPU_BLOCK_BYTES // (4 * max(1, documents.shape[1])))
    resident = documents.to(place) if documents.shape[0] <= step else None

    def multiply(queries: FloatMatrix) -> FloatMatrix:
        asked = torch.from_numpy(queries).to(place)
        if resident is not None:
            return (asked @ resident.T).cpu().numpy()
        parts = [
            (asked @ documents[start : start + step].to(place).T).cpu()
            for start in range(0, documents.shape[0], step)
        ]
        return torch.cat(parts, dim=1).numpy()

    return multiply


def _device(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - torch.device
    """Return the device of that name; raises `BadInput` if torch cannot use it."""
    import torch

    try:
        place = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(
            f"torch cannot use the device {name!r}: {str(error).splitlines()[0]}",
            fix="Leave --device out, or name one that `rebench doctor` lists.",
        ) from error
    return place
