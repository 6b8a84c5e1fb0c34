"""The matrix that encoding fills: one row a text, made once, repeats copied at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import ModelError

if TYPE_CHECKING:
    from harness.cache.keys import Distinct
    from harness.core.types import FloatMatrix, IntVector

COPY_ROWS = 1024


class RowMatrix:
    """Float32 `[n, d]` for n texts of which m are distinct; allocated when d is known.

    `filled` is bool `[m]`: which distinct texts have their vector.
    """

    def __init__(self, distinct: Distinct, model: str) -> None:
        self._distinct = distinct
        self._model = model
        self._values: FloatMatrix | None = None
        self.filled = np.zeros(len(distinct), dtype=np.bool_)

    def put(self, rows: IntVector, vectors: FloatMatrix) -> None:
        """Store the vectors float32 `[r, d]` of distinct texts `rows`.

        Raises `ModelError` if their dimension differs from that of earlier ones.
        """
        if self._values is None:
            shape = (len(self._distinct.inverse), vectors.shape[1])
            self._values = np.empty(shape, dtype=np.float32)
        if vectors.shape[1] != self._values.shape[1]:
            raise ModelError(
                f"vectors of one space have {self._values.shape[1]} and {vectors.shape[1]} "
                f"components (model {self._model!r})",
                fix="The model has changed under one identity: drop what is stored with "
                f"`rebench cache gc --model {self._model}` and run again.",
            )
        self._values[self._distinct.first[rows]] = vectors
        self.filled[rows] = True

    def finish(self) -> FloatMatrix:
        """Copy repeated texts' rows and return the matrix; all m must be filled.

        Raises `ValueError` otherwise.
        """
        if self._values is None or not self.filled.all():
            raise ValueError(f"{int((~self.filled).sum())} texts have no vector")
        source = self._distinct.first[self._distinct.inverse]
        repeats = np.flatnonzero(source != np.arange(len(source)))
        # In pieces: a corpus may be half repeats, and a fancy index copies what it selects.
        for start in range(0, len(repeats), COPY_ROWS):
            part = repeats[start : start + COPY_ROWS]
            self._values[part] = self._values[source[part]]
        return self._values
