"""Is the positive what word matching finds first? BM25 over a task's documents, for a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.core.protocols import Reporter
from harness.core.types import Corpus, Task, Wording
from harness.search.bm25_index import Bm25Settings, build_index
from remixer.audit_duplicates import RowFacts
from remixer.audit_file import AuditRow
from remixer.audit_tally import Tally
from remixer.audit_texts import prepare, shared_run
from remixer.scorers import Scorer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.types import FloatVector
    from remixer.audit_texts import Bits

LONG_RUN = 8
"""Words in a row that a query hardly shares with a text by chance (ours)."""

_IN_TEN = 10
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Ground:
    """The documents that a task's sample is ranked among: each text once.

    `place_of` maps a text to its place in `texts`; `source_of` a document's id to its text, where
    the corpus is at hand (`at_hand`).
    """

    texts: tuple[str, ...]
    place_of: Mapping[str, int]
    source_of: Mapping[str, str] = field(default_factory=dict)
    at_hand: bool = False


def make_ground(
    corpus: Corpus | None, rows: Sequence[AuditRow], others: Iterable[str], size: int
) -> Ground:
    """Return the corpus, if there is one, with the sampled rows' passages.

    Without a corpus it is these passages, and of `others` as many as it takes to make `size`.
    """
    place_of: dict[str, int] = {}
    for text in () if corpus is None else corpus.texts:
        place_of.setdefault(text, len(place_of))
    for audited in rows:
        for text in (*audited.row.pos, *audited.row.neg):
            place_of.setdefault(text, len(place_of))
    for text in others:
        if len(place_of) >= size:
            break
        place_of.setdefault(text, len(place_of))
    source_of = {} if corpus is None else corpus.text_of
    return Ground(tuple(place_of), place_of, source_of, corpus is not None)


def count_ranks(rows: Sequence[AuditRow], ground: Ground, tally: Tally, reporter: Reporter) -> None:
    """Count where BM25 ranks positives, sources and negatives of sampled rows that have positives.

    The source is left out of the ranking unless it is a positive: with a row made the ReMixer way
    it would hold the first place that the question is about. A rank is one more than the number of
    documents with a higher score; a document that shares no term has none.
    """
    asked = [audited for audited in rows if audited.row.pos]
    if not asked:
        return
    with reporter.bar("indexing", len(ground.texts), "documents") as advance:
        index = build_index(ground.texts, Bm25Settings(), advance)
    with reporter.bar("ranking", len(asked), "queries") as advance:
        for first in range(0, len(asked), _QUERIES_AT_ONCE):
            group = asked[first : first + _QUERIES_AT_ONCE]
            every = index.scores([index.query_weights(audited.row.query) for audited in group])
            for audited, scores in zip(group, every, strict=True):
                _count_row(audited, scores, ground, tally)
            advance(len(group))


def _count_row(audited: AuditRow, scores: FloatVector, ground: Ground, tally: Tally) -> None:
    """Count one row by the scores of all documents."""
    row, task, place = audited.row, audited.task, audited.place
    own = {ground.place_of[text] for text in row.pos}
    best = max(float(scores[at]) for at in own)
    source = ground.place_of.get(ground.source_of.get(row.source_id, ""))
    above = int(np.count_nonzero(scores > best))
    if source is not None and source not in own and scores[source] > best:
        above -= 1
    ranked = best > 0
    tally.add("positive_is_first", task, place, int(ranked and above == 0))
    tally.add("positive_in_ten", task, place, int(ranked and above < _IN_TEN))
    if source is not None:
        score = scores[source]
        first = score > 0 and not np.count_nonzero(scores > score)
        tally.add("source_is_first", task, place, int(first))
    if row.neg:
        higher = sum(float(scores[ground.place_of[text]]) > best for text in row.neg)
        tally.add("negative_above_positives", task, place, higher, len(row.neg))


def count_shared_runs(rows: Sequence[AuditRow], ground: Ground, tally: Tally) -> None:
    """Count queries that share a run of `LONG_RUN` words with a positive, and with their source."""
    queries = prepare([audited.row.query for audited in rows], LONG_RUN)
    for at, audited in enumerate(rows):
        if audited.row.pos:
            texts = prepare(audited.row.pos, LONG_RUN)
            found = any(shared_run(queries, at, texts, n) for n in range(len(audited.row.pos)))
            tally.add("query_shares_run", audited.task, audited.place, int(found))
        source = ground.source_of.get(audited.row.source_id)
        if source is not None:
            found = shared_run(queries, at, prepare([source], LONG_RUN), 0)
            tally.add("source_shares_run", audited.task, audited.place, int(found))


def count_sources(
    rows: Sequence[RowFacts], corpus: Corpus | None, passage_keys: Bits, tally: Tally
) -> None:
    """Count rows whose source is among their positives or negatives.

    By text where the corpus is at hand, by id where rows name their positives' ids; rows of which
    neither is known are not counted.
    """
    wanted = {row.source_id for row in rows if row.source_id}
    key_of: dict[str, int] = {}
    if corpus is not None and wanted:
        found = [
            (key, text) for key, text in zip(corpus.ids, corpus.texts, strict=True) if key in wanted
        ]
        keys = prepare([text for _, text in found]).keys.tolist()
        key_of = {name: key for (name, _), key in zip(found, keys, strict=True)}
    for row in rows:
        key = key_of.get(row.source_id)
        if not row.source_id or (key is None and not row.positive_ids):
            continue
        positive = row.source_id in row.positive_ids
        positive = positive or (
            key is not None and bool((passage_keys[row.positives] == key).any())
        )
        tally.add("source_is_positive", row.task, row.place, int(positive))
        if key is not None:
            negative = bool((passage_keys[row.negatives] == key).any())
            tally.add("source_is_negative", row.task, row.place, int(negative))


def count_embedded(
    rows: Sequence[AuditRow], scorer: Scorer, wording: Wording | None, tally: Tally,
    reporter: Reporter,
) -> None:  # fmt: skip
    """Count the negatives that an embedder scores above every positive of their row."""
    asked = [audited for audited in rows if audited.row.pos and audited.row.neg]
    if not asked:
        return
    ground = make_ground(None, asked, (), 0)
    ids = tuple(map(str, range(len(ground.texts))))
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
        wording=wording or Wording(name, name, "question", "question", "documents"),
        corpus=Corpus(ids, ground.texts),
    )
    pairs = [
        (
            audited.row.query,
            [ids[ground.place_of[text]] for text in (*audited.row.pos, *audited.row.neg)],
        )
        for audited in asked
    ]
    for audited, scores in zip(asked, scorer.scores(task, pairs, reporter), strict=True):
        positives = len(audited.row.pos)
        best = max(scores[:positives])
        higher = sum(score > best for score in scores[positives:])
        tally.add(
            "negative_above_embedded", audited.task, audited.place, higher, len(scores) - positives
        )
