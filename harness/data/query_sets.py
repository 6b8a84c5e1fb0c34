"""Other queries for a task: rewritten ones from the hub or from the user's own file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, UnknownName
from harness.core.files import read_json
from harness.core.hashing import queries_fingerprint
from harness.core.types import Query, Task
from harness.data.bright_tasks import QUERY_SETS
from harness.data.checks import Rows, id_of, jsonl_rows, text_of

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")


def is_query_file(query_set: str) -> bool:
    """Tell whether the name of a query set is a file's."""
    return query_set.endswith(SUFFIXES)


def with_query_file(task: Task, path: Path) -> Task:
    """Return the task with its queries' texts taken from a file, plain or `.gz`.

    The query set is then named `file:` and the first 8 hex digits of the hash of its ids and texts.
    Raises `BadInput` as `read_rewrites` does.
    """
    texts = read_rewrites(task, path)
    queries = tuple(Query(query.id, texts[query.id]) for query in task.queries)
    return replace(task, queries=queries, query_set=f"file:{queries_fingerprint(queries)[:8]}")


def read_rewrites(task: Task, path: Path) -> dict[str, str]:
    """Return query id -> text for every query of a task, from a file as rewriters write them.

    `.jsonl`: rows `{"id" or "_id": …, "query" or "text": …}`, in any order. `.json`: an array of
    such rows (BRIGHT's `examples` rows are), or an object `{original text: rewrite}`, which may
    hold the queries of other tasks too, or `{query id: rewrite}`. Raises `BadInput` for a malformed
    or repeated row, for an id the task lacks, and for a query without a text or with an empty one.
    """
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        texts = _row_texts(jsonl_rows(path))
        queries = replace_queries(task.queries, texts, str(path))
    else:
        queries = _from_json(task, path)
    empty = [query.id for query in queries if not query.text.strip()]
    if empty:
        raise BadInput(
            f"{path}: {len(empty)} of {len(queries)} queries are empty, such as {empty[0]!r}",
            fix="Give each query a text; its own where a rewriter returned nothing.",
        )
    return {query.id: query.text for query in queries}


def _row_texts(rows: Rows) -> list[tuple[str, str]]:
    """Return (id, text) of each row."""
    return [
        (
            id_of(row, _key(row, "id", "_id"), rows, number),
            text_of(row, _key(row, "query", "text"), rows, number),
        )
        for number, row in rows.items
    ]


def _from_json(task: Task, path: Path) -> tuple[Query, ...]:
    """Return a task's queries with the texts of a JSON file."""
    value = read_json(path)
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        rows = Rows(str(path), "row", enumerate(value, start=1))
        return replace_queries(task.queries, _row_texts(rows), str(path))
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadInput(
            f"{path} holds neither rows nor an object of texts",
            fix='Give [{"id": …, "query": …}, …] or {"original text": "rewrite", …}.',
        )
    if task.queries and all(query.id in value for query in task.queries):
        return replace_queries(task.queries, value.items(), str(path))
    missing = [query for query in task.queries if query.text not in value]
    if missing:
        raise BadInput(
            f"{path}: {len(missing)} of {len(task.queries)} queries of {task.name} have no "
            f"rewrite, such as {missing[0].id!r} ({missing[0].text[:60]!r})",
            fix="Give each original text, to the letter, a rewrite.",
        )
    return tuple(Query(query.id, value[query.text]) for query in task.queries)


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
