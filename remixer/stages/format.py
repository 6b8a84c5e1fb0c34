"""Stage `format`: labels to training rows, 3 and above positive, 1 and 2 negative, as released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from harness.core.errors import BadInput
from harness.core.files import write_text
from harness.core.training_row import TrainingRow
from harness.core.types import Json, PromptFields, Task
from remixer.config import FormatOptions
from remixer.context import RemixRun, StagePlan
from remixer.data_card import CardFacts, RowStatistics, render_card
from remixer.near_duplicates.index import NearDuplicates
from remixer.rows import LabelRow, MinedRow, QueryRow, rows_by_id
from remixer.run_folder import StageRecord
from remixer.stages.export import write_parquet, write_training
from remixer.task_profiles import group_size

SOURCE_SCORE = 5

LabelledDocuments: TypeAlias = "tuple[tuple[str, int], ...]"
"""Documents of a query with their labels, in mined order."""


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query, its labels, and its positives and negatives by them.

    `near` is the number of negatives left out as near-duplicates of a positive.
    """

    query: QueryRow
    labels: LabelRow
    positive: LabelledDocuments
    negative: LabelledDocuments
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
    judged: Iterable[JudgedQuery], task: Task, text_of: Mapping[str, str], kind: str
) -> Iterator[TrainingRow]:
    """Yield the rows of the queries that have a positive and a negative, in order.

    `task` gives its name and the words of the instruction, `kind` the group sizes.
    """
    size, batch = group_size(kind)
    prompt = instruction(task.prompt_fields)
    for own in judged:
        if own.positive and own.negative:
            yield TrainingRow(
                query=own.query.query,
                pos=tuple(text_of[key] for key, _ in own.positive),
                neg=tuple(text_of[key] for key, _ in own.negative),
                prompt=prompt,
                reasoning_query=own.query.reasoning_query,
                pos_scores=tuple(label for _, label in own.positive),
                neg_scores=tuple(label for _, label in own.negative),
                source_id=own.query.doc_id,
                task=task.name,
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
) -> tuple[LabelledDocuments, LabelledDocuments]:
    """Return the positives and the negatives of one query by their labels."""
    judged = tuple(zip(row.candidates, row.labels, strict=True))
    positive = tuple(pair for pair in judged if pair[1] >= options.positive_from)
    negative = tuple(pair for pair in judged if 0 < pair[1] < options.positive_from)
    if options.source_positive:
        own = text_of[row.doc_id].strip()
        positive = ((row.doc_id, SOURCE_SCORE),)
        negative = tuple(pair for pair in negative if text_of[pair[0]].strip() != own)
    return positive, negative


def _without_near(
    positive: LabelledDocuments, negative: LabelledDocuments, near: NearDuplicates
) -> LabelledDocuments:
    """Return the negatives that are not near-duplicates of a positive."""
    duplicates = near.among([key for key, _ in negative], [key for key, _ in positive])
    return tuple(pair for pair in negative if pair[0] not in duplicates)


def instruction(prompt_fields: PromptFields) -> str:
    """Return the instruction of a task's queries, in the pattern that ReasonEmbed trains with.

    `Given a(n) X, retrieve relevant Y that help answer the Z.` (4-process.py, same release).
    """
    kind = prompt_fields.query_kind
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return (
        f"Given {article} {kind}, retrieve relevant {prompt_fields.document_noun} "
        f"that help answer the {prompt_fields.query_noun}."
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


def plan(run: RemixRun) -> StagePlan:
    """Plan the training file, its Parquet twin and the data card."""
    config = run.config
    options = FormatOptions(
        run.profile.name, config.mine.include_source, config.positive_from, config.drop_near
    )
    size, batch = group_size(run.profile.name)
    settings: dict[str, Json] = {**asdict(options), "train_group_size": size, "batch_size": batch}

    def work() -> Mapping[str, int]:
        return _write(run, options, settings)

    return StagePlan(settings, (run.queries_from, "annotate"), work)


def _write(run: RemixRun, options: FormatOptions, settings: Mapping[str, Json]) -> dict[str, int]:
    """Write the training file, its Parquet twin and the data card; return counts."""
    queries = run.folder.rows(run.queries_from, QueryRow)
    labels = rows_by_id(run.folder.rows("annotate", LabelRow))
    judged = judged_queries(queries, labels, run.text_of, options)

    def rows() -> Iterator[TrainingRow]:
        return training_rows(judged, run.task, run.text_of, options.kind)

    statistics = RowStatistics()
    written = write_training(run.folder.file("format"), statistics.watch(rows()))
    if not written:
        raise BadInput(
            f"none of {len(queries):,} queries has both a positive and a negative",
            fix="Look at the labels in 5-annotate.jsonl; mine deeper with --depth, or use "
            "another annotator.",
        )
    write_parquet(run.folder.path / "training.parquet", rows())
    counts = {**format_counts(judged), "rows": written}
    facts = CardFacts(
        run=_run_facts(run, queries, labels),
        stages={**run.folder.records(), "format": StageRecord(settings, {}, "", counts)},
        totals=run.journal.totals,
        budget=run.tools.budget,
    )
    write_text(run.folder.path / "card.md", render_card(statistics, facts))
    return counts


def _run_facts(
    run: RemixRun, queries: Sequence[QueryRow], labels: Mapping[str, LabelRow]
) -> dict[str, str]:
    """Return the facts about the whole run that a data card lists."""
    mined = run.folder.rows("mine", MinedRow)
    facts = {
        "task": run.task.name,
        "revision": run.task.revision,
        "kind": run.profile.name,
        "domain": run.profile.domain,
        "documents": f"{len(run.corpus):,}",
        "queries by": ", ".join(sorted({row.model for row in queries})),
        "reasoning by": ", ".join(sorted({row.reasoning_model for row in queries})),
        "candidates by": ", ".join(sorted({row.retriever for row in mined})),
        "labels by": ", ".join(sorted({row.annotator for row in labels.values()})),
        "seed": str(run.config.select.seed),
    }
    return {key: value for key, value in facts.items() if value}
