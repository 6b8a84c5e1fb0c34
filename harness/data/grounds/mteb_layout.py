"""The layout that mteb, BEIR and hakari-bench share on the hub.

Facts of the layout (mteb, abstasks/retrieval_dataset_loaders.py): configurations `corpus`,
`queries` (R2MED: `query`) and `default` or `qrels`, with `SUBSET-` before each where there are
subsets; `top_ranked` and `instruction` beside them. The split is that of the judgements; a
configuration without it has one for all. hakari-bench adds configurations of candidate lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.errors import BadInput, UnknownName
from harness.core.protocols import Reporter
from harness.core.types import CandidateLists, Corpus, Qrels, Query
from harness.data.checks import (
    CorpusFields,
    Rows,
    id_of,
    ids_of,
    read_corpus,
    text_of,
    titled_text,
)
from harness.data.grounds.parts import GroundParts, ReadOptions, repeats_note
from harness.data.grounds.tables import (
    DOCUMENT_ID,
    DOCUMENT_IDS,
    OWN_ID,
    QUERY_ID,
    Dataset,
    Table,
    unknown_split,
)

CORPUS = "corpus"
_QUERIES = ("queries", "query")
_JUDGEMENTS = ("default", "qrels")
_SUBSET_JUDGEMENTS = ("qrels",)
_INSTRUCTION = "instruction"
TOP_RANKED = "top_ranked"
_TEST = "test"
_ROLES = (CORPUS, *_QUERIES, "qrels", TOP_RANKED, _INSTRUCTION)


@dataclass(frozen=True, slots=True)
class _Where:
    """The part of a data set that is one task."""

    data: Dataset
    subset: str
    split: str

    def name(self, role: str) -> str:
        """Return the name of a configuration."""
        return f"{self.subset}-{role}" if self.subset else role

    def find(self, roles: tuple[str, ...]) -> Table | None:
        """Return the table of the first of some configurations that is there."""
        for role in roles:
            if self.name(role) in self.data.configs:
                return self.data.table(self.name(role), self.split)
        return None

    def require(self, roles: tuple[str, ...], what: str) -> Table:
        """Return the table of a configuration; raises `BadInput` where there is none."""
        found = self.find(roles)
        if found is None:
            raise _no_config(self.data, [self.name(role) for role in roles], what)
        return found


def read_mteb_layout(
    data: Dataset, subset: str, split: str, how: ReadOptions, reporter: Reporter
) -> GroundParts:
    """Return the parts of one task.

    A query's instruction follows its text after a space, as mteb encodes it. Queries that nobody
    judged are left out with a note. Raises `UnknownName` for a subset or split that is not there,
    `BadInput` where one must be named, without judgements, for ids that are not known, and naming
    the row for one that cannot be used.
    """
    subset = _subset(data, subset)
    judged_in = _judgements(data, subset, split)
    where = _Where(data, subset, judged_in.split)
    queries, notes = _read_queries(where)
    qrels = _read_qrels(judged_in, queries)
    idle = len(queries) - len(qrels)
    if idle:
        notes = (*notes, f"{idle:,} of {len(queries):,} queries have no judgements")
    corpus, merged = _read_documents(where, how, reporter) if how.with_corpus else (None, 0)
    if merged:
        notes = (*notes, repeats_note(merged))
    candidates = _candidates(where, queries)
    if TOP_RANKED in candidates:
        notes = (*notes, "has lists of documents to rank (top_ranked); the whole corpus is ranked")
    return GroundParts(
        queries=tuple(Query(qid, text) for qid, text in queries.items() if qid in qrels),
        qrels=qrels,
        corpus=corpus,
        candidates=candidates,
        notes=notes,
    )


def _subset(data: Dataset, subset: str) -> str:
    """Return the subset to read; raises `UnknownName`, or `BadInput` where one must be named."""
    suffix = f"-{CORPUS}"
    known = [name.removesuffix(suffix) for name in data.configs if name.endswith(suffix)]
    if subset:
        if subset not in known:
            listing = f"Subsets: {', '.join(known)}." if known else "It has none; leave it out."
            raise UnknownName(f"subset of {data.files.label}:", subset, known, listing=listing)
        return subset
    if CORPUS in data.configs or not known:
        return ""
    if len(known) == 1:
        return known[0]
    raise BadInput(
        f"{data.files.label} has {len(known)} subsets, and none is named",
        fix=f"Name one after a colon: {', '.join(known)}.",
    )


def _judgements(data: Dataset, subset: str, split: str) -> Table:
    """Return the table of judgements, of the split that is named or goes without saying."""
    roles = [f"{subset}-{role}" for role in _SUBSET_JUDGEMENTS] if subset else list(_JUDGEMENTS)
    config = next((role for role in roles if role in data.configs), None)
    if config is None:
        raise _no_config(data, roles, "judgements")
    splits = data.configs[config]
    if split and split not in splits:
        raise unknown_split(data.files, config, split, splits)
    if not split and len(splits) > 1 and _TEST not in splits:
        raise BadInput(
            f"{data.files.label} has {len(splits)} splits, and none is named",
            fix=f"Name one after a #: {', '.join(splits)}.",
        )
    return data.table(config, split or _TEST)


def _no_config(data: Dataset, names: list[str], what: str) -> BadInput:
    """Return the error for a data set without a configuration that every task needs."""
    return BadInput(
        f"{data.files.label} has no configuration {' or '.join(names)}, so no {what}; "
        f"it has {', '.join(data.configs) or 'none'}",
        fix="A task needs corpus, queries and qrels; see docs/tasks.md for the layouts.",
    )


def _read_queries(where: _Where) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return query id -> text, instruction included, and notes."""
    table = where.require(_QUERIES, "queries")
    id_key, text_key = table.column(OWN_ID), table.column(("text",))
    rows = table.rows(id_key, text_key, _INSTRUCTION)
    queries: dict[str, str] = {}
    instructions: dict[str, str] = {}
    for number, row in rows.items:
        qid = id_of(row, id_key, rows, number)
        text = text_of(row, text_key, rows, number)
        if queries.setdefault(qid, text) != text:
            raise BadInput(f"{rows.at(number)}: query id {qid!r} again", fix="Drop one of the two.")
        if row.get(_INSTRUCTION):
            instructions[qid] = text_of(row, _INSTRUCTION, rows, number)
    if not queries:
        raise BadInput(f"{rows.label} holds no queries", fix="Give at least one query.")
    instructions.update(_instructions(where, queries))
    for qid, instruction in instructions.items():
        queries[qid] = f"{queries[qid]} {instruction}"
    if not instructions:
        return queries, ()
    note = f"{len(instructions):,} queries have instructions, which follow their texts"
    return queries, (note,)


