"""Labels to training rows: 3 and above positive, 1 and 2 negative, in the released form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.errors import BadInput
from harness.core.training import TrainingRow
from harness.core.types import Json, Wording
from remixer.kinds import group_size
from remixer.rows import LabelRow, QueryRow

POSITIVE_FROM = 3
"""Labels from here up are positive, 1 and 2 negative (ReasonEmbed, data_synthesis/4-process)."""

SOURCE_SCORE = 5


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What rows carry: the kind (for its group sizes), and whether the source is the answer.

    `source_positive` is the triviality ablation: the source document is the only positive.
    Labels from `positive_from` (2 to 5) up are positive, those below negative. Raises `BadInput`.
    """

    kind: str
    source_positive: bool = False
    positive_from: int = POSITIVE_FROM

    def __post_init__(self) -> None:
        """Refuse a threshold that leaves no label on one side."""
        if not 2 <= self.positive_from <= 5:
            raise BadInput(f"positive_from = {self.positive_from}", fix="Give a label from 2 to 5.")


def training_rows(
    queries: Sequence[QueryRow],
    labels: Mapping[str, LabelRow],
    text_of: Mapping[str, str],
    task: tuple[str, Wording],
    options: FormatOptions,
) -> Iterator[TrainingRow]:
    """Yield the rows of the queries that have a positive and a negative, in order.

    `task` is its name and words. Documents stand in mined order. Raises `BadInput` for a query
    without labels (the stages belong to different runs).
    """
    size, batch = group_size(options.kind)
    for query in queries:
        if query.doc_id not in labels:
            raise BadInput(
                f"the query of {query.doc_id!r} has no labels",
                fix="Run `rebench remix annotate` again for the queries as they are now.",
            )
        row = labels[query.doc_id]
        judged = list(zip(row.candidates, row.labels, strict=True))
        positive = [(key, label) for key, label in judged if label >= options.positive_from]
        negative = [(key, label) for key, label in judged if 0 < label < options.positive_from]
        if options.source_positive:
            own = text_of[query.doc_id].strip()
            positive = [(query.doc_id, SOURCE_SCORE)]
            negative = [pair for pair in negative if text_of[pair[0]].strip() != own]
        if positive and negative:
            yield TrainingRow(
                query=query.query,
                pos=tuple(text_of[key] for key, _ in positive),
                neg=tuple(text_of[key] for key, _ in negative),
                prompt=instruction(task[1]),
                reasoning_query=query.reasoning_query,
                pos_scores=tuple(label for _, label in positive),
                neg_scores=tuple(label for _, label in negative),
                source_id=query.doc_id,
                task=task[0],
                conditions=_conditions(query, row),
                train_group_size=size,
                batch_size=batch,
            )


def format_counts(
    queries: Sequence[QueryRow], labels: Mapping[str, LabelRow], positive_from: int = POSITIVE_FROM
) -> dict[str, int]:
    """Return how many queries there are, and how many lack a positive or a negative."""
    counts = Counter(queries=len(queries))
    for query in queries:
        found = labels[query.doc_id].labels
        counts["without_positive"] += not any(label >= positive_from for label in found)
        counts["without_negative"] += not any(0 < label < positive_from for label in found)
    return dict(counts)


def instruction(wording: Wording) -> str:
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
