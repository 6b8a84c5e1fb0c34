"""All audit measures, the share above which `--strict` fails, and the counts kept for them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.core.errors import BadInput, UnknownName
from remixer.audit.reader import RowLocation

TRIVIALITY = "triviality"
CONTAMINATION = "contamination"
FALSE_NEGATIVES = "false negatives"
DUPLICATES = "duplicates"
LABELS = "labels"
SECTIONS = (TRIVIALITY, CONTAMINATION, FALSE_NEGATIVES, DUPLICATES, LABELS)


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted, as `description` says.

    `limit` is the largest share (0 to 1) that passes, `None` if the share is only reported; `why`
    is the reason for the limit.
    """

    name: str
    section: str
    description: str
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
            "reported only: candidates mined with BM25 lie there by construction"),
    Measure("query_shares_shingle", TRIVIALITY,
            f"{_SAMPLE}, those whose query shares eight words in a row with a positive", 0.2,
            "the query quotes its answer (ours)"),
    Measure("source_is_first", TRIVIALITY,
            f"{_SAMPLE} with a known source text, those whose source is BM25's rank 1", None,
            "reported only: what the first measure would be with the source as the positive"),
    Measure("source_shares_shingle", TRIVIALITY,
            f"{_SAMPLE} with a known source text, those whose query shares eight words in a row "
            "with it", None, "reported only: what a query took over from its source"),
    Measure("reasoning_names_source", TRIVIALITY,
            "of rows with a reasoning and a source, those whose reasoning holds the source's name",
            None, "reported only: ids that are no names are never met. A reasoning that names its "
            "source recites the answer"),
    Measure("reasoning_names_source_last", TRIVIALITY,
            "of rows with a reasoning and a source, those whose reasoning holds the last part of "
            "the source's name, as a word", None,
            "reported only: the last part may be an ordinary word"),
    Measure("reasoning_shares_shingle", TRIVIALITY,
            f"{_SAMPLE} with a reasoning, those whose reasoning shares eight words in a row with a "
            "positive", None, "reported only: what a reasoning recites of its answers"),
    Measure("reasoning_shares_source_shingle", TRIVIALITY,
            f"{_SAMPLE} with a reasoning and a known source text, those whose reasoning shares "
            "eight words in a row with it", None,
            "reported only: what a reasoning recites of its source"),
    Measure("query_equals_query", CONTAMINATION, f"{_ROWS} whose query is a benchmark query", 0.0,
            "a test query is no training query"),
    Measure("query_near_duplicate_of_query", CONTAMINATION,
            f"{_ROWS} whose query is a near-duplicate of a benchmark query", 0.0,
            "a test query is no training query"),
    Measure("query_equals_document", CONTAMINATION,
            f"{_ROWS} whose query is a gold or excluded document", 0.0,
            "a query must not be the text of an answer"),
    Measure("query_near_duplicate_of_document", CONTAMINATION,
            f"{_ROWS} whose query is a near-duplicate of a gold or excluded document", 0.0,
            "a query must not be the text of an answer"),
    Measure("positive_equals_query", CONTAMINATION,
            f"{_ROWS} with a positive that is a benchmark query", 0.0,
            "a test query is no training text"),
    Measure("positive_near_duplicate_of_query", CONTAMINATION,
            f"{_ROWS} with a positive that is a near-duplicate of a benchmark query", 0.0,
            "a test query is no training text"),
    Measure("positive_equals_gold", CONTAMINATION,
            f"{_ROWS} with a positive that is a gold document", 0.0,
            "the model is shown answers of the test as answers"),
    Measure("positive_near_duplicate_of_gold", CONTAMINATION,
            f"{_ROWS} with a positive that is a near-duplicate of a gold document", 0.0,
            "the model is shown answers of the test as answers"),
    Measure("positive_equals_excluded", CONTAMINATION,
            f"{_ROWS} with a positive that is an excluded document", 0.0,
            "excluded documents hold the test queries' own posts"),
    Measure("positive_near_duplicate_of_excluded", CONTAMINATION,
            f"{_ROWS} with a positive that is a near-duplicate of an excluded document", 0.0,
            "excluded documents hold the test queries' own posts"),
    Measure("source_is_reserved", CONTAMINATION,
            "of rows with a source, those whose source is gold or excluded (by id)", 0.0,
            "a query written from an answer of the test asks for that answer"),
    Measure("negative_equals_gold", CONTAMINATION,
            f"{_ROWS} with a negative that is a gold document", None,
            "reported apart: it teaches against the test, not towards it"),
    Measure("negative_near_duplicate_of_gold", CONTAMINATION,
            f"{_ROWS} with a negative that is a near-duplicate of a gold document", None,
            "reported apart: it teaches against the test, not towards it"),
    Measure("negative_near_duplicate_of_positive", FALSE_NEGATIVES,
            f"{_ROWS} with a negative that is a near-duplicate of one of its positives", 0.0,
            "the same text cannot be right and wrong"),
    Measure("negative_positive_elsewhere", FALSE_NEGATIVES,
            f"{_ROWS} with a negative that equals or nearly equals a positive of another row whose "
            "query equals or nearly equals its own", 0.0,
            "the same text cannot be right and wrong for one query"),
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
    Measure("query_near_duplicate_of_earlier", DUPLICATES,
            f"{_ROWS} whose query is a near-duplicate of an earlier row's", 0.05,
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
    Measure("query_holds_control_tokens", LABELS,
            f"{_ROWS} whose query holds thinking or control tokens of a language model", 0.0,
            "they are no part of any query that is asked at test time"),
    Measure("reasoning_holds_control_tokens", LABELS,
            "of rows with a reasoning, those whose reasoning holds thinking or control tokens", 0.0,
            "they are no part of a reasoning"),
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
            "reported only: scores are optional"),
    Measure("without_source", LABELS, f"{_ROWS} without a source", None,
            "reported only: whether the source is the positive cannot be checked there by name"),
    Measure("without_reasoning", LABELS, f"{_ROWS} without a reasoning query", None,
            "reported only: Redapter needs it, plain InfoNCE does not"),
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


