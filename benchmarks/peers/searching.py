"""Sides that search ready vectors: with documents left out for each query, and by MaxSim."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.scoring import Work, best_scores

K = 1000
DIMENSION = 256
QUERIES = 50


def mteb_metadata() -> Any:
    """Return what mteb asks to be told of a task."""
    from mteb.abstasks.task_metadata import TaskMetadata

    return TaskMetadata(
        name="LocalRetrieval", description="made up", reference=None, type="Retrieval",
        category="t2t", modalities=["text"], eval_splits=["test"], eval_langs=["eng-Latn"],
        main_score="ndcg_at_10", dataset={"path": "local", "revision": "1"}, date=None,
        domains=None, task_subtypes=None, license=None, annotations_creators=None, dialect=None,
        sample_creation=None, bibtex_citation=None,
    )  # fmt: skip


def vectors(size: int) -> Any:
    """Return documents, queries, and the best documents of each query that it leaves out."""
    from benchmarks import dense_search

    dense_search.MOST_EXCLUDED = K
    return dense_search.made(Namespace(documents=size, dimension=DIMENSION, queries=QUERIES))


def best_of(rows: Any) -> Sequence[float]:
    """Return the best 10 of each row of scores, highest first."""
    return [float(each) for row in rows for each in np.sort(np.asarray(row))[::-1][:10]]


def masked(size: int, _: Path) -> Work:
    from harness.search.dense import search_dense

    made = vectors(size)
    asked = [(str(row), left_out) for row, left_out in enumerate(made.best)]
    search_dense(made.queries[:2], made.documents[:K], made.ids[:K], asked[:2], 10)
    return lambda: best_scores(
        search_dense(made.queries, made.documents, made.ids, asked, K),
        [name for name, _ in asked],
    )


def masked_mteb(size: int, _: Path) -> Work:
    """Rank the documents that each query may see, as mteb's BRIGHT tasks do; vectors are there."""
    from datasets import Dataset
    from mteb.models.search_wrappers import rerank_top_ranked_documents
    from sentence_transformers.util import cos_sim, dot_score

    made = vectors(size)
    allowed = {
        str(row): [doc for doc in made.ids if doc not in left_out]
        for row, left_out in enumerate(made.best)
    }
    corpus = Dataset.from_dict({"id": made.ids, "text": ["-"] * size, "title": [""] * size})
    names = {row: str(row) for row in range(QUERIES)}
    dot_score(made.queries[:1], made.documents[:1]), cos_sim(made.queries[:1], made.documents[:1])

    def work() -> Sequence[float]:
        found = rerank_top_ranked_documents(
            task_corpus=corpus, query_idx_to_id=names, query_embeddings=made.queries,
            top_ranked=allowed, top_k=K, task_metadata=mteb_metadata(), hf_subset="default",
            hf_split="test", encode_kwargs={"show_progress_bar": False},
            encode_fn=lambda *_, **__: made.documents, similarity_fn=dot_score,
        )  # fmt: skip
        return best_of([score for score, _ in found[names[row]]] for row in names)

    return work


def masked_faiss(size: int, _: Path) -> Work:
    import faiss

    made = vectors(size)
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(made.documents)
    row_of = {doc: row for row, doc in enumerate(made.ids)}

    def work() -> Sequence[float]:
        found = []
        for row, left_out in enumerate(made.best):
            rows = np.array(sorted(row_of[doc] for doc in left_out), dtype=np.int64)
            kept = faiss.SearchParameters(sel=faiss.IDSelectorNot(faiss.IDSelectorBatch(rows)))
            found.append(index.search(made.queries[row : row + 1], K, params=kept)[0][0])
        return best_of(found)

    return work


TOKENS, ASKED_TOKENS, ASKED, TOKEN_DIMENSION, DEPTH = 180, 32, 50, 128, 100


def token_states(texts: int, tokens: int, seed: int) -> Any:
    """Return random token vectors of norm 1, float32 `[texts, tokens, 128]`."""
    made = np.random.default_rng(seed).standard_normal(
        (texts, tokens, TOKEN_DIMENSION), dtype=np.float32
    )
    made /= np.linalg.norm(made, axis=2, keepdims=True)
    return made


def maxsim(size: int, _: Path) -> Work:
    from harness.core.types import TokenVectors
    from harness.search.late import search_late

    documents, queries = (
        TokenVectors(states.reshape(-1, TOKEN_DIMENSION),
                     np.arange(len(states) + 1, dtype=np.int64) * states.shape[1])
        for states in (token_states(size, TOKENS, 1), token_states(ASKED, ASKED_TOKENS, 2))
    )  # fmt: skip
    ids = [f"d{row}" for row in range(size)]
    asked = [(str(row), frozenset[str]()) for row in range(ASKED)]
    return lambda: best_scores(
        search_late(queries, documents, ids, asked, DEPTH), [name for name, _ in asked]
    )


def by_product(size: int, score: Any) -> Work:
    """Return a call that scores all documents with a peer's function and keeps the best."""
    import torch

    documents, queries = (
        torch.from_numpy(token_states(*each))
        for each in ((size, TOKENS, 1), (ASKED, ASKED_TOKENS, 2))
    )
    return lambda: best_of(
        torch.topk(score(queries, documents), min(DEPTH, size), dim=1).values.numpy()
    )


def maxsim_sentence_transformers(size: int, _: Path) -> Work:
    from sentence_transformers.util import maxsim as score

    return by_product(size, score)


def maxsim_pylate(size: int, _: Path) -> Work:
    from pylate.scores import colbert_scores

    return by_product(size, colbert_scores)
