"""BRIGHT tasks: queries, gold, exclusions and documents, read as its protocol asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.protocols import Reporter
from harness.core.types import Corpus, Task
from harness.data.bright_hub import hub_rows
from harness.data.bright_local import local_rows
from harness.data.bright_tasks import (
    EXAMPLES,
    LOCAL,
    ORIGINAL,
    QUERY_SETS,
    REPOSITORY,
    REVISION,
    TASKS,
    BrightTask,
    Counts,
)
from harness.data.checks import (
    CorpusFields,
    Rows,
    id_of,
    read_corpus,
    text_of,
    unknown_documents,
)
from harness.data.examples import ExampleFields, Examples, read_examples
from harness.data.query_sets import replace_queries


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from: a folder, or the hub when it is `None`."""

    folder: Path | None

    def rows(self, config: str, split: str, columns: Sequence[str]) -> Rows:
        """Return one split of one configuration."""
        if self.folder is None:
            return hub_rows(config, split, columns)
        return local_rows(self.folder, config, split, columns)


def load_bright(
    name: str,
    *,
    data_dir: Path | None,
    query_set: str,
    with_corpus: bool,
    reporter: Reporter,
) -> Task:
    """Load a task of `bright_tasks.TASKS` from a folder, or from the hub if `data_dir` is `None`.

    Gold and exclusions always come from the `examples` rows, so they are the same for every
    query set of `bright_tasks.QUERY_SETS`; the human-written `reasoning` is never read. Gold and
    excluded ids are sets: repeated ones count once, `["N/A"]` and `[]` mean none. Empty and
    one-character documents are kept. The known version repeats no document id; a copy that
    repeats a row word for word loses the repetition with a note, one that gives two texts to an
    id is refused.

    Counts that differ from the known version's, and gold or excluded ids that the corpus lacks,
    are told to `reporter` and kept in the task's notes. Raises `BadInput` for rows that cannot be
    used and `DataUnavailable` when there is nothing to read.
    """
    entry = TASKS[name]
    source = _Source(data_dir)
    columns = ("id", "query", "excluded_ids", entry.gold_key)
    rows = source.rows(EXAMPLES, entry.split, columns)
    examples = read_examples(rows, ExampleFields(gold=entry.gold_key))
    queries = examples.queries
    if query_set != ORIGINAL:
        rows = source.rows(QUERY_SETS[query_set], entry.split, ("id", "query"))
        queries = replace_queries(examples.queries, _read_queries(rows), rows.label)
    corpus, merged = _read_documents(source, entry, reporter) if with_corpus else (None, 0)
    notes = _notes(entry, examples, corpus, merged)
    for note in notes:
        reporter.warn(note)
    return Task(
        name=name,
        group=entry.group,
        revision=REVISION if data_dir is None else LOCAL,
        query_set=query_set,
        queries=queries,
        qrels=examples.qrels,
        excluded=examples.excluded,
        head_metric=entry.head_metric,
        prompt_fields=entry.prompt_fields,
        corpus=corpus,
        notes=notes,
    )


def _read_queries(rows: Rows) -> list[tuple[str, str]]:
    """Return (id, text) of each row."""
    return [
        (id_of(row, "id", rows, number), text_of(row, "query", rows, number))
        for number, row in rows.items
    ]


def _content(row: Mapping[str, Any], rows: Rows, number: int) -> str:
    """Return a document's text."""
    return text_of(row, "content", rows, number)


def _read_documents(source: _Source, entry: BrightTask, reporter: Reporter) -> tuple[Corpus, int]:
    """Return the corpus and the number of rows that only repeated another."""
    rows = source.rows(entry.documents, entry.split, ("id", "content"))
    fields = CorpusFields("id", _content, merge_repeats=True)
    with reporter.bar(f"{entry.name}: documents", entry.counts.documents, "documents") as advance:
        return read_corpus(rows, fields, advance)


def _notes(
    entry: BrightTask, examples: Examples, corpus: Corpus | None, merged: int
) -> tuple[str, ...]:
    """Return what sets the data apart from the known version, as sentences."""
    known = entry.counts
    found = Counts(
        queries=len(examples.queries),
        documents=known.documents if corpus is None else len(corpus) + merged,
        gold_pairs=sum(len(gold) for gold in examples.qrels.values()),
        excluded_pairs=sum(len(ids) for ids in examples.excluded.values()),
    )
    labels = {
        "queries": (found.queries, known.queries),
        "documents": (found.documents, known.documents),
        "gold pairs": (found.gold_pairs, known.gold_pairs),
        "excluded pairs": (found.excluded_pairs, known.excluded_pairs),
    }
    notes = [
        f"{entry.name}: {have:,} {label} where {REPOSITORY} at {REVISION[:7]} has {want:,}; "
        "results do not compare with published ones"
        for label, (have, want) in labels.items()
        if have != want
    ]
    if merged:
        notes.append(f"{entry.name}: {merged:,} documents repeat another word for word; left out")
    if corpus is not None:
        notes.extend(_absent(entry, examples, corpus))
    return tuple(notes)


def _absent(entry: BrightTask, examples: Examples, corpus: Corpus) -> list[str]:
    """Return a sentence for gold, and one for exclusions, that the corpus does not hold."""
    named = {
        "gold": (doc for gold in examples.qrels.values() for doc in gold),
        "excluded": (doc for ids in examples.excluded.values() for doc in ids),
    }
    notes = []
    for label, ids in named.items():
        absent = unknown_documents(corpus, ids)
        if absent:
            notes.append(
                f"{entry.name}: {len(absent):,} {label} documents are not in the corpus, "
                f"such as {absent[0]!r}"
            )
    return notes
