"""BRIGHT's own layout on the hub, with what its kin add: aspects (BRIGHT-Pro).

Facts of BRIGHT-Pro (yale-nlp/Bright-Pro b31d5f1, bright_pro_data.py): rows of `aspects` have an id,
a weight from 1 to 3, and the documents that support them; the aspects of one query share an id but
for its end, and their weights are made to add up to 1. TEMPO (tempo26/Tempo) calls its exclusions
`negative_ids`; its `steps` are not read.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.errors import BadInput
from harness.core.protocols import Reporter
from harness.core.types import Corpus, QueryAspects
from harness.data.checks import CorpusFields, Rows, id_of, ids_of, read_corpus, text_of
from harness.data.examples import ExampleFields, Examples, read_examples
from harness.data.grounds.parts import GroundParts, ReadOptions, repeats_note
from harness.data.grounds.tables import Dataset, Table, unknown_split

EXAMPLES = "examples"
DOCUMENTS = "documents"
ASPECTS = "aspects"
_EXCLUDED = ("excluded_ids", "negative_ids")
_END = re.compile(r"-(?:a\d+|aspect-\d+)$")
"""What tells the aspects of a query apart, at the end of their ids."""


@dataclass(frozen=True, slots=True)
class _Aspect:
    """One row of `aspects`; `group` is what the ids of a query's aspects have in common."""

    id: str
    group: str
    weight: float
    documents: tuple[str, ...]


def is_bright_layout(data: Dataset) -> bool:
    """Tell whether a data set has BRIGHT's configurations."""
    return EXAMPLES in data.configs and DOCUMENTS in data.configs


def read_bright_layout(
    data: Dataset, split: str, how: ReadOptions, reporter: Reporter
) -> GroundParts:
    """Return the parts of one task; `split` is BRIGHT's name of it.

    Raises `UnknownName` for a split that is not there, `BadInput` where one must be named, and
    naming the row for one that cannot be used.
    """
    splits = data.configs[EXAMPLES]
    if not split and len(splits) > 1:
        raise BadInput(
            f"{data.files.label} has {len(splits)} tasks, and none is named",
            fix=f"Name one after a #: {', '.join(splits)}.",
        )
    split = split or next(iter(splits))
    if split not in splits:
        raise unknown_split(data.files, EXAMPLES, split, splits)
    examples = _read_examples(data.table(EXAMPLES, split))
    aspects: Mapping[str, QueryAspects] = {}
    notes: tuple[str, ...] = ()
    if ASPECTS in data.configs:
        aspects, notes = _aspects_by_query(_read_aspects(data.table(ASPECTS, split)), examples)
    if examples.without_gold:
        notes = (f"{examples.without_gold:,} queries without gold are left out", *notes)
    corpus, merged = (None, 0)
    if how.with_corpus:
        corpus, merged = _read_documents(data.table(DOCUMENTS, split), reporter)
    if merged:
        notes = (*notes, repeats_note(merged))
    return GroundParts(
        queries=examples.queries,
        qrels=examples.qrels,
        excluded=examples.excluded,
        corpus=corpus,
        aspects=aspects,
        notes=notes,
    )


def _read_examples(table: Table) -> Examples:
    """Return the judged queries."""
    excluded = next((name for name in _EXCLUDED if name in table.columns), "")
    rows = table.rows("id", "query", table.column(("gold_ids",)), excluded)
    return read_examples(rows, ExampleFields("gold_ids", excluded, needs_gold=False))


def _read_documents(table: Table, reporter: Reporter) -> tuple[Corpus, int]:
    """Return the corpus, and how many rows only repeated another."""
    rows = table.rows("id", table.column(("content",)))
    fields = CorpusFields("id", _content, merge_repeats=True)
    with reporter.bar(f"{table.files.label}: documents", table.count(), "documents") as advance:
        return read_corpus(rows, fields, advance)


def _content(row: Mapping[str, Any], rows: Rows, number: int) -> str:
    """Return a document's text."""
    return text_of(row, "content", rows, number)


def _read_aspects(table: Table) -> list[_Aspect]:
    """Return the aspects of all queries; raises `BadInput` for one without a usable weight."""
    rows = table.rows("id", table.column(("weight",)), table.column(("supporting_docs",)))
    known: dict[object, str] = {}
    found: dict[str, _Aspect] = {}
    for number, row in rows.items:
        aspect = id_of(row, "id", rows, number)
        weight = row.get("weight")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < 1e6:
            raise BadInput(
                f"{rows.at(number)}: aspect {aspect!r} has the weight {weight!r}",
                fix="Every aspect needs a weight above 0; fetch the file again.",
            )
        if aspect in found:
            raise BadInput(f"{rows.at(number)}: aspect {aspect!r} again", fix="Drop one of them.")
        documents = tuple(ids_of(row, "supporting_docs", rows, number, known))
        found[aspect] = _Aspect(aspect, _END.sub("", aspect), float(weight), documents)
    return list(found.values())


def _aspects_by_query(
    aspects: list[_Aspect], examples: Examples
) -> tuple[dict[str, QueryAspects], tuple[str, ...]]:
    """Return the aspects of each query, by what its gold documents support, and notes.

    Where a document supports several aspects of a query the last row counts, as for the authors.
    """
    totals: dict[str, list[float]] = {}
    supports: dict[str, list[_Aspect]] = {}
    for aspect in aspects:
        totals.setdefault(aspect.group, []).append(aspect.weight)
        for document in aspect.documents:
            supports.setdefault(document, []).append(aspect)
    share = {each.id: each.weight / math.fsum(totals[each.group]) for each in aspects}
    found: dict[str, QueryAspects] = {}
    several = without = 0
    for qid, gold in examples.qrels.items():
        groups = Counter(each.group for doc in gold for each in supports.get(doc, ()))
        group = _group_of(qid, groups)
        of_document = {}
        for doc in gold:
            of_query = [each for each in supports.get(doc, ()) if each.group == group]
            several += len(of_query) > 1
            without += not of_query
            if of_query:
                of_document[doc] = of_query[-1].id
        mine = [each for each in aspects if each.group == group]
        found[qid] = QueryAspects(of_document, {each.id: share[each.id] for each in mine})
    return found, tuple(_aspect_notes(several, without))


def _group_of(qid: str, groups: Counter[str]) -> str:
    """Return which aspects are a query's: those called after it, else those of most of its gold."""
    if qid in groups:
        return qid
    best = groups.most_common(2)
    if len(best) == 2 and best[0][1] == best[1][1]:
        raise BadInput(
            f"the gold documents of query {qid!r} support aspects of {best[0][0]!r} and "
            f"{best[1][0]!r} alike",
            fix="Each query's gold must support aspects of one query; fetch the files again.",
        )
    return best[0][0] if best else ""


def _aspect_notes(several: int, without: int) -> list[str]:
    """Return what is odd about the aspects, as sentences."""
    notes = []
    if several:
        notes.append(f"{several:,} gold documents support several aspects; the last one counts")
    if without:
        notes.append(f"{without:,} gold documents support no aspect and gain nothing in alpha-nDCG")
    return notes