EXAMPLES = 5
"""Offending rows that a report names."""

ALL = "all"


@dataclass(slots=True)
class Count:
    """`hits` of `of`, and the locations of the first hits."""

    hits: int = 0
    of: int = 0
    locations: list[RowLocation] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Return hits / of; `None` if nothing was examined."""
        return self.hits / self.of if self.of else None

    def add(self, location: RowLocation, hits: int, of: int) -> None:
        """Add the counts of one row."""
        self.hits += hits
        self.of += of
        if hits and len(self.locations) < EXAMPLES:
            self.locations.append(location)


@dataclass(slots=True)
class Spread:
    """How often each integer occurred."""

    counts: Counter[int] = field(default_factory=Counter)

    def quantile(self, share: float) -> int:
        """Return the smallest value with at least `share` of the counts at or below it."""
        total, passed = self.counts.total(), 0
        for value in sorted(self.counts):
            passed += self.counts[value]
            if passed >= share * total:
                return value
        return 0

    @property
    def mean(self) -> float:
        """Return the mean; 0 without counts."""
        total = self.counts.total()
        return sum(value * n for value, n in self.counts.items()) / total if total else 0.0


class Tally:
    """All counts of an audit, by measure and task, and over all tasks."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, defaultdict[str, Count]] = defaultdict(
            lambda: defaultdict(Count)
        )
        self.spreads: defaultdict[str, defaultdict[str, Spread]] = defaultdict(
            lambda: defaultdict(Spread)
        )
        self.tasks: dict[str, int] = {}

    def row(self, task: str) -> None:
        """Count a row of a task."""
        self.tasks[task] = self.tasks.get(task, 0) + 1

    def add(self, measure: str, task: str, location: RowLocation, hits: int, of: int = 1) -> None:
        """Count `hits` of `of` for a measure."""
        for name in (task, ALL):
            self._counts[measure][name].add(location, hits, of)

    def spread(self, what: str, task: str, value: int) -> None:
        """Count a value of a distribution."""
        for name in (task, ALL):
            self.spreads[what][name].counts[value] += 1

    def get(self, measure: str, task: str) -> Count:
        """Return a count (empty if nothing was examined)."""
        if measure not in self._counts or task not in self._counts[measure]:
            return Count()
        return self._counts[measure][task]


@dataclass(frozen=True, slots=True)
class LimitViolation:
    """A limit that a task's share exceeds."""

    measure: Measure
    task: str
    count: Count


def limit_violations(tally: Tally, measures: Sequence[Measure]) -> tuple[LimitViolation, ...]:
    """Return the limits that are exceeded, task by task (over all rows if there is one task)."""
    names = (ALL, *tally.tasks) if len(tally.tasks) > 1 else (ALL,)
    found = []
    for measure in measures:
        for task in names:
            count = tally.get(measure.name, task)
            share = count.share
            if measure.limit is not None and share is not None and share > measure.limit:
                found.append(LimitViolation(measure, task, count))
    return tuple(found)
