"""Approximate search with FAISS, always held against exact search on the same queries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import BadInput, MissingExtra
from harness.core.types import Ranking, Run
from harness.search.dense import Asked
from harness.search.top_k import TopKRanker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.types import FloatMatrix

RECALL_DEPTHS = (10, 100)
SEED_ROWS = 262_144
"""Vectors an index is trained on at most: FAISS itself samples 256 per centroid."""


_ZERO = re.compile(r"(?<![0-9])0+(?![0-9])")
_ONE_LINK = re.compile(r"(HNSW|NSG)0*1(?![0-9])")
_ENDLESS = re.compile(r"[0-9]{8}")


def check_factory(factory: str) -> None:
    """Raise `BadInput` for a factory string on which FAISS ends the process or never returns.

    It does so for a count of 0, for graphs of one link a node, and for counts beyond memory.
    """
    if _ZERO.search(factory) or _ONE_LINK.search(factory) or _ENDLESS.search(factory):
        raise BadInput(
            f"the index {factory!r} has a number that FAISS cannot use",
            fix="Give a factory string such as Flat, HNSW32 or IVF256,Flat.",
        )


def search_approximate(
    query_vectors: FloatMatrix,
    document_vectors: FloatMatrix,
    document_ids: Sequence[str],
    queries: Sequence[Asked],
    k: int,
    factory: str,
    seed_rows: int = SEED_ROWS,
) -> Run:
    """Rank documents with the FAISS index that a factory string describes (inner product).

    Excluded documents are kept out inside the index, before its top k. It is trained on some
    `seed_rows` documents, twice as many at most. Raises `MissingExtra`
    without FAISS, `BadInput` for a factory string that FAISS refuses or that cannot exclude.
    """
    check_factory(factory)
    index = _build(document_vectors, factory, min(seed_rows, SEED_ROWS))
    corpus = TopKRanker(document_ids)
    depth = min(k, len(document_ids))
    rankings: dict[str, Ranking] = {}
    for vector, (qid, excluded) in zip(query_vectors, queries, strict=True):
        scores, found = _one(index, vector, depth, corpus.rows_of(excluded), factory)
        best = np.lexsort((corpus.order.of(found), -scores))
        ids = tuple(document_ids[row] for row in found[best])
        rankings[qid] = Ranking(ids, scores[best].astype(np.float32))
    return Run(rankings)


def recall_of(approximate: Run, exact: Run) -> dict[int, float]:
    """Return the share of exact neighbours that an approximate run holds, by depth.

    The mean over queries of |approximate ∩ exact| / |exact|, both cut at 10 and at 100.
    """
    recall = {}
    for depth in RECALL_DEPTHS:
        shares = []
        for qid, ranking in exact.rankings.items():
            wanted = set(ranking.doc_ids[:depth])
            got = set(approximate.rankings[qid].doc_ids[:depth])
            shares.append(len(wanted & got) / len(wanted) if wanted else 1.0)
        recall[depth] = float(np.mean(shares)) if shares else 1.0
    return recall


def _build(document_vectors: FloatMatrix, factory: str, seed_rows: int) -> Any:
    """Return a trained index that holds all vectors."""
    faiss = _faiss()
    try:
        index = faiss.index_factory(document_vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        vectors = np.ascontiguousarray(document_vectors)
        if not index.is_trained:
            step = max(1, len(vectors) // seed_rows)
            index.train(vectors[::step])
        index.add(vectors)
    except RuntimeError as error:
        raise BadInput(
            f"FAISS refuses the index {factory!r}: {_last_line(error)}",
            fix="Give a factory string such as Flat, HNSW32 or IVF256,Flat.",
        ) from error
    return index


def _one(
    index: Any, vector: NDArray[np.float32], depth: int, excluded: NDArray[np.intp], factory: str
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return scores and rows of one query's neighbours, holes of a short answer left out."""
    faiss = _faiss()
    parameters = None
    if len(excluded):
        keep = faiss.IDSelectorNot(faiss.IDSelectorBatch(excluded.astype(np.int64)))
        parameters = _parameters(index, keep)
    try:
        scores, rows = index.search(vector[None, :], depth, params=parameters)
    except RuntimeError as error:
        raise BadInput(
            f"the index {factory!r} cannot keep excluded documents out: {_last_line(error)}",
            fix="Use Flat, an IVF or an HNSW index for a task that excludes documents.",
        ) from error
    found = rows[0] >= 0
    return scores[0][found], rows[0][found].astype(np.intp)


def _parameters(index: Any, keep: Any) -> Any:
    """Return the search parameters of an index' kind; what the index was set to stays."""
    faiss = _faiss()
    plain = faiss.downcast_index(index)
    if isinstance(plain, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=keep, nprobe=plain.nprobe)
    if isinstance(plain, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=keep, efSearch=plain.hnsw.efSearch)
    return faiss.SearchParameters(sel=keep)


def _faiss() -> Any:
    """Import FAISS; raises `MissingExtra`."""
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss", "faiss") from error
    return faiss


def _last_line(error: RuntimeError) -> str:
    """Return the telling part of FAISS' multi-line messages."""
    return str(error).strip().splitlines()[-1]
