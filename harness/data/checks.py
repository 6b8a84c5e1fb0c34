"""Rows on their way in: ids and texts checked, with the file and line named when they fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_jsonl
from harness.core.protocols import Advance
from harness.core.types import Corpus, Qrels

_FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""Tabs and newlines end a field or line of a run file, NUL an id inside trec_eval, and lone
surrogates have no UTF-8. All else stands: BRIGHT's ids hold spaces, quotes and mojibake."""

Excluded = Mapping[str, frozenset[str]]
"""query id -> documents that must not be ranked for it."""

_STEP = 2_000
"""Documents between two movements of the progress bar."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Objects of one file; `unit` tells how they are counted (`line` or `row`, both from 1)."""

    label: str
    unit: str
    items: Iterable[tuple[int, Mapping[str, Any]]]

    def at(self, number: int) -> str:
        """Return where a row stands, for messages."""
        return f"{self.label}, {self.unit} {number}"


def jsonl_rows(path: Path) -> Rows:
    """Return the objects of a JSONL file, plain or `.gz`, read as they are asked for."""
    return Rows(label=str(path), unit="line", items=read_jsonl(path))


def bad_id(value: object) -> str | None:
    """Return why a value cannot be an id, or `None` if it can."""
    if not isinstance(value, str):
        return f"an id must be a text, not {value!r}"
    if not value:
        return "the id is empty"
    if _FORBIDDEN.search(value):
        return f"the id {value!r} holds a tab, newline or other control character"
    return None


def any_bad_id(values: Sequence[str]) -> str | None:
    """Return why one of many texts cannot be an id, or `None` if all can; one search for all."""
    if all(values) and not _FORBIDDEN.search("".join(values)):
        return None
    return next(filter(None, map(bad_id, values)), None)


def as_id(value: object) -> object:
    """Return a whole number as the text that names it (mteb and BRIGHT write such ids)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def id_of(row: Mapping[str, Any], key: str, rows: Rows, number: int) -> str:
    """Return a row's id verbatim (whole numbers as text); raises `BadInput` naming the place."""
    value = as_id(row.get(key))
    problem = f"no {key!r} field" if key not in row else bad_id(value)
    if problem is not None:
        raise BadInput(f"{rows.at(number)}: {problem}", fix="Fix that id, everywhere it is used.")
    return str(value)


def text_of(row: Mapping[str, Any], key: str, rows: Rows, number: int) -> str:
    """Return a row's text verbatim, which may be empty; raises `BadInput` naming the place."""
    value = row.get(key)
    if not isinstance(value, str):
        found = type(value).__name__ if key in row else "no such field"
        raise BadInput(
            f"{rows.at(number)}: {key!r} must be a text, found {found}", fix="Fix that row."
        )
    return value


def ids_of(
    row: Mapping[str, Any], key: str, rows: Rows, number: int, known: dict[object, str]
) -> list[str]:
    """Return a row's list of ids, as it stands but for whole numbers, which become text.

    `known` keeps each id once over all rows: aops lists 622,756 exclusions of 29,296 documents, so
    checking an id once makes that cheap. Raises `BadInput` for what is no list, and for a bad id.
    """
    value = row.get(key)
    if not isinstance(value, list):
        found = type(value).__name__ if key in row else "no such field"
        raise BadInput(
            f"{rows.at(number)}: {key!r} must be a list of ids, found {found}",
            fix="Fix that row; write [] where there are none.",
        )
    ids = []
    for item in value:
        plain = as_id(item)
        if not isinstance(plain, str) or plain not in known:
            problem = bad_id(plain)
            if problem is not None:
                raise BadInput(
                    f"{rows.at(number)}: in {key!r}, {problem}", fix="Fix or drop that id."
                )
            known[plain] = str(plain)
        ids.append(known[plain])
    return ids


def titled_text(row: Mapping[str, Any], rows: Rows, number: int) -> str:
    """Return a document's title, a space and its text, stripped of outer white space (BEIR)."""
    title = row.get("title") or ""
    if not isinstance(title, str):
        raise BadInput(f"{rows.at(number)}: 'title' must be a text", fix="Fix that row.")
    return f"{title} {text_of(row, 'text', rows, number)}".strip()


@dataclass(frozen=True, slots=True)
class CorpusFields:
    """How a corpus file names things: the id's key and how a row becomes a text.

    `merge_repeats` lets a row that repeats an earlier one word for word pass, once; with
    `last_counts` a later text of an id replaces the earlier one, as in mteb's dictionaries.
    """

    id_key: str
    text: Callable[[Mapping[str, Any], Rows, int], str]
    merge_repeats: bool = False
    last_counts: bool = False


def read_corpus(rows: Rows, fields: CorpusFields, advance: Advance) -> tuple[Corpus, int]:
    """Return the corpus in file order, and how many repeated rows were merged.

    Raises `BadInput` for an empty corpus and for two documents of one id, naming both places.
    """
    ids: list[str] = []
    texts: list[str] = []
    places: list[int] = []
    first: dict[str, int] = {}
    merged = 0
    for number, row in rows.items:
        doc_id = id_of(row, fields.id_key, rows, number)
        text = fields.text(row, rows, number)
        at = first.setdefault(doc_id, len(ids))
        if at == len(ids):
            ids.append(doc_id)
            texts.append(text)
            places.append(number)
        elif fields.last_counts or (fields.merge_repeats and texts[at] == text):
            texts[at] = text
            merged += 1
        else:
            raise BadInput(
                f"{rows.at(number)}: the document id {doc_id!r} is already at "
                f"{rows.unit} {places[at]}",
                fix="Give each document an id of its own.",
            )
        if len(ids) % _STEP == 0:
            advance(_STEP)
    advance(len(ids) % _STEP)
    if not ids:
        raise BadInput(f"{rows.label} holds no documents", fix="Give at least one document.")
    return Corpus(ids=tuple(ids), texts=tuple(texts)), merged


def check_exclusions(qrels: Qrels, excluded: Excluded, label: str) -> None:
    """Raise `BadInput` if a query excludes a document that is relevant for it.

    BRIGHT's own script asserts the same (facts of its `run.py`).
    """
    for qid, ids in excluded.items():
        clash = sorted(doc for doc, grade in qrels.get(qid, {}).items() if grade > 0 and doc in ids)
        if clash:
            raise BadInput(
                f"{label}: query {qid!r} excludes {clash[0]!r}, which is relevant for it"
                + (f" (and {len(clash) - 1} more)" if len(clash) > 1 else ""),
                fix="Take it out of one of the two lists.",
            )


def unknown_documents(corpus: Corpus, named: Iterable[str]) -> list[str]:
    """Return, sorted, the ids that the corpus does not hold."""
    return sorted(set(named).difference(corpus.ids))


def self_matches(queries: Mapping[str, str], excluded: Excluded, corpus: Corpus) -> int:
    """Return how many queries (id -> text) are, word for word, in the document of their own id.

    BEIR's own evaluator leaves such a document out; trec_eval does not. Ids that merely coincide,
    as numbers do, are no match.
    """
    documents = frozenset(corpus.ids)
    return sum(
        text.strip() in corpus.text_of[qid]
        for qid, text in queries.items()
        if qid in documents and qid not in excluded.get(qid, frozenset())
    )


def self_match_note(name: str, count: int) -> str:
    """Return the sentence on queries that are documents too."""
    return (
        f"{name}: {count:,} queries stand in the document of their own id, which may be ranked; "
        "BEIR's evaluator leaves it out (list it as excluded to do the same)"
    )
