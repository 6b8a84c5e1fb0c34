"""MaxSim of token vectors: for each query token its nearest document token, summed or averaged.

Khattab and Zaharia 2020 (ColBERT), equation 3. What has no token is scored as
sentence-transformers 6.2 does it (`util/similarity.py`): a document gets -1e9, a query 0.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import BadInput, ModelError
from harness.core.types import TokenVectors
from harness.search.dense import ENGINES, WORTH_LOADING, search_device

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, FloatVector, IntVector

MEASURES = ("maxsim", "meanmaxsim")
"""sentence-transformers' names: the sum over the query's tokens, or their mean."""
EMPTY_DOCUMENT = np.float32(-1e9)
DOCUMENT_TOKENS, QUERY_TOKENS = 720, 800
"""Tokens whose products are made at once: 2.3 MB of float32, which stay in a core's cache
(measured: benchmarks/late.py)."""
DOCUMENTS_AT_ONCE = 8192
"""Documents whose best products per query token are kept until they are summed: 26 MB."""
GPU_PRODUCTS = 2**28
"""Products at once on a GPU: 1 GiB of float32."""


@dataclass(frozen=True, slots=True)
class MaxSim:
    """How token vectors are scored: `measure` is one of `MEASURES`.

    `engine` is one of `search.dense.ENGINES`; `auto` takes torch only where it finds a GPU, since
    NumPy is faster on a CPU. `device` is torch's.
    """

    measure: str = "maxsim"
    engine: str = "auto"
    device: str = ""


def maxsim_scores(
    queries: TokenVectors, documents: TokenVectors, how: MaxSim | None = None
) -> FloatMatrix:
    """Return the score of each query and document, float32 `[q, n]`.

    Beside the result at most the products of `DOCUMENT_TOKENS` and the larger of `QUERY_TOKENS`
    and the longest query's tokens are in memory, and on a GPU `GPU_PRODUCTS`. Raises `BadInput`
    for an unknown measure or engine, `ModelError` for vectors of different dimensions.
    """
    chosen = how or MaxSim()
    _check(queries, documents, chosen)
    scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
    alive = np.flatnonzero(documents.lengths > 0)
    # Documents without tokens have no rows: the others' lie one after another without them.
    starts = np.append(documents.starts[alive], documents.starts[-1])
    some = TokenVectors(documents.values, starts)
    work = 2.0 * queries.values.size * len(documents.values)
    best_products = _torch_best if _on_gpu(chosen, work) else _numpy_best
    for first, last in blocks_of(queries.lengths, QUERY_TOKENS):
        block = slice(int(queries.starts[first]), int(queries.starts[last]))
        if block.start == block.stop or not len(alive):
            continue
        asked = queries.values[block]
        filled = np.flatnonzero(queries.lengths[first:last] > 0)
        sums_at = queries.starts[first:last][filled] - block.start
        for start in range(0, len(alive), DOCUMENTS_AT_ONCE):
            rows = alive[start : start + DOCUMENTS_AT_ONCE]
            best = best_products(asked, _part(some, start, start + len(rows)), chosen.device)
            sums = np.add.reduceat(best, sums_at, axis=1)
            scores[np.ix_(first + filled, rows)] = sums.T
    scores[:, documents.lengths == 0] = EMPTY_DOCUMENT
    if chosen.measure == "meanmaxsim":
        scores /= np.maximum(queries.lengths, 1).astype(np.float32)[:, None]
    return scores


def blocks_of(lengths: IntVector, most: int) -> list[tuple[int, int]]:
    """Return ranges of texts that hold `most` tokens or fewer together, or are one text."""
    ranges, start, held = [], 0, 0
    for row, length in enumerate(lengths.tolist()):
        if row > start and held + length > most:
            ranges.append((start, row))
            start, held = row, 0
        held += length
    return [*ranges, (start, len(lengths))] if len(lengths) else []


def _numpy_best(queries: FloatMatrix, documents: TokenVectors, device: str) -> FloatMatrix:
    """Return the largest product of each document and query token, float32 `[n, query tokens]`."""
    del device
    best = np.full((len(documents), len(queries)), -np.inf, dtype=np.float32)
    asked = np.ascontiguousarray(queries.T)
    offset, end = int(documents.starts[0]), int(documents.starts[-1])
    products = np.empty((min(DOCUMENT_TOKENS, end - offset), len(queries)), dtype=np.float32)
    row = 0
    for start in range(offset, end, DOCUMENT_TOKENS):
        stop = min(start + DOCUMENT_TOKENS, end)
        some = np.matmul(documents.values[start:stop], asked, out=products[: stop - start])
        row = _take_best(some, start, documents.starts, best, row)
    return best


def _take_best(
    products: FloatMatrix, start: int, starts: IntVector, best: FloatMatrix, row: int
) -> int:
    """Raise `best` to the products of tokens from `start` on; return the document they end in."""
    stop = start + len(products)
    while row < len(best):
        first, last = max(int(starts[row]), start), min(int(starts[row + 1]), stop)
        largest: FloatVector = products[first - start : last - start].max(axis=0)
        np.maximum(best[row], largest, out=best[row])
        if int(starts[row + 1]) > stop:
            return row
        row += 1
        if row < len(best) and int(starts[row]) >= stop:
            break
    return row


def _torch_best(queries: FloatMatrix, documents: TokenVectors, device: str) -> FloatMatrix:
    """Return the same as `_numpy_best`, made with torch."""
    import torch

    place = search_device(device)
    # TF32 would round each factor to 10 bits; the protocol asks for float32 scores.
    torch.backends.cuda.matmul.allow_tf32 = False
    asked = torch.from_numpy(np.ascontiguousarray(queries.T)).to(place)
    parts = []
    for first, last in blocks_of(documents.lengths, max(1, GPU_PRODUCTS // len(queries))):
        part = _part(documents, first, last)
        values = torch.from_numpy(part.values[part.starts[0] : part.starts[-1]]).to(place)
        lengths = torch.from_numpy(part.lengths).to(place)
        best = torch.segment_reduce(values @ asked, "max", lengths=lengths, axis=0)
        parts.append(best.cpu().numpy())
    joined: FloatMatrix = np.concatenate(parts)
    return joined


def _part(vectors: TokenVectors, first: int, last: int) -> TokenVectors:
    """Return the texts `first` to `last` without copying their vectors."""
    return TokenVectors(vectors.values, vectors.starts[first : last + 1])


def _on_gpu(how: MaxSim, work: float) -> bool:
    """Tell whether torch multiplies: asked for, or a GPU is there and the work is worth it."""
    if how.engine != "auto":
        return how.engine == "torch"
    if "torch" not in sys.modules and (work < WORTH_LOADING or find_spec("torch") is None):
        return False
    import torch

    return torch.cuda.is_available()


def _check(queries: TokenVectors, documents: TokenVectors, how: MaxSim) -> None:
    """Raise what `maxsim_scores` raises."""
    for what, name, names in (
        ("similarity of token vectors", how.measure, MEASURES),
        ("search engine", how.engine, ENGINES),
    ):
        if name not in names:
            raise BadInput(f"{what} {name!r}", fix=f"Choose one of {', '.join(names)}.")
    if queries.values.shape[1] != documents.values.shape[1]:
        raise ModelError(
            f"query tokens have {queries.values.shape[1]} components, document tokens "
            f"{documents.values.shape[1]}",
            fix="Queries and documents must be encoded by the same model.",
        )
