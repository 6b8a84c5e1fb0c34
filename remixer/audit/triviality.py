"""Triviality, on a sample: does BM25 rank positives first, and does the query quote them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.core.protocols import Reporter
from harness.core.types import Corpus, PromptFields, Task
from harness.search.bm25 import Bm25Settings, build_index
from remixer.audit.contradictions import RowFacts
from remixer.audit.measures import Tally
from remixer.audit.reader import AuditRow
from remixer.near_duplicates.shingles import ShingledTexts, shares_shingle, shingle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.types import FloatVector
    from remixer.near_duplicates.shingles import Bits

LONG_SHINGLE = 8
"""Words in a row that a query hardly shares with a text by chance (our choice)."""

_IN_TEN = 10
_QUERIES_AT_ONCE = 64


class SampleScorer(Protocol):
    """Scores documents for a query: higher is more relevant, on any scale."""

    @property
    def name(self) -> str:
        """Return the scorer's name."""

    def scores(
        self, task: Task, pairs: Sequence[tuple[str, Sequence[str]]], reporter: Reporter
    ) -> list[list[float]]:
        """Return, for each (query, document ids), a score per document."""


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """The documents that a task's sample is ranked among: each text once.

    `row_of` maps a text to its index in `texts`. `text_of` maps document ids to texts; it is empty
    unless the pool is a corpus (`is_corpus`).
    """

    texts: tuple[str, ...]
    row_of: Mapping[str, int]
    text_of: Mapping[str, str] = field(default_factory=dict)
    is_corpus: bool = False


def candidate_pool(
    corpus: Corpus | None, rows: Sequence[AuditRow], others: Iterable[str], size: int
) -> CandidatePool:
    """Return the corpus, if there is one, and the passages of the sampled rows.

    Without a corpus, `others` are added to these passages until the pool has `size` texts.
    """
    row_of: dict[str, int] = {}
    for text in () if corpus is None else corpus.texts:
        row_of.setdefault(text, len(row_of))
    for audited in rows:
        for text in (*audited.row.pos, *audited.row.neg):
            row_of.setdefault(text, len(row_of))
    for text in others:
        if len(row_of) >= size:
            break
        row_of.setdefault(text, len(row_of))
    text_of = {} if corpus is None else corpus.text_of
    return CandidatePool(tuple(row_of), row_of, text_of, corpus is not None)


def count_ranks(
    rows: Sequence[AuditRow], pool: CandidatePool, tally: Tally, reporter: Reporter
) -> None:
    """Count where BM25 ranks positives, sources and negatives of sampled rows that have positives.

    The source is left out of the ranking unless it is a positive: in a row made by ReMixer it would
    take the first rank, which is what is measured. A rank is one more than the number of documents
    with a higher score; a document that shares no term has no rank.
    """
    asked = [audited for audited in rows if audited.row.pos]
    if not asked:
        return
    with reporter.bar("indexing", len(pool.texts), "documents") as advance:
        index = build_index(pool.texts, Bm25Settings(), advance)
    with reporter.bar("ranking", len(asked), "queries") as advance:
        for first in range(0, len(asked), _QUERIES_AT_ONCE):
            group = asked[first : first + _QUERIES_AT_ONCE]
            every = index.scores([index.query_weights(audited.row.query) for audited in group])
            for audited, scores in zip(group, every, strict=True):
                _count_row(audited, scores, pool, tally)
            advance(len(group))


def _count_row(audited: AuditRow, scores: FloatVector, pool: CandidatePool, tally: Tally) -> None:
    """Count one row from the scores of all documents."""
    row, task, location = audited.row, audited.task, audited.location
    own = {pool.row_of[text] for text in row.pos}
    best = max(float(scores[at]) for at in own)
    source = pool.row_of.get(pool.text_of.get(row.source_id, ""))
    above = int(np.count_nonzero(scores > best))
    if source is not None and source not in own and scores[source] > best:
        above -= 1
    ranked = best > 0
    tally.add("positive_is_first", task, location, int(ranked and above == 0))
    tally.add("positive_in_ten", task, location, int(ranked and above < _IN_TEN))
    if source is not None:
        score = scores[source]
        first = score > 0 and not np.count_nonzero(scores > score)
        tally.add("source_is_first", task, location, int(first))
    if row.neg:
        higher = sum(float(scores[pool.row_of[text]]) > best for text in row.neg)
        tally.add("negative_above_positives", task, location, higher, len(row.neg))


