"""A folder in BEIR layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`, `excluded.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.files import read_lines
from harness.core.hashing import sha256_file, sha256_parts
from harness.core.paths import user_path
from harness.core.protocols import Reporter
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.data.checks import (
    CorpusFields,
    bad_id,
    check_exclusions,
    id_of,
    ids_of,
    jsonl_rows,
    read_corpus,
    self_match_note,
    self_matches,
    text_of,
    titled_text,
    unknown_documents,
)

GROUP = "beir"
HEAD_METRIC = "ndcg@10"
LICENCE = "the folder's own"
_QRELS = Path("qrels") / "test.tsv"
_HEADER = {"query-id", "query_id", "qid", "topic"}
"""What the first field of a judgement file's header line may say, in lower case."""


def is_beir_folder(folder: Path) -> bool:
    """Tell whether a folder holds a corpus in BEIR layout."""
    return _find(folder, "corpus.jsonl") is not None


def load_beir(folder: Path, *, with_corpus: bool, reporter: Reporter) -> Task:
    """Load a folder as a task of its name, headed by nDCG@10.

    A document's text is its title, a space and its text, stripped of outer white space (BEIR's
    own habit). Judgements keep their grades. Queries that nobody judged are left out with a note.
    `excluded.jsonl` holds rows `{"_id" or "query-id": …, "excluded_ids": […]}`. The revision is
    made of the files' bytes, 12 hex digits.

    Raises `BadInput`, naming file and line, for files that are absent, damaged or malformed,
    empty ones, repeated ids, judgements and exclusions of unknown queries, and, where the corpus
    is read, of unknown documents.
    """
    paths = {
        name: _require(folder, name) for name in ("corpus.jsonl", "queries.jsonl", str(_QRELS))
    }
    exclusions = _find(folder, "excluded.jsonl")
    queries = _read_queries(paths["queries.jsonl"])
    qrels = _read_qrels(paths[str(_QRELS)], queries)
    excluded = {} if exclusions is None else _read_excluded(exclusions, queries)
    check_exclusions(qrels, excluded, str(exclusions))
    corpus = _read_corpus(paths["corpus.jsonl"], reporter) if with_corpus else None
    if corpus is not None:
        judged = (doc for grades in qrels.values() for doc in grades)
        _require_known(corpus, judged_in=paths[str(_QRELS)], named=set(judged))
        left_out = {doc for ids in excluded.values() for doc in ids}
        _require_known(corpus, judged_in=folder / "excluded.jsonl", named=left_out)
    notes = _notes(folder, queries, qrels)
    same = self_matches(queries, excluded, corpus) if corpus is not None else 0
    if same:
        notes = (*notes, self_match_note(folder.resolve().name, same))
    for note in notes:
        reporter.note(note)
    name = user_path(folder.resolve()).name
    files = [path for path in (*paths.values(), exclusions) if path is not None]
    return Task(
        name=name,
        group=GROUP,
        revision=sha256_parts(sha256_file(path) for path in files)[:12],
        query_set="original",
        queries=tuple(Query(qid, text) for qid, text in queries.items() if qid in qrels),
        qrels=qrels,
        excluded={qid: ids for qid, ids in excluded.items() if qid in qrels},
        head_metric=HEAD_METRIC,
        prompt_fields=PromptFields(name, name, "search query", "query", "documents"),
        corpus=corpus,
        notes=notes,
    )


