"""Sides that rank texts by BM25; the corpus is that of `bm25_vs_bm25s.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bm25_vs_bm25s import Shape, read_lines, write_texts
from benchmarks.peers.scoring import Work, best_scores
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, PromptFields, Query, Task

QUERIES = 20
K = 1000


def texts(size: int, folder: Path) -> Task:
    """Return the task of made-up texts, drawn alike for both sides."""
    shape = Shape(size, queries=QUERIES, vocabulary=50_000)
    rng = np.random.default_rng(shape.seed)
    found = []
    for name, count, length in (
        ("documents", size, shape.document_characters), ("queries", QUERIES, 200)
    ):  # fmt: skip
        write_texts(folder / name, shape, count, length, rng)
        found.append(read_lines(folder / name))
    return Task(
        name="made-up", group="", revision="", query_set="original",
        queries=tuple(Query(str(at), text) for at, text in enumerate(found[1])),
        qrels={}, excluded={}, head_metric="ndcg@10",
        prompt_fields=PromptFields("", "", "", "", ""),
        corpus=Corpus(tuple(f"document/{at}" for at in range(size)), tuple(found[0])),
    )  # fmt: skip


def ours(size: int, folder: Path, *, weighted_query: bool) -> Any:
    """Return the task and a call that ranks it."""
    from harness.search.bm25 import Bm25Retriever, Bm25Settings

    task = texts(size, folder)
    made = Bm25Retriever("bm25", Bm25Settings(weighted_query=weighted_query))
    return task, lambda: made.search(task, min(K, size), SilentReporter()).run


def mean(scores: Sequence[float]) -> Sequence[float]:
    """Return the mean over a fixed scale, so that a difference is one in parts."""
    return [float(np.log(np.mean(scores)))]


def bm25_plain(size: int, folder: Path) -> Work:
    _, search = ours(size, folder, weighted_query=False)
    return lambda: mean(np.concatenate([each.scores for each in search().rankings.values()]))


def bm25s_plain(size: int, folder: Path) -> Work:
    import bm25s
    import Stemmer

    task = texts(size, folder)
    stemmer = Stemmer.Stemmer("porter")
    corpus = task.corpus or Corpus((), ())

    def ranked(documents: Sequence[str]) -> Any:
        def tokens(given: Sequence[str]) -> Any:
            return bm25s.tokenize(given, stopwords="en", stemmer=stemmer, show_progress=False)

        made = bm25s.BM25(k1=0.9, b=0.4, backend="numba", csc_backend="scipy")
        made.index(tokens(list(documents)), show_progress=False)
        asked = tokens([query.text for query in task.queries])
        return made.retrieve(
            asked, k=min(K, len(documents)), n_threads=1, show_progress=False
        ).scores

    ranked(corpus.texts[:200])  # compiles
    return lambda: mean(ranked(corpus.texts))


def bm25_bright(size: int, folder: Path) -> Work:
    task, search = ours(size, folder, weighted_query=True)
    return lambda: best_scores(search(), [query.id for query in task.queries])


def gensim_bright(size: int, folder: Path) -> Work:
    from gensim.corpora import Dictionary
    from gensim.models import LuceneBM25Model
    from gensim.similarities import SparseMatrixSimilarity

    from harness.search.lucene.analyzer import analyze

    task = texts(size, folder)
    documents = [list(analyze(text)) for text in (task.corpus or Corpus((), ())).texts]
    queries = [list(analyze(query.text)) for query in task.queries]

    def work() -> Sequence[float]:
        dictionary = Dictionary(documents)
        model = LuceneBM25Model(dictionary=dictionary, k1=0.9, b=0.4)
        rows = model[list(map(dictionary.doc2bow, documents))]
        index = SparseMatrixSimilarity(
            rows, num_docs=len(documents), num_terms=len(dictionary),
            normalize_queries=False, normalize_documents=False,
        )  # fmt: skip
        found: list[float] = []
        for query in queries:
            scores = index[model[dictionary.doc2bow(query)]]
            kept = np.argsort(-scores, kind="stable")[: min(K, size)]
            found += scores[kept[:10]].tolist()
        return found

    return work
