"""Written queries held out by fold: what is trained on, and the tasks that a fold is measured on.

Queries are dealt out to folds by their source, so that queries from one document stay together.
With fold k held out, training has neither its queries nor, as a passage, a source of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ablation.ports import TrainingData
from harness.core.errors import BadInput
from harness.core.hashing import sha256_json, sha256_text
from harness.core.training_row import TrainingRow, read_rows, write_rows
from harness.core.types import Corpus, PromptFields, Query, Task

WRITTEN = "written"
WITH_SOURCE = "written-with-source"
POSITIVE_FROM = 3
"""Least relevance (1 to 5) of a gold document, as in training rows."""


@dataclass(frozen=True, slots=True)
class WrittenQuery:
    """A query with its source, and the relevance of its judged documents: id -> 1 to 5."""

    id: str
    text: str
    source: str
    judged: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WrittenQueries:
    """All queries over their documents; `pool` names the retrievers whose candidates are judged."""

    queries: tuple[WrittenQuery, ...]
    corpus: Corpus
    prompt_fields: PromptFields
    pool: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenFolds:
    """`count` folds over the sources of written queries; 0 stands for all queries together.

    Raises `BadInput` for fewer sources than folds.
    """

    written: WrittenQueries
    count: int
    root: Path

    def __post_init__(self) -> None:
        """Check that every fold has a source."""
        sources = {query.source for query in self.written.queries}
        if len(sources) < self.count:
            raise BadInput(
                f"{len(sources)} sources for {self.count} folds", fix="Lower folds.count."
            )

    def fold_of(self) -> dict[str, int]:
        """Return source -> fold from 1, dealt out in the order of the sources' hashes."""
        sources = sorted({query.source for query in self.written.queries}, key=sha256_text)
        return {source: 1 + at % self.count for at, source in enumerate(sources)}

    def tasks(self, fold: int) -> tuple[Task, Task]:
        """Return the fold's queries as two tasks: gold without, and with, each query's source.

        Without it, the source is excluded from the ranking: it is no candidate in training either.
        Queries without a judged positive are only in the second.
        """
        folds = self.fold_of()
        kept = [query for query in self.written.queries if fold in (0, folds[query.source])]
        judged = [query for query in kept if _positives(query)]
        return (
            self._task(WRITTEN, judged, with_source=False),
            self._task(WITH_SOURCE, kept, with_source=True),
        )

    def _task(
        self,
        name: str,
        queries: Sequence[WrittenQuery],
        *,
        with_source: bool,
    ) -> Task:
        qrels = {query.id: _positives(query) for query in queries}
        if with_source:
            qrels = {query.id: {**qrels[query.id], query.source: 1} for query in queries}
        return Task(
            name=name,
            group=WRITTEN,
            revision=f"judged candidates of {', '.join(self.written.pool)}",
            query_set="original",
            corpus=self.written.corpus,
            queries=tuple(Query(query.id, query.text) for query in queries),
            qrels=qrels,
            excluded={} if with_source else {q.id: frozenset({q.source}) for q in queries},
            head_metric="ndcg@10",
            prompt_fields=self.written.prompt_fields,
        )

    def training_data(self, data: TrainingData, fold: int) -> TrainingData:
        """Return the rows that may be trained on with a fold held out, written once.

        Rows of its sources are left out, and its sources' texts as passages; a row that loses its
        last positive or negative goes too. Raises `BadInput` if nothing is left.
        """
        if not fold:
            return data
        sources = {source for source, number in self.fold_of().items() if number == fold}
        key = sha256_json([data.sha256, sorted(sources), self.count])
        path = self.root / "data" / f"fold-{key[:16]}.jsonl.gz"
        if not path.is_file():
            text_of = dict(zip(self.written.corpus.ids, self.written.corpus.texts, strict=True))
            banned = {text_of[source] for source in sources}
            rows = list(_without(read_rows(data.path), sources, banned))
            if not rows:
                raise BadInput(f"no row is left with fold {fold} held out", fix="Use fewer folds.")
            write_rows(path, iter(rows))
        return replace(data, path=path)


def _positives(query: WrittenQuery) -> dict[str, int]:
    """Return the gold documents, graded 1; the source is none of them."""
    return {
        doc: 1
        for doc, relevance in query.judged.items()
        if relevance >= POSITIVE_FROM and doc != query.source
    }


def _without(
    rows: Iterable[TrainingRow], sources: set[str], banned: set[str]
) -> Iterator[TrainingRow]:
    """Yield the rows of other sources, less the passages that are banned."""
    for row in rows:
        if row.source_id in sources:
            continue
        pos = [at for at, text in enumerate(row.pos) if text not in banned]
        neg = [at for at, text in enumerate(row.neg) if text not in banned]
        if pos and neg:
            yield replace(
                row,
                pos=tuple(row.pos[at] for at in pos),
                neg=tuple(row.neg[at] for at in neg),
                pos_scores=tuple(row.pos_scores[at] for at in pos) if row.pos_scores else (),
                neg_scores=tuple(row.neg_scores[at] for at in neg) if row.neg_scores else (),
            )
