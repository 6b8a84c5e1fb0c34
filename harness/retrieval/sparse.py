"""The sparse retriever: weights of terms through the store, and exact search over them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness.cache.store import EmbeddingStore
from harness.cache.workers import Workers
from harness.core.protocols import Reporter, SparseEmbedder
from harness.core.types import ROLES, Json, RetrievalResult, Role, Run, Task
from harness.retrieval.encoded import EncodedRetriever, EncodedTask
from harness.search.approximate import recall_of
from harness.search.sparse import search_sparse
from harness.search.sparse_rows import Pruned, prune, unit_rows

if TYPE_CHECKING:
    from harness.core.types import SparseRows

_WITHOUT_TERMS: Mapping[Role, tuple[str, str]] = {
    "query": ("queries", "all documents tie for them and stand by id"),
    "document": ("documents", "they score 0 for every query"),
}
TERMS_TOLD = 10
"""Heaviest terms of a query that are kept with an entry, for people to read."""
WEIGHT_DIGITS = 4
_MARKS = ("##", "\u0120", "\u2581")
"""How vocabularies mark a piece within a word, or a word's beginning."""


class SparseRetriever(EncodedRetriever["SparseRows"]):
    """Ranks by inner product of term weights, or by their cosine where the embedder says so.

    Vectors are stored whole; `max_active` of the embedder cuts them when they are searched, so
    that another limit encodes nothing, and its effect is measured on the same queries and kept
    with the facts.
    """

    def __init__(
        self,
        embedder: SparseEmbedder,
        store: EmbeddingStore | None = None,
        workers: Workers | None = None,
    ) -> None:
        super().__init__(embedder, store, workers)
        self.embedder = embedder

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the model's identity, its two spaces, and how their vectors are cut and scored."""
        cuts = [
            f"{most} terms a {role}" for role in ROLES if (most := self.embedder.max_active(role))
        ]
        cosine = ["cosine"] if self._cosine else []
        return self._identity(task, ", ".join(["exact, sparse", *cosine, *cuts]))

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Encode documents and queries, cut and search them with exclusions masked."""
        encoded = self._encode_task(task, reporter)
        whole = {"query": encoded.queries.vectors, "document": encoded.documents.vectors}
        start = time.perf_counter()
        used = {role: prune(whole[role], self.embedder.max_active(role)) for role in ROLES}
        run = self._search(encoded, used["query"].rows, used["document"].rows, k)
        seconds = time.perf_counter() - start
        active: dict[str, Json] = {role: _active(whole[role], used[role]) for role in ROLES}
        facts: dict[str, Json] = {
            "dimension": int(whole["document"].shape[1]),
            "active": active,
            "query_terms": self._query_terms(task, used["query"].rows),
        }
        for role in ROLES:
            self._warn(role, whole[role], task, reporter)
        if any(each.cut for each in used.values()):
            uncut = self._search(encoded, whole["query"], whole["document"], k)
            recall = recall_of(run, uncut)
            facts["recall_against_uncut"] = {str(depth): recall[depth] for depth in recall}
            reporter.note(self._effect(task, used, recall[10]))
        return encoded.result(run, seconds, facts)

    def _query_terms(self, task: Task, rows: SparseRows) -> dict[str, Json]:
        """Return, per query, its heaviest terms as `[term, weight, expansion]`, heaviest first.

        An expansion is a term that the query's text does not hold, whatever the case of letters.
        """
        heaviest = prune(rows, TERMS_TOLD).rows
        columns = np.unique(heaviest.indices).tolist()
        names = dict(zip(columns, self.embedder.terms(columns), strict=True))
        told: dict[str, Json] = {}
        for row, query in enumerate(task.queries):
            span = slice(heaviest.indptr[row], heaviest.indptr[row + 1])
            pairs = zip(heaviest.data[span].tolist(), heaviest.indices[span].tolist(), strict=True)
            text = query.text.lower()
            told[query.id] = [
                [names[column], round(weight, WEIGHT_DIGITS), _bare(names[column]) not in text]
                for weight, column in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
            ]
        return told

    @property
    def _cosine(self) -> bool:
        return self.embedder.similarity == "cosine"

    def _search(
        self, encoded: EncodedTask[SparseRows], queries: SparseRows, documents: SparseRows, k: int
    ) -> Run:
        """Rank by inner product of the rows, scaled to norm 1 for the cosine."""
        if self._cosine:
            queries, documents = unit_rows(queries), unit_rows(documents)
        return search_sparse(queries, documents, encoded.corpus.ids, encoded.asked, k)

    def _effect(self, task: Task, used: Mapping[Role, Pruned], recall: float) -> str:
        """Return in a sentence what the limits of terms took."""
        parts = [
            f"{used[role].cut:,} {_WITHOUT_TERMS[role][0]} cut to {self.embedder.max_active(role)} "
            f"terms keep {used[role].kept:.1%} of their weight"
            for role in ROLES
            if used[role].cut
        ]
        parts.append(f"of the first 10 documents {recall:.1%} are those without a limit")
        return f"{self.name} on {task.name}: {'; '.join(parts)}"

    def _warn(self, role: Role, rows: SparseRows, task: Task, reporter: Reporter) -> None:
        """Say how many texts have no term: such a query ranks everything alike."""
        empty = int((np.diff(rows.indptr) == 0).sum())
        if not empty:
            return
        texts, effect = _WITHOUT_TERMS[role]
        reporter.warn(
            f"{self.name}: {empty:,} of {rows.shape[0]:,} {texts} of {task.name} have no term "
            f"with a weight, so {effect}"
        )


def _active(whole: SparseRows, used: Pruned) -> dict[str, Json]:
    """Return terms per text before and after the cut, texts without any, and what the cut took."""
    before, after = np.diff(whole.indptr), np.diff(used.rows.indptr)
    return {
        "mean": float(before.mean()),
        "most": int(before.max()),
        "none": int((before == 0).sum()),
        "mean_used": float(after.mean()),
        "texts_cut": used.cut,
        "weight_kept": used.kept,
    }


def _bare(term: str) -> str:
    """Return a term as it would stand in a text: in lower case, without the vocabulary's marks."""
    for mark in _MARKS:
        term = term.removeprefix(mark)
    return term.lower()
