"""Runs as other systems write them in JSON: which shape a file has, and its scored documents.

- BRIGHT's `score.json`: `{query id: {document id: score}}`.
- FlagEmbedding's evaluators: the same under the key `search_results`.
- Rank lists, best first: `{query id: [document id, …]}`.
- rank_llm: lines, or one array, of
  `{"query": {"qid": …}, "candidates": [{"docid": …, "score": …}, …]}`.
- BrowseComp-Plus: a folder of files `{"query_id": …, "retrieved_docids": [document id, …]}`.

In a list the order is the ranking. Where scores stand beside it and all of them agree with it they
are kept; else, and where there are none, documents of a list of n score n, n - 1, …, 1.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from harness.core.errors import BadInput
from harness.core.files import open_text
from harness.data.checks import any_bad_id

FLOAT32_MAX = 3.4028235677973366e38
"""From here on a number rounds to infinity in float32: 2^128 - 2^103."""

Scored = tuple[float, str, int]
"""Score, document id, and the line or place it comes from."""

ScoredByQuery = dict[str, list[Scored]]

UNORDERED = (
    "lists as BrowseComp-Plus's scripts write them are sets: recall means something, ranks do not"
)
RANKS_FOR_SCORES = (
    "the scores do not follow the order of the lists, which counts: ranks stand for them"
)

_LIST_OF_OBJECTS = re.compile(r"\s*\[\s*[{\]]")
_LISTS = ("candidates", "hits")
"""What rank_llm calls a query's documents: today, and before its release 0.20."""

_SHAPES = (
    "A run is TREC lines, {query id: {document id: score}}, {query id: [document id, …]}, "
    "FlagEmbedding's search_results, rank_llm's lines, or a folder of BrowseComp-Plus's files."
)


@dataclass(frozen=True, slots=True)
class JsonRun:
    """What a JSON run holds, and sentences on what a reader should know of it."""

    scored: ScoredByQuery
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _RankedList:
    """A query's documents, best first, with a score each or with none at all; `where` it stands."""

    where: str
    query: str
    documents: tuple[str, ...]
    scores: tuple[float, ...] | None


def is_json_run(text: str) -> bool:
    """Tell whether a file holds JSON rather than TREC lines."""
    start = text.lstrip()
    opens = start.startswith("{") or _LIST_OF_OBJECTS.match(start) is not None
    return opens and start.partition("\n")[0].count("\t") != 5


