"""What an audit counts, and from which share on `--strict` objects: one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.core.errors import BadInput, UnknownName

TRIVIALITY = "triviality"
CONTAMINATION = "contamination"
FALSE_NEGATIVES = "false negatives"
DUPLICATES = "duplicates"
LABELS = "labels"
SECTIONS = (TRIVIALITY, CONTAMINATION, FALSE_NEGATIVES, DUPLICATES, LABELS)


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted.

    `limit` is the largest share (0 to 1) that passes, `None` where a share is only told; `why` is
    the reason for the limit.
    """

    name: str
    section: str
    counts: str
    limit: float | None
    why: str


_SAMPLE = "of the sampled rows"
_ROWS = "rows"

MEASURES = (
    Measure("source_is_positive", TRIVIALITY,
            "of rows with a source, those whose positive is the source (by text, or by id)", 0.0,
            "ReasonEmbed's 8B model falls from 37.1 to 16.1 on such rows"),
    Measure("source_is_negative", TRIVIALITY,
            "of rows with a source, those whose negative is the source (by text)", 0.0,
            "the source answers the query that was written from it"),
    Measure("positive_is_first", TRIVIALITY,
            f"{_SAMPLE}, those with a positive at BM25's rank 1", 0.5,
            "word matching finds the answer to most queries (ours)"),
    Measure("positive_in_ten", TRIVIALITY,
            f"{_SAMPLE}, those with a positive within BM25's first 10", None,
            "told only: candidates mined with BM25 lie there by construction"),
    Measure("query_shares_run", TRIVIALITY,
            f"{_SAMPLE}, those whose query shares a long run of words with a positive", 0.2,
            "the query quotes its answer (ours)"),
    Measure("source_is_first", TRIVIALITY,
            f"{_SAMPLE} with their source at hand, those whose source is BM25's rank 1", None,
            "told only: what the first measure would be with the source as the positive"),
    Measure("source_shares_run", TRIVIALITY,
            f"{_SAMPLE} with their source at hand, those whose query shares a long run with it",
            None, "told only: what a query took over from its source"),
    Measure("query_equals_query", CONTAMINATION, f"{_ROWS} whose query is a benchmark query", 0.0,
            "a test query is no training query"),
    Measure("query_nears_query", CONTAMINATION,
            f"{_ROWS} whose query is near-equal to a benchmark query", 0.0,
            "a test query is no training query"),
    Measure("query_equals_document", CONTAMINATION,
            f"{_ROWS} whose query is a gold or excluded document", 0.0,
            "a query is not to be the text of an answer"),
    Measure("query_nears_document", CONTAMINATION,
            f"{_ROWS} whose query is near-equal to a gold or excluded document", 0.0,
            "a query is not to be the text of an answer"),
    Measure("positive_equals_query", CONTAMINATION,
            f"{_ROWS} with a positive that is a benchmark query", 0.0,
            "a test query is no training text"),
    Measure("positive_nears_query", CONTAMINATION,
            f"{_ROWS} with a positive near-equal to a benchmark query", 0.0,
            "a test query is no training text"),
    Measure("positive_equals_gold", CONTAMINATION,
            f"{_ROWS} with a positive that is a gold document", 0.0,
            "the model is told that answers of the test are answers"),
    Measure("positive_nears_gold", CONTAMINATION,
            f"{_ROWS} with a positive near-equal to a gold document", 0.0,
            "the model is told that answers of the test are answers"),
    Measure("positive_equals_excluded", CONTAMINATION,
            f"{_ROWS} with a positive that is an excluded document", 0.0,
            "excluded documents hold the test queries' own posts"),
    Measure("positive_nears_excluded", CONTAMINATION,
            f"{_ROWS} with a positive near-equal to an excluded document", 0.0,
            "excluded documents hold the test queries' own posts"),
    Measure("source_is_reserved", CONTAMINATION,
            "of rows with a source, those whose source is gold or excluded (by id)", 0.0,
            "a query written from an answer of the test asks for that answer"),
    Measure("negative_equals_gold", CONTAMINATION,
            f"{_ROWS} with a negative that is a gold document", None,
            "told apart: it teaches against the test, not towards it"),
    Measure("negative_nears_gold", CONTAMINATION,
            f"{_ROWS} with a negative near-equal to a gold document", None,
            "told apart: it teaches against the test, not towards it"),
    Measure("negative_nears_positive", FALSE_NEGATIVES,
            f"{_ROWS} with a negative near-equal to a positive of theirs", 0.0,
            "the same text cannot be right and wrong"),
    Measure("negative_positive_elsewhere", FALSE_NEGATIVES,
            f"{_ROWS} with a negative equal or near-equal to a positive of another row whose query "
            "is equal or near-equal", 0.0, "the same text cannot be right and wrong for one query"),
    Measure("negative_scored_positive", FALSE_NEGATIVES,
            f"{_ROWS} with a negative of score 3 or more", 0.0, "3 and above is positive"),
    Measure("negative_above_positives", FALSE_NEGATIVES,
            f"negatives {_SAMPLE} that BM25 ranks above every positive", 0.5,
            "most negatives look better than every positive (ours)"),
    Measure("negative_above_embedded", FALSE_NEGATIVES,
            f"negatives {_SAMPLE} that the embedder ranks above every positive", 0.5,
            "most negatives look better than every positive (ours)"),
    Measure("query_equals_earlier", DUPLICATES, f"{_ROWS} whose query is that of an earlier row",
            0.01, "a repeated query counts twice, and is its own negative in a batch (ours)"),
    Measure("query_nears_earlier", DUPLICATES,
            f"{_ROWS} whose query is near-equal to an earlier row's", 0.05,
            "a query repeated in other words adds little (ours)"),
    Measure("positives_equal_earlier", DUPLICATES,
            f"{_ROWS} whose positives are those of an earlier row, as a set", 0.1,
            "many queries for one list of answers (ours)"),
    Measure("passage_on_both_sides", DUPLICATES,
            f"{_ROWS} with a passage that is positive and negative", 0.0,
            "the same text cannot be right and wrong"),
    Measure("passage_repeated", DUPLICATES, f"{_ROWS} with a passage twice in one list", 0.01,
            "a list is drawn from at random; repeats shift the draw (ours)"),
    Measure("empty_text", DUPLICATES, f"{_ROWS} with an empty query, positive or negative", 0.0,
            "nothing can be learnt from an empty text"),
    Measure("without_positive", LABELS, f"{_ROWS} without positives", 0.0,
            "training needs one positive"),
    Measure("without_negative", LABELS, f"{_ROWS} without negatives", 0.0,
            "ReMixer drops them; FlagEmbedding needs one"),
    Measure("group_too_large", LABELS,
            "of rows that name their group size, those with fewer passages", 0.1,
            "negatives are repeated to fill the group (ours)"),
    Measure("positive_scored_negative", LABELS, f"{_ROWS} with a positive of score 1 or 2", 0.0,
            "1 and 2 are negative"),
    Measure("without_scores", LABELS, f"{_ROWS} without scores", None,
            "told only: scores are optional"),
    Measure("without_source", LABELS, f"{_ROWS} without a source", None,
            "told only: whether the source is the positive cannot be checked there by name"),
    Measure("without_reasoning", LABELS, f"{_ROWS} without a reasoning query", None,
            "told only: Redapter needs it, plain InfoNCE does not"),
)  # fmt: skip
"""Every measure, in the order of the report. Limits marked (ours) are choices, not findings."""


def with_limits(changes: Mapping[str, float]) -> tuple[Measure, ...]:
    """Return the measures with other limits.

    Raises `UnknownName` for a measure that does not exist, `BadInput` for a share not in 0 to 1.
    """
    known = {measure.name for measure in MEASURES}
    for name, limit in changes.items():
        if name not in known:
            listing = "docs/remixer.md lists them, and so does every report."
            raise UnknownName("measure", name, known, listing=listing)
        if not 0 <= limit <= 1:
            raise BadInput(f"the limit of {name} is {limit}", fix="Give a share from 0 to 1.")
    return tuple(
        replace(measure, limit=changes.get(measure.name, measure.limit)) for measure in MEASURES
    )


def parse_limits(texts: Iterable[str]) -> dict[str, float]:
    """Return name -> share from texts `NAME=SHARE`; raises `BadInput` for another form."""
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            fix = "Write it as positive_is_first=0.3."
            raise BadInput(f"the limit {text!r} names no share", fix=fix) from error
    return found
