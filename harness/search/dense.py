"""Exact dense search: inner products, excluded documents masked before the cut."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

from harness.core.errors import BadInput, MissingExtra, ModelError
from harness.core.types import Ranking, Run
from harness.search.top_k import TopKRanker

if TYPE_CHECKING:
    import torch

    from harness.core.types import FloatMatrix


SCORE_BYTES = 256 * 1024 * 1024
"""Memory for one block of scores; a block holds whole rows of at least one query."""

ENGINES = ("auto", "numpy", "torch")
"""Who multiplies. `auto` takes torch where a model has loaded it, or where it is installed and the
product is large enough to pay for loading it; else NumPy."""

DISTANCES = {"euclidean": "euclidean", "manhattan": "cityblock"}
"""Distances that can rank -> scipy's names of them."""

WORTH_LOADING = 2e11
"""Multiplications and additions from which a GPU or a faster library outweighs the seconds that
importing torch takes: some 2 s of NumPy on two cores."""

Asked: TypeAlias = tuple[str, frozenset[str]]
"""A query's id and the documents that must not be ranked for it."""


@dataclass(frozen=True, slots=True)
class DenseSearch:
    """How a search is run.

    `engine` is one of `ENGINES`; `device` is torch's (`cpu`, `cuda:0`; empty: the first GPU, or
    the CPU). Products are accumulated in float32 whatever the device. With a `distance`, one of
    `DISTANCES`, the score is its negative, computed in float64. A block of scores takes
    `score_bytes`, or those of one query if they are more.
    """

    engine: str = "auto"
    device: str = ""
    distance: str = ""
    score_bytes: int = SCORE_BYTES


def search_dense(
    query_vectors: FloatMatrix,
    document_vectors: FloatMatrix,
    document_ids: Sequence[str],
    queries: Sequence[Asked],
    k: int,
    how: DenseSearch | None = None,
) -> Run:
    """Rank all documents for each query by inner product; keep the best `k`.

    `query_vectors` is float32 `[q, d]`, `document_vectors` float32 `[n, d]`. Excluded ids that
    the corpus lacks are ignored. The score matrix never needs to fit: it is made in blocks.
    `document_vectors` may be mapped from a file. Raises `ModelError` when dimensions differ or a
    score is not finite.
    """
    if query_vectors.shape[1] != document_vectors.shape[1]:
        raise ModelError(
            f"queries have {query_vectors.shape[1]} components, documents "
            f"{document_vectors.shape[1]}",
            fix="Queries and documents must be embedded by the same model.",
        )
    work = 2.0 * len(queries) * document_vectors.size
    chosen = how or DenseSearch()
    if chosen.distance:
        multiply = _negative_distance(document_vectors, chosen.distance)
    else:
        multiply = _multiplier(document_vectors, chosen, work)
    corpus = TopKRanker(document_ids)
    step = max(1, chosen.score_bytes // (4 * max(1, len(document_ids))))
    rankings: dict[str, Ranking] = {}
    for start in range(0, len(queries), step):
        block = multiply(query_vectors[start : start + step])
        for scores, (qid, excluded) in zip(block, queries[start : start + step], strict=True):
            best = corpus.best(scores, k, excluded)
            ids = tuple(map(document_ids.__getitem__, best.tolist()))
            rankings[qid] = Ranking(ids, scores[best])
    return Run(rankings)


def _negative_distance(
    document_vectors: FloatMatrix, distance: str
) -> Callable[[FloatMatrix], FloatMatrix]:
    """Return what turns query vectors `[b, d]` into negative distances, float32 `[b, n]`."""
    if distance not in DISTANCES:
        raise BadInput(f"distance {distance!r}", fix=f"Choose one of {', '.join(DISTANCES)}.")
    import numpy as np
    from scipy.spatial.distance import cdist

    metric = DISTANCES[distance]

    def score(queries: FloatMatrix) -> FloatMatrix:
        scores: FloatMatrix = (-cdist(queries, document_vectors, metric)).astype(np.float32)
        return scores

    return score


def _multiplier(
    document_vectors: FloatMatrix, how: DenseSearch, work: float
) -> Callable[[FloatMatrix], FloatMatrix]:
    """Return what turns query vectors `[b, d]` into scores, float32 `[b, n]`."""
    if how.engine not in ENGINES:
        raise BadInput(f"search engine {how.engine!r}", fix=f"Choose one of {', '.join(ENGINES)}.")
    worth = "torch" in sys.modules or (work >= WORTH_LOADING and find_spec("torch") is not None)
    if how.engine == "torch" or (how.engine == "auto" and worth):
        return torch_multiplier(document_vectors, how.device)
    return lambda queries: queries @ document_vectors.T


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
    place = search_device(device)
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


def search_device(name: str) -> torch.device:
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
