"""Labels to training rows: 3 and above positive, 1 and 2 negative, in the released form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.core.errors import BadInput
from harness.core.training_row import TrainingRow
from harness.core.types import Json, PromptFields
from remixer.kinds import group_size
from remixer.near_duplicates.index import NearDuplicates
from remixer.rows import LabelRow, QueryRow

POSITIVE_FROM = 3
"""Labels from here up are positive, 1 and 2 negative (ReasonEmbed, data_synthesis/4-process)."""

SOURCE_SCORE = 5

Pairs: TypeAlias = "tuple[tuple[str, int], ...]"
"""Documents of a query with their labels, in mined order."""


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What rows carry: the kind (for its group sizes), and whether the source is the answer.

    `source_positive` is the triviality ablation: the source document is the only positive.
    Labels from `positive_from` (2 to 5) up are positive, those below negative. With `drop_near` a
    negative that is near-equal to a positive of its row is left out: the same text cannot be right
    and wrong. Raises `BadInput`.
    """

    kind: str
    source_positive: bool = False
    positive_from: int = POSITIVE_FROM
    drop_near: bool = True

    def __post_init__(self) -> None:
        """Refuse a threshold that leaves no label on one side."""
        if not 2 <= self.positive_from <= 5:
            raise BadInput(f"positive_from = {self.positive_from}", fix="Give a label from 2 to 5.")


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query, its labels, and what is positive and negative by them.

    `near` negatives are left out, since they are near-equal to a positive.
    """

    query: QueryRow
    labels: LabelRow
    positive: Pairs
    negative: Pairs
    near: int


def judged_queries(
    queries: Sequence[QueryRow],
    labels: Mapping[str, LabelRow],
    text_of: Mapping[str, str],
    options: FormatOptions,
) -> list[JudgedQuery]:
    """Return the queries in order, each with its positives and its negatives.

    Raises `BadInput` for a query without labels (the stages belong to different runs).
    """
    for query in queries:
        if query.doc_id not in labels:
            raise BadInput(
                f"the query of {query.doc_id!r} has no labels",
                fix="Run `rebench remix annotate` again for the queries as they are now.",
            )
    sides = [_sides(labels[query.doc_id], text_of, options) for query in queries]
    named = {key for pair in sides for key, _ in (*pair[0], *pair[1])}
    near = NearDuplicates(text_of, sorted(named)) if options.drop_near else None
    found = []
    for query, (positive, negative) in zip(queries, sides, strict=True):
        kept = negative if near is None else _without_near(positive, negative, near)
        dropped = len(negative) - len(kept)
        found.append(JudgedQuery(query, labels[query.doc_id], positive, kept, dropped))
    return found


def training_rows(
    judged: Iterable[JudgedQuery],
    text_of: Mapping[str, str],
    task: tuple[str, PromptFields],
    kind: str,
) -> Iterator[TrainingRow]:
    """Yield the rows of the queries that have a positive and a negative, in order.

    `task` is its name and words; `kind` gives the group sizes.
    """
    size, batch = group_size(kind)
    for own in judged:
        if own.positive and own.negative:
            yield TrainingRow(
                query=own.query.query,
                pos=tuple(text_of[key] for key, _ in own.positive),
                neg=tuple(text_of[key] for key, _ in own.negative),
                prompt=instruction(task[1]),
                reasoning_query=own.query.reasoning_query,
                pos_scores=tuple(label for _, label in own.positive),
                neg_scores=tuple(label for _, label in own.negative),
                source_id=own.query.doc_id,
                task=task[0],
                conditions=_conditions(own.query, own.labels),
                train_group_size=size,
                batch_size=batch,
            )


def format_counts(judged: Iterable[JudgedQuery]) -> dict[str, int]:
    """Return the numbers of queries, of those without either side, and of negatives left out."""
    counts = Counter(queries=0, without_positive=0, without_negative=0, near_negatives=0)
    for own in judged:
        counts["queries"] += 1
        counts["without_positive"] += not own.positive
        counts["without_negative"] += not own.negative
        counts["near_negatives"] += own.near
    return dict(counts)


def _sides(
    row: LabelRow, text_of: Mapping[str, str], options: FormatOptions
) -> tuple[Pairs, Pairs]:
    """Return the positives and the negatives of one query by their labels."""
    judged = tuple(zip(row.candidates, row.labels, strict=True))
    positive = tuple(pair for pair in judged if pair[1] >= options.positive_from)
    negative = tuple(pair for pair in judged if 0 < pair[1] < options.positive_from)
    if options.source_positive:
        own = text_of[row.doc_id].strip()
        positive = ((row.doc_id, SOURCE_SCORE),)
        negative = tuple(pair for pair in negative if text_of[pair[0]].strip() != own)
    return positive, negative


def _without_near(positive: Pairs, negative: Pairs, near: NearDuplicates) -> Pairs:
    """Return the negatives that are not near-equal to a positive."""
    found = near.among([key for key, _ in negative], [key for key, _ in positive])
    return tuple(pair for pair in negative if pair[0] not in found)


def instruction(wording: PromptFields) -> str:
    """Return the instruction of a task's queries, in the pattern that ReasonEmbed trains with.

    `Given a(n) X, retrieve relevant Y that help answer the Z.` (4-process.py, same release).
    """
    kind = wording.query_kind
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return (
        f"Given {article} {kind}, retrieve relevant {wording.document_noun} "
        f"that help answer the {wording.query_noun}."
    )


def _conditions(query: QueryRow, labels: LabelRow) -> dict[str, Json]:
    """Return what the query was asked to be, and by whom and with which wording."""
    return {
        "length": query.length,
        "education": query.education,
        "generate_model": query.model,
        "generate_prompt": query.prompt,
        "reason_model": query.reasoning_model,
        "reason_prompt": query.reasoning_prompt,
        "annotator": labels.annotator,
        "annotate_prompt": labels.prompt,
    }
