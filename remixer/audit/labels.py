"""Measures of a single row: its labels, sizes and texts, and what its reasoning gives away."""

from __future__ import annotations

import re

from models.chat.thinking import control_token
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
    add("query_holds_control_tokens", bool(control_token(row.query)))
    if row.reasoning_query:
        add("reasoning_holds_control_tokens", bool(control_token(row.reasoning_query)))
    if row.reasoning_query and row.source_id:
        whole, last = source_names(row.source_id)
        add("reasoning_names_source", _names(row.reasoning_query, whole))
        add("reasoning_names_source_last", _names(row.reasoning_query, last))
    add("empty_text", not all(text.strip() for text in (row.query, *row.pos, *row.neg)))
    if row.train_group_size:
        add("group_too_large", row.train_group_size > 1 + len(row.neg))
    _spreads(audited, query_words, tally)


def source_names(source_id: str) -> tuple[str, str]:
    """Return a source's whole name and its last: `contextlib.suppress`, `suppress`.

    Of an id that is a path (`folder/Hair_follicle_12.txt`) both are the file's name as words,
    without the number of the passage: `Hair follicle`. A name of fewer than three letters is empty.
    """
    whole = source_id
    path = re.fullmatch(r"(?:.*/)?([^/]+?)(?:_\d+)?\.(?:txt|html?|md|json)", source_id)
    if path is not None:
        whole = path.group(1).replace("_", " ")
    last = whole if path is not None else re.split(r"[.:#/]", whole)[-1]
    return _long_enough(whole), _long_enough(last)


def _long_enough(name: str) -> str:
    return name if sum(letter.isalpha() for letter in name) >= 3 else ""


def _names(text: str, name: str) -> bool:
    """Return True if a text holds a name as it is spelled, between word boundaries."""
    return bool(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _spreads(audited: AuditRow, query_words: int, tally: Tally) -> None:
    row, task = audited.row, audited.task
    tally.spread("positives", task, len(row.pos))
    tally.spread("negatives", task, len(row.neg))
    tally.spread("query_words", task, query_words)
    for score in row.pos_scores:
        tally.spread("positive_score", task, round(score))
    for score in row.neg_scores:
        tally.spread("negative_score", task, round(score))
