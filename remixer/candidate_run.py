"""Candidates from a run file: what any system, or a pool of several, ranked for the queries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.protocols import Reporter
from harness.core.types import Json, Ranking, RetrievalResult, Run, Task


class CandidateRun:
    """A `Retriever` over a stored run, TREC or `score.json`; query ids are the source documents.

    Queries and documents that one side lacks are refused. With `tolerant`, a query that the run
    lacks has no candidates, documents that the task lacks are left out, and both are counted in a
    warning: for files that were made with documents which differ somewhat from those at hand.
    """

    def __init__(self, path: Path, *, tolerant: bool = False) -> None:
        """Name the file; it is read at the first search."""
        self._path = path
        self._tolerant = tolerant

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return self._path.name

    @cached_property
    def _run(self) -> Run:
        from harness.data.trec import read_run

        return read_run(self._path)

    @cached_property
    def _sha256(self) -> str:
        from harness.core.hashing import sha256_file

        if not self._path.is_file():
            raise BadInput(f"no run at {self._path}", fix="Check the path.")
        return sha256_file(self._path)

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the file's SHA-256: the run is what the file says, on any task."""
        return {"candidates": self._sha256}

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Return each query's best `k` of the run, excluded documents masked before the cut.

        Raises `BadInput`, naming the first, for queries without a ranking and for documents that
        the task's corpus lacks; `tolerant` warns instead.
        """
        start = time.perf_counter()
        self._check(task, reporter)
        known = frozenset(task.corpus.ids) if task.corpus is not None else frozenset()
        rankings = {}
        for query in task.queries:
            ranking = self._run.rankings.get(query.id)
            docs = () if ranking is None else ranking.doc_ids
            hidden = task.excluded.get(query.id, frozenset())
            rows = [at for at, doc in enumerate(docs) if doc in known and doc not in hidden][:k]
            rankings[query.id] = _kept(ranking, rows)
        return RetrievalResult(
            run=Run(rankings), timings={"search": time.perf_counter() - start}, facts={}
        )

    def _check(self, task: Task, reporter: Reporter) -> None:
        """Say which ids do not fit: as an error, or as a warning if that is tolerated."""
        rankings = self._run.rankings
        known = frozenset(task.corpus.ids) if task.corpus is not None else frozenset()
        asked = [query.id for query in task.queries]
        missing = [name for name in asked if name not in rankings]
        unknown = [
            doc
            for name in asked
            if name in rankings
            for doc in rankings[name].doc_ids
            if doc not in known
        ]
        problems = []
        if missing:
            problems.append(
                f"ranks nothing for {len(missing):,} of {len(asked):,} queries, {_first(missing)}"
            )
        if unknown:
            problems.append(
                f"ranks {len(set(unknown)):,} documents that {task.name} lacks, {_first(unknown)}"
            )
        for text in problems:
            if not self._tolerant:
                raise BadInput(
                    f"{self._path} {text}",
                    fix="Give a run over these documents whose query ids are the documents that "
                    "the queries were written from.",
                )
            reporter.warn(f"{self.name} {text}: they are left out")


def _kept(ranking: Ranking | None, rows: Sequence[int]) -> Ranking:
    """Return some ranks of a ranking; an empty one without a ranking."""
    import numpy as np

    if ranking is None:
        return Ranking((), np.empty(0, dtype=np.float32))
    return Ranking(tuple(ranking.doc_ids[at] for at in rows), ranking.scores[list(rows)])


def _first(names: Sequence[str]) -> str:
    return f"such as {names[0]!r}"
