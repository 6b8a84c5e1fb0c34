"""Other queries for a task: rewritten ones from the hub or from the user's own file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, UnknownName
from harness.core.hashing import queries_fingerprint
from harness.core.types import Query, Task
from harness.data.bright_tasks import QUERY_SETS
from harness.data.checks import id_of, jsonl_rows, text_of

SUFFIXES = (".jsonl", ".jsonl.gz")


def is_query_file(query_set: str) -> bool:
    """Tell whether the name of a query set is a file's."""
    return query_set.endswith(SUFFIXES)


def with_query_file(task: Task, path: Path) -> Task:
    """Return the task with its queries' texts taken from a JSONL file, plain or `.gz`.

    Rows are `{"id" or "_id": …, "query" or "text": …}`, in any order. The query set is then
    named `file:` and the first 8 hex digits of the hash of its ids and texts. Raises `BadInput`
    for a malformed or repeated row, for an id the task lacks, and if a judged query has no row.
    """
    rows = jsonl_rows(path)
    texts = [
        (
            id_of(row, _key(row, "id", "_id"), rows, number),
            text_of(row, _key(row, "query", "text"), rows, number),
        )
        for number, row in rows.items
    ]
    queries = replace_queries(task.queries, texts, str(path))
    return replace(task, queries=queries, query_set=f"file:{queries_fingerprint(queries)[:8]}")


def with_unread_queries(task: Task, query_set: str) -> Task:
    """Return the task under another query set's name and without texts, for scoring a given run.

    Its entries compare with others of that query set; that the texts were the same is the run's
    word. Raises `UnknownName` for a set that BRIGHT does not have.
    """
    if query_set not in QUERY_SETS:
        known = ", ".join(QUERY_SETS)
        raise UnknownName("query set", query_set, QUERY_SETS, listing=f"Known: {known}.")
    return replace(task, query_set=query_set, queries=())


def replace_queries(
    queries: Sequence[Query], texts: Iterable[tuple[str, str]], label: str
) -> tuple[Query, ...]:
    """Return the queries in their own order with new texts, one for each and none left over.

    Raises `BadInput` otherwise, naming `label`, how many ids are concerned and the first.
    """
    found: dict[str, str] = {}
    for qid, text in texts:
        if qid in found:
            raise BadInput(f"{label}: query id {qid!r} comes twice", fix="Drop one of the two.")
        found[qid] = text
    known = {query.id for query in queries}
    missing = [query.id for query in queries if query.id not in found]
    unknown = [qid for qid in found if qid not in known]
    if missing:
        raise BadInput(
            f"{label}: {len(missing)} of {len(known)} judged queries have no text, "
            f"such as {missing[0]!r}",
            fix="Give every judged query of the task one row.",
        )
    if unknown:
        raise BadInput(
            f"{label}: {len(unknown)} ids are no queries of the task, such as {unknown[0]!r}",
            fix="Check that the file belongs to this task, and drop those rows.",
        )
    return tuple(Query(query.id, found[query.id]) for query in queries)


def _key(row: Mapping[str, Any], first: str, second: str) -> str:
    """Return which of two names a row uses for a field (the first if neither)."""
    return second if first not in row and second in row else first