def _instructions(where: _Where, queries: Mapping[str, str]) -> dict[str, str]:
    """Return query id -> instruction, from a configuration of their own."""
    table = where.find((_INSTRUCTION,))
    if table is None:
        return {}
    key = table.column(QUERY_ID)
    rows = table.rows(key, table.column((_INSTRUCTION,)))
    found: dict[str, str] = {}
    for number, row in rows.items:
        qid = _known_query(row, key, rows, number, queries)
        found[qid] = text_of(row, _INSTRUCTION, rows, number)
    return found


def _read_qrels(table: Table, queries: Mapping[str, str]) -> Qrels:
    """Return query id -> document id -> grade."""
    query_key, doc_key = table.column(QUERY_ID), table.column(DOCUMENT_ID)
    rows = table.rows(query_key, doc_key, table.column(("score",)))
    qrels: dict[str, dict[str, int]] = {}
    for number, row in rows.items:
        qid = _known_query(row, query_key, rows, number, queries)
        doc_id = id_of(row, doc_key, rows, number)
        grade = _grade(row.get("score"), rows, number)
        if qrels.setdefault(qid, {}).setdefault(doc_id, grade) != grade:
            raise BadInput(
                f"{rows.at(number)}: {doc_id!r} has grade {grade} and {qrels[qid][doc_id]} for "
                f"query {qid!r}",
                fix="Keep one of the two.",
            )
    if not qrels:
        raise BadInput(f"{rows.label} holds no judgements", fix="Name another split, or revision.")
    return qrels


def _known_query(
    row: Mapping[str, Any], key: str, rows: Rows, number: int, queries: Mapping[str, str]
) -> str:
    """Return a row's query id; raises `BadInput` for one that is no query."""
    qid = id_of(row, key, rows, number)
    if qid not in queries:
        raise BadInput(
            f"{rows.at(number)}: there is no query {qid!r}",
            fix="Check that queries and this file are of one split and revision.",
        )
    return qid


def _grade(value: object, rows: Rows, number: int) -> int:
    """Return a whole number, also where it is written as 1.0 or "1"; raises `BadInput`."""
    if isinstance(value, str | float | int) and not isinstance(value, bool):
        try:
            grade = float(value)
        except ValueError:
            grade = float("nan")
        if grade.is_integer():
            return int(grade)
    raise BadInput(
        f"{rows.at(number)}: the score {value!r} is no whole number", fix="Fix that judgement."
    )


def _read_documents(where: _Where, how: ReadOptions, reporter: Reporter) -> tuple[Corpus, int]:
    """Return the corpus, and how many rows only repeated another."""
    table = where.require((CORPUS,), "documents")
    id_key = table.column(OWN_ID)
    rows = table.rows(id_key, "title", table.column(("text",)))
    fields = CorpusFields(id_key, titled_text, merge_repeats=True, last_counts=how.last_counts)
    with reporter.bar(f"{table.files.label}: documents", table.count(), "documents") as advance:
        return read_corpus(rows, fields, advance)


def _candidates(where: _Where, queries: Mapping[str, str]) -> CandidateLists:
    """Return the candidate lists: configurations with a list of documents for a query."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for config in where.data.configs:
        role = _list_name(where, config)
        splits = where.data.configs[config]
        if not role or (where.split not in splits and len(splits) > 1):
            continue
        table = where.data.table(config, where.split)
        if any(key in table.columns for key in DOCUMENT_IDS):
            found[role] = _read_lists(table, queries)
    return found


def _list_name(where: _Where, config: str) -> str:
    """Return what a configuration's candidate list is called; empty where it can be none."""
    prefix = f"{where.subset}-" if where.subset else ""
    role = config.removeprefix(prefix)
    if not config.startswith(prefix) or (role in _ROLES and role != TOP_RANKED):
        return ""
    if not prefix and (role in _JUDGEMENTS or any(role.endswith(f"-{each}") for each in _ROLES)):
        return ""
    return role


def _read_lists(table: Table, queries: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return query id -> documents, best first, each once."""
    query_key, list_key = table.column(QUERY_ID), table.column(DOCUMENT_IDS)
    rows = table.rows(query_key, list_key)
    known: dict[object, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for number, row in rows.items:
        qid = _known_query(row, query_key, rows, number, queries)
        documents = ids_of(row, list_key, rows, number, known)
        if qid in lists or len(set(documents)) != len(documents):
            what = "comes twice" if qid in lists else "lists a document twice"
            raise BadInput(f"{rows.at(number)}: query {qid!r} {what}", fix="Keep one of the two.")
        lists[qid] = tuple(documents)
    return lists