def read_json_run(path: Path, text: str) -> JsonRun:
    """Return the scored documents of a JSON or JSONL file by query, in the file's order.

    Raises `BadInput` naming the line, or the query, for what is no run: another shape, an id or a
    score that cannot be one, or a name that comes twice in an object.
    """
    first, _, rest = text.strip().partition("\n")
    if rest and _names_a_list(first):
        lines = ((n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip())
        records = ((f"{path}, line {n}", _parsed(line, f"{path}, line {n}")) for n, line in lines)
        return _from_lists(_rank_llm(record, where) for where, record in records)
    value = _parsed(text, str(path))
    if isinstance(value, list):
        named = ((f"{path}, entry {n}", entry) for n, entry in enumerate(value, start=1))
        return _from_lists(_rank_llm(entry, where) for where, entry in named)
    if "retrieved_docids" in value and "query_id" in value:
        return _from_lists([_retrieved(value, str(path))], UNORDERED)
    if _has_list(value):
        return _from_lists([_rank_llm(value, str(path))])
    return _by_query(path, _search_results(value))


def is_run_folder(path: Path) -> bool:
    """Tell whether a path is a folder whose first file is BrowseComp-Plus's for a query."""
    first = min(path.glob("*.json"), default=None) if path.is_dir() else None
    if first is None:
        return False
    with open_text(first) as handle:
        return '"retrieved_docids"' in handle.read()


def read_run_folder(folder: Path) -> JsonRun:
    """Return a run of one JSON file per query, as BrowseComp-Plus's scripts write them.

    Raises `BadInput` naming the file for one of another shape, and for a query that has two.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise BadInput(f"{folder} holds no .json file", fix=_SHAPES)
    lists: list[_RankedList] = []
    places: dict[str, Path] = {}
    for path in files:
        with open_text(path) as handle:
            found = _retrieved(_parsed(handle.read(), str(path)), str(path))
        if found.query in places:
            raise BadInput(
                f"{path}: query {found.query!r} is also in {places[found.query].name}",
                fix="Keep one file per query.",
            )
        places[found.query] = path
        lists.append(found)
    return _from_lists(lists, UNORDERED)


def not_finite(where: str, score: str) -> NoReturn:
    """Raise `BadInput` for a score that float32 cannot hold."""
    raise BadInput(
        f"{where}: score {score} is not a finite number in float32",
        fix="Give every document a finite score, or leave it out of the run.",
    )


def check_ids(values: Sequence[str], where: str) -> None:
    """Raise `BadInput` if one of the values cannot be an id."""
    problem = any_bad_id(values)
    if problem is not None:
        raise BadInput(f"{where}: {problem}", fix="Fix that id.")


def repeated(names: Iterable[str]) -> str:
    """Return the name that comes most often."""
    return Counter(names).most_common(1)[0][0]


def _parsed(text: str, where: str) -> Any:
    """Return a JSON text's value, an object or a list; raises `BadInput`."""
    try:
        value = json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=lambda pairs: _object(where, pairs),
            parse_constant=lambda name: not_finite(where, name),
        )
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON ({error})", fix="Fix it or write it again.") from error
    if not isinstance(value, dict | list):
        raise BadInput(f"{where}: {type(value).__name__} is no run", fix=_SHAPES)
    return value


def _object(where: str, pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return a JSON object's pairs as a dictionary; raises `BadInput` if a name comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        name = repeated(name for name, _ in pairs)
        raise BadInput(f"{where}: {name!r} comes twice in one object", fix="Drop one of the two.")
    return found


def _names_a_list(line: str) -> bool:
    """Tell whether a line is a whole object that holds a query's documents as rank_llm does."""
    try:
        return _has_list(json.loads(line))
    except (ValueError, RecursionError):
        return False


def _has_list(value: object) -> bool:
    """Tell whether a value is an object with a list of rank_llm's."""
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in _LISTS)


