"""Measures of a single row: its labels, its sizes, its empty texts."""

from __future__ import annotations

from remixer.audit.measures import Tally
from remixer.audit.reader import AuditRow
from remixer.config import POSITIVE_FROM

SPREADS = (
    ("positives", "positives a row"),
    ("negatives", "negatives a row"),
    ("query_words", "words in a query"),
    ("positive_score", "score of a positive"),
    ("negative_score", "score of a negative"),
)
"""Name of each distribution, and its label in a report."""


def count_labels(audited: AuditRow, query_words: int, tally: Tally) -> None:
    """Count the labels of one row; `query_words` is the length of its query."""
    row, task, location = audited.row, audited.task, audited.location

    def add(measure: str, hit: bool) -> None:
        tally.add(measure, task, location, int(hit))

    add("without_positive", not row.pos)
    add("without_negative", not row.neg)
    add("without_scores", not row.pos_scores and not row.neg_scores)
    add("without_source", not row.source_id)
    add("without_reasoning", not row.reasoning_query)
    add("negative_scored_positive", any(score >= POSITIVE_FROM for score in row.neg_scores))
    add("positive_scored_negative", any(score < POSITIVE_FROM for score in row.pos_scores))
    add("empty_text", not all(text.strip() for text in (row.query, *row.pos, *row.neg)))
    if row.train_group_size:
        add("group_too_large", row.train_group_size > 1 + len(row.neg))
    _spreads(audited, query_words, tally)


def _spreads(audited: AuditRow, query_words: int, tally: Tally) -> None:
    row, task = audited.row, audited.task
    tally.spread("positives", task, len(row.pos))
    tally.spread("negatives", task, len(row.neg))
    tally.spread("query_words", task, query_words)
    for score in row.pos_scores:
        tally.spread("positive_score", task, round(score))
    for score in row.neg_scores:
        tally.spread("negative_score", task, round(score))
