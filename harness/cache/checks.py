"""What a model returns is checked before it is used or stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import ModelError
from harness.core.types import VectorSpace

if TYPE_CHECKING:
    from harness.cache.plan import Batch
    from harness.core.types import FloatMatrix, IntVector

NORM_TOLERANCE = {"float32": 1e-3, "float16": 4e-3, "bfloat16": 3.2e-2}
"""How far a norm may be from 1: a few units in the last place of a norm rounded to the dtype
(2^-11 for float16, 2^-8 for bfloat16), and room for float32 sums of any order."""
LOOSE_TOLERANCE = 3.2e-2
"""For servers that do not say what they compute in."""


def check_counts(counts: IntVector, expected: int, model: str) -> None:
    """Raise `ModelError` unless there is one token count, 0 or more, for each text."""
    if counts.shape != (expected,) or (counts < 0).any():
        raise ModelError(
            f"model {model!r} counted the tokens of {expected} texts as an array of shape "
            f"{counts.shape}, least {counts.min(initial=0)}",
            fix="The backend must return one count a text; check its version.",
        )


def check_rows(vectors: FloatMatrix, batch: Batch, space: VectorSpace, model: str) -> None:
    """Raise `ModelError` unless `vectors` is finite float32 `[n, d]` as the space says.

    Where the space is normalised each norm is 1 within the dtype's tolerance. A zero row is
    right only for a text without tokens: static models have nothing to average there.
    """
    if vectors.ndim != 2 or vectors.shape[0] != len(batch) or not vectors.shape[1]:
        raise ModelError(
            f"model {model!r} returned vectors of shape {vectors.shape} for {len(batch)} texts",
            fix="The backend must return one row a text; check its version or its server.",
        )
    if vectors.dtype != np.float32:
        raise ModelError(
            f"model {model!r} returned {vectors.dtype} vectors",
            fix="The backend must return float32, whatever dtype it computes in.",
        )
    if space.dimension and vectors.shape[1] != space.dimension:
        raise ModelError(
            f"model {model!r} returned {vectors.shape[1]} components; its card says "
            f"{space.dimension}",
            fix="Correct the card's dimension, or check which weights are loaded.",
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ModelError(
            f"model {model!r} returned {len(bad)} of {len(batch)} vectors that are not finite, "
            f"the first for {_shown(batch, int(bad[0]))}",
            fix="Try --dtype float32; if it stays, the weights are damaged.",
        )
    _check_norms(vectors, batch, space, model)


def _check_norms(vectors: FloatMatrix, batch: Batch, space: VectorSpace, model: str) -> None:
    """Raise `ModelError` for a zero row of a text with tokens, or a norm that is not 1."""
    something = np.asarray(vectors.any(axis=1))
    empty = np.flatnonzero(~something & (batch.counts > 0))
    if len(empty):
        raise ModelError(
            f"model {model!r} returned {len(empty)} zero vectors for texts that have tokens, the "
            f"first for {_shown(batch, int(empty[0]))}",
            fix="Try --dtype float32; if it stays, the weights are damaged.",
        )
    if not space.normalize:
        return
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    tolerance = NORM_TOLERANCE.get(space.dtype, LOOSE_TOLERANCE)
    wrong = np.flatnonzero(something & (np.abs(norms - 1) > tolerance))
    if len(wrong):
        raise ModelError(
            f"model {model!r} should return vectors of norm 1; {len(wrong)} of {len(batch)} "
            f"differ by more than {tolerance}, the first has {float(norms[wrong[0]]):.4f}",
            fix="Set normalize = false in the model's card if that is how it is meant to be run.",
        )


def _shown(batch: Batch, place: int) -> str:
    """Return the start of a text, quoted, with its tokens."""
    return f"{batch.texts[place][:60]!r} ({int(batch.counts[place]):,} tokens)"