def _find(folder: Path, name: str) -> Path | None:
    """Return a file of the folder, plain or `.gz`, or `None`."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _require(folder: Path, name: str) -> Path:
    """Return a file of the folder, plain or `.gz`; raises `BadInput` when it is absent."""
    path = _find(folder, name)
    if path is None:
        raise BadInput(
            f"{folder} holds no {name}",
            fix="BEIR layout is corpus.jsonl, queries.jsonl (each may be .gz) and qrels/test.tsv.",
        )
    return path


def _read_queries(path: Path) -> dict[str, str]:
    """Return query id -> text."""
    rows = jsonl_rows(path)
    queries: dict[str, str] = {}
    for number, row in rows.items:
        qid = id_of(row, "_id", rows, number)
        if qid in queries:
            raise BadInput(f"{rows.at(number)}: query id {qid!r} again", fix="Drop one of the two.")
        queries[qid] = text_of(row, "text", rows, number)
    if not queries:
        raise BadInput(f"{path} holds no queries", fix="Give at least one query.")
    return queries


def _read_qrels(path: Path, queries: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return query id -> document id -> grade, from three columns with or without a header."""
    qrels: dict[str, dict[str, int]] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        fields = line.split("\t")
        if number == 1 and fields[0].strip().lower() in _HEADER:
            continue
        where = f"{path}, line {number}"
        judged = _judgement(fields, where)
        qid, doc_id, grade = judged.query, judged.document, judged.grade
        if qid not in queries:
            raise BadInput(
                f"{where}: there is no query {qid!r}", fix="Drop the line or give the query."
            )
        if qrels.setdefault(qid, {}).setdefault(doc_id, grade) != grade:
            raise BadInput(
                f"{where}: {doc_id!r} has grade {grade} and {qrels[qid][doc_id]} for query {qid!r}",
                fix="Keep one of the two.",
            )
    if not qrels:
        raise BadInput(f"{path} holds no judgements", fix="Judge at least one query.")
    return qrels


@dataclass(frozen=True, slots=True)
class _Judgement:
    """One line of a qrels file: ids and the grade."""

    query: str
    document: str
    grade: int


def _judgement(fields: list[str], where: str) -> _Judgement:
    """Return the judgement in one line's fields."""
    fix = "A line is query id, tab, document id, tab, whole number."
    if len(fields) != 3:
        raise BadInput(f"{where}: {len(fields)} tab-separated fields instead of 3", fix=fix)
    for value in fields[:2]:
        problem = bad_id(value)
        if problem is not None:
            raise BadInput(f"{where}: {problem}", fix=fix)
    try:
        grade = int(fields[2])
    except ValueError as error:
        raise BadInput(f"{where}: grade {fields[2]!r} is no whole number", fix=fix) from error
    return _Judgement(fields[0], fields[1], grade)


def _read_excluded(path: Path, queries: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Return query id -> excluded document ids, for queries that have any."""
    rows = jsonl_rows(path)
    excluded: dict[str, frozenset[str]] = {}
    known: dict[object, str] = {}
    for number, row in rows.items:
        qid = id_of(row, "query-id" if "query-id" in row else "_id", rows, number)
        if qid not in queries or qid in excluded:
            problem = "comes twice" if qid in excluded else "is no query"
            raise BadInput(f"{rows.at(number)}: {qid!r} {problem}", fix="Mend or drop that row.")
        excluded[qid] = frozenset(ids_of(row, "excluded_ids", rows, number, known))
    return {qid: ids for qid, ids in excluded.items() if ids}


def _read_corpus(path: Path, reporter: Reporter) -> Corpus:
    """Return the documents in file order."""
    lines = sum(1 for _ in read_lines(path))
    with reporter.bar(f"{path.parent.name}: documents", lines, "documents") as advance:
        return read_corpus(jsonl_rows(path), CorpusFields("_id", titled_text), advance)[0]


def _require_known(corpus: Corpus, *, judged_in: Path, named: set[str]) -> None:
    """Raise `BadInput` when a file names documents that the corpus lacks."""
    absent = unknown_documents(corpus, named)
    if absent:
        raise BadInput(
            f"{judged_in} names {len(absent)} documents that the corpus lacks, "
            f"such as {absent[0]!r}",
            fix="Add the documents or drop those lines.",
        )


def _notes(
    folder: Path, queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]
) -> tuple[str, ...]:
    """Return a sentence on queries that nobody judged, if there are any."""
    idle = len(queries) - len(qrels)
    if not idle:
        return ()
    return (f"{folder.resolve().name}: {idle:,} of {len(queries):,} queries have no judgements",)