def _search_results(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return FlagEmbedding's results without what stands around them; another object as it is."""
    inner = value.get("search_results")
    if isinstance(inner, dict) and all(isinstance(each, dict | list) for each in inner.values()):
        return inner
    return value


def _by_query(path: Path, value: Mapping[str, Any]) -> JsonRun:
    """Return the run of an object by query id: score dictionaries or lists, all of one kind."""
    kinds = {type(each) for each in value.values()}
    if kinds == {list}:
        lists = (
            _RankedList(str(path), qid, _documents(ids, f"{path}, query {qid!r}"), None)
            for qid, ids in value.items()
        )
        return _from_lists(lists)
    scored: ScoredByQuery = {}
    for qid, scores in value.items():
        where = f"{path}, query {qid!r}"
        check_ids((qid,), where)
        if not isinstance(scores, dict):
            raise BadInput(
                f"{where}: expected an object, found {type(scores).__name__}", fix=_SHAPES
            )
        scored[qid] = [
            (_number(score, f"{where}, document {doc_id!r}"), doc_id, place)
            for place, (doc_id, score) in enumerate(scores.items(), start=1)
        ]
    return JsonRun(scored)


def _rank_llm(record: Any, where: str) -> _RankedList:
    """Return one query's documents in rank_llm's form."""
    if not _has_list(record):
        raise BadInput(
            f"{where}: no list 'candidates'",
            fix='rank_llm writes {"query": {"qid": …}, "candidates": [{"docid": …}, …]}.',
        )
    key = next(key for key in _LISTS if isinstance(record.get(key), list))
    found = record[key]
    for place, each in enumerate(found, start=1):
        if not isinstance(each, dict) or "docid" not in each:
            raise BadInput(
                f"{where}, {key}, place {place}: no 'docid'", fix="Give each document its id."
            )
    query = record.get("query")
    first = found[0] if found else {}
    qid = query.get("qid") if isinstance(query, dict) else record.get("qid", first.get("qid"))
    documents = _documents([each["docid"] for each in found], where)
    scores = None
    if all(each.get("score") is not None for each in found):
        scores = tuple(
            _number(each["score"], f"{where}, document {doc!r}")
            for each, doc in zip(found, documents, strict=True)
        )
    return _RankedList(where, _id(qid, where, "query id"), documents, scores)


def _retrieved(record: Any, where: str) -> _RankedList:
    """Return one query's documents as BrowseComp-Plus's scripts write them."""
    if not isinstance(record, dict) or not isinstance(record.get("retrieved_docids"), list):
        raise BadInput(f"{where}: no list 'retrieved_docids'", fix=_SHAPES)
    qid = _id(record.get("query_id"), where, "'query_id'")
    return _RankedList(where, qid, _documents(record["retrieved_docids"], where), None)


def _documents(values: Sequence[Any], where: str) -> tuple[str, ...]:
    """Return document ids as texts, each once; raises `BadInput`."""
    found = tuple(_id(value, where, f"place {at}") for at, value in enumerate(values, start=1))
    if len(set(found)) != len(found):
        twice = repeated(found)
        first, second = [at for at, doc in enumerate(found, start=1) if doc == twice][:2]
        raise BadInput(
            f"{where}: {twice!r} is ranked twice (places {first} and {second})",
            fix="Keep one of the two.",
        )
    return found


def _id(value: object, where: str, what: str) -> str:
    """Return an id, whole numbers as text; raises `BadInput`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"{where}: {what} is {value!r:.60}, not an id", fix="Fix that id.")
    check_ids((value,), f"{where}, {what}")
    return value


def _number(score: object, where: str) -> float:
    """Return a score, finite in float32."""
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise BadInput(f"{where}: score {score!r} is no number", fix="Fix that score.")
    if not -FLOAT32_MAX < score < FLOAT32_MAX:
        not_finite(where, str(score)[:40])
    return float(score)


def _from_lists(lists: Iterable[_RankedList], *notes: str) -> JsonRun:
    """Return the run of ranked lists, scored by their own scores or by rank."""
    found: dict[str, _RankedList] = {}
    for each in lists:
        if each.query in found:
            raise BadInput(
                f"{each.where}: query {each.query!r} has a list already", fix="Keep one of the two."
            )
        found[each.query] = each
    scored = any(each.scores for each in found.values())
    kept = scored and all(_follows(each) for each in found.values())
    if scored and not kept:
        notes = (*notes, RANKS_FOR_SCORES)
    return JsonRun({qid: _scored(each, kept=kept) for qid, each in found.items()}, notes)


def _scored(ranked: _RankedList, *, kept: bool) -> list[Scored]:
    """Return a list's documents with their own scores, or n, n - 1, …, 1."""
    size = len(ranked.documents)
    scores = ranked.scores if kept and ranked.scores is not None else range(size, 0, -1)
    return [
        (float(score), doc, place)
        for place, (score, doc) in enumerate(zip(scores, ranked.documents, strict=True), start=1)
    ]


def _follows(ranked: _RankedList) -> bool:
    """Tell whether ranking by float32 score, then id, both descending, gives back the list."""
    import numpy as np

    if ranked.scores is None:
        return not ranked.documents
    scores = np.array(ranked.scores, dtype=np.float32).tolist()
    pairs = list(zip(scores, ranked.documents, strict=True))
    return all(better > worse for better, worse in pairwise(pairs))