def count_shared_shingles(rows: Sequence[AuditRow], pool: CandidatePool, tally: Tally) -> None:
    """Count queries and reasonings that share `LONG_SHINGLE` words in a row with other texts.

    Those are the positives of their row, and their source if its text is known.
    """
    queries = shingle([audited.row.query for audited in rows], LONG_SHINGLE)
    reasonings = shingle([audited.row.reasoning_query for audited in rows], LONG_SHINGLE)
    for at, audited in enumerate(rows):
        task, location = audited.task, audited.location
        source = pool.text_of.get(audited.row.source_id)
        positives = shingle(audited.row.pos, LONG_SHINGLE)
        sources = shingle([] if source is None else [source], LONG_SHINGLE)
        parts = [("query_shares_shingle", "source_shares_shingle", queries)]
        if audited.row.reasoning_query:
            names = "reasoning_shares_shingle", "reasoning_shares_source_shingle"
            parts.append((*names, reasonings))
        for with_positive, with_source, texts in parts:
            if audited.row.pos:
                tally.add(with_positive, task, location, int(_shares(texts, at, positives)))
            if source is not None:
                tally.add(with_source, task, location, int(_shares(texts, at, sources)))


def _shares(texts: ShingledTexts, at: int, others: ShingledTexts) -> bool:
    """Return True if text `at` shares a shingle with one of the others."""
    return any(shares_shingle(texts, at, others, other) for other in range(len(others.keys)))


def count_sources(
    rows: Sequence[RowFacts], corpus: Corpus | None, passage_keys: Bits, tally: Tally
) -> None:
    """Count rows whose source is among their positives or negatives.

    By text if the corpus is available, by id if rows name their positives' ids; other rows are not
    counted.
    """
    source_ids = {row.source_id for row in rows if row.source_id}
    key_of: dict[str, int] = {}
    if corpus is not None and source_ids:
        named = sorted(source_ids & corpus.text_of.keys())
        keys = shingle([corpus.text_of[name] for name in named]).keys.tolist()
        key_of = dict(zip(named, keys, strict=True))
    for row in rows:
        key = key_of.get(row.source_id)
        if not row.source_id or (key is None and not row.positive_ids):
            continue
        positive = row.source_id in row.positive_ids
        positive = positive or (
            key is not None and bool((passage_keys[row.positives] == key).any())
        )
        tally.add("source_is_positive", row.task, row.location, int(positive))
        if key is not None:
            negative = bool((passage_keys[row.negatives] == key).any())
            tally.add("source_is_negative", row.task, row.location, int(negative))


def count_embedded(
    rows: Sequence[AuditRow], scorer: SampleScorer, wording: PromptFields | None, tally: Tally,
    reporter: Reporter,
) -> None:  # fmt: skip
    """Count negatives that a scorer ranks above every positive of their row."""
    asked = [audited for audited in rows if audited.row.pos and audited.row.neg]
    if not asked:
        return
    pool = candidate_pool(None, asked, (), 0)
    ids = tuple(map(str, range(len(pool.texts))))
    name = asked[0].task
    task = Task(
        name=name,
        group="audit",
        revision="",
        query_set="training",
        queries=(),
        qrels={},
        excluded={},
        head_metric="ndcg@10",
        prompt_fields=wording or PromptFields(name, name, "question", "question", "documents"),
        corpus=Corpus(ids, pool.texts),
    )
    pairs = [
        (
            audited.row.query,
            [ids[pool.row_of[text]] for text in (*audited.row.pos, *audited.row.neg)],
        )
        for audited in asked
    ]
    for audited, scores in zip(asked, scorer.scores(task, pairs, reporter), strict=True):
        positives = len(audited.row.pos)
        best = max(scores[:positives])
        higher = sum(score > best for score in scores[positives:])
        tally.add(
            "negative_above_embedded",
            audited.task,
            audited.location,
            higher,
            len(scores) - positives,
        )
