"""The best rows of one corpus for a query, documents that it excludes left out before the cut."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from harness.search.topk import IdOrder, at_least, best_of, check_asked, contenders, top_k

if TYPE_CHECKING:
    from harness.core.types import FloatVector
    from harness.search.topk import IntRows

BEYOND = 1.25
"""How far beyond `k` is looked first: few of the best are excluded in most collections."""
TIES = 4
"""Candidates, as a multiple of those looked for, from which masking rows is the cheaper way."""


class BestRows:
    """Ranks the rows of a corpus whose ids are `ids`; ids that it lacks exclude nothing.

    A query of BRIGHT's aops excludes up to 11,000 documents. Looking all of them up costs as much
    as the whole search, so the candidates at the top are looked up among the excluded instead.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self.order = IdOrder(ids)

    def best(self, scores: FloatVector, k: int, excluded: Collection[str]) -> IntRows:
        """Return what `top_k` returns with the rows of `excluded` (a set) taken out.

        `scores` is float32 `[n]`. Raises what `top_k` raises.
        """
        if excluded:
            check_asked(scores, self.order, k)
            surely = k + len(excluded)
            for reach in (min(int(BEYOND * k), surely), surely):
                if (found := self._among(scores, k, excluded, reach)) is not None:
                    return found
        return top_k(scores, self.order, k, self.rows_of(excluded))

    def rows_of(self, ids: Collection[str]) -> IntRows:
        """Return the rows of those ids that the corpus has: intp, in no order."""
        rows = np.fromiter(map(self._row_of.get, ids, repeat(-1)), np.intp, count=len(ids))
        return rows[rows >= 0]

    def _among(
        self, scores: FloatVector, k: int, excluded: Collection[str], reach: int
    ) -> IntRows | None:
        """Return the best `k` rows if those with the `reach` best scores hold as many.

        Whatever has one of these scores is looked at, so that ties at the cut are settled by id.
        `None` where too many tie, or too few are left.
        """
        if reach >= len(scores):
            return None
        rows = at_least(contenders(scores, reach), scores, reach)
        if len(rows) > TIES * reach:
            return None
        ids = map(self._ids.__getitem__, rows.tolist())
        left_out = np.fromiter(map(excluded.__contains__, ids), np.bool_, count=len(rows))
        allowed = rows[~left_out]
        return best_of(allowed, scores, self.order, k) if len(allowed) >= k else None

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self._ids)}
