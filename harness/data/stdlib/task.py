"""The embedded task `stdlib`: real questions on real documentation, with nothing to download."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_jsonl
from harness.core.types import PromptFields, Query, Task
from harness.data.stdlib.corpus import build_corpus

WORDING = PromptFields(
    slug="stdlib",
    name="Python programming",
    query_kind="Python programming question",
    query_noun="question",
    document_noun="documentation entries",
)


@dataclass(frozen=True, slots=True)
class StdlibRow:
    """One query as it is written down: `gold` holds 1 to 5 qualified names.

    `reasoning` says which step leads from the question to the answer. It is for people who read
    the data, and never part of what a retriever sees.
    """

    id: str
    query: str
    gold: tuple[str, ...]
    reasoning: str


def read_rows() -> tuple[StdlibRow, ...]:
    """Return the queries that ship with the package, by file name, then line.

    Raises `BadInput` with file and line when a row lacks a field.
    """
    folder = files("harness.data.stdlib").joinpath("queries")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".jsonl"))
    rows: list[StdlibRow] = []
    for name in names:
        with as_file(folder.joinpath(name)) as path:
            rows.extend(_row(row, path, number) for number, row in read_jsonl(path))
    return tuple(rows)


def load_stdlib() -> Task:
    """Load the task, its corpus taken from the running interpreter.

    The revision, which is the corpus key too, names the interpreter (`python-3.11.7`): another
    version documents other objects. Gold that this interpreter lacks (a build without
    `sqlite3`, say) is not judged, and a note says so.
    """
    corpus = build_corpus()
    known = frozenset(corpus.ids)
    rows = read_rows()
    judged = {row.id: {name: 1 for name in row.gold if name in known} for row in rows}
    kept = tuple(row for row in rows if judged[row.id])
    missing = sorted({name for row in rows for name in row.gold} - known)
    revision = f"python-{platform.python_version()}"
    return Task(
        name="stdlib",
        group="stdlib",
        revision=revision,
        query_set="original",
        queries=tuple(Query(row.id, row.query) for row in kept),
        qrels={row.id: judged[row.id] for row in kept},
        excluded={},
        head_metric="ndcg@10",
        prompt_fields=WORDING,
        corpus=corpus,
        corpus_key=revision,
        notes=_missing_note(missing, len(rows) - len(kept)),
    )


def _row(row: Mapping[str, Any], path: Path, number: int) -> StdlibRow:
    """Return a JSON row as a `StdlibRow`; raises `BadInput` naming what is wrong with it."""
    texts = [row.get(key) for key in ("id", "query", "reasoning")]
    gold = row.get("gold")
    named = isinstance(gold, list) and gold and all(isinstance(name, str) for name in gold)
    if not named or not all(isinstance(text, str) and text for text in texts):
        raise BadInput(
            f"{path}, line {number}: expected id, query, gold and reasoning, none empty",
            fix="Mend that line, or install rebench again.",
        )
    return StdlibRow(row["id"], row["query"], tuple(row["gold"]), row["reasoning"])


def _missing_note(missing: list[str], dropped: int) -> tuple[str, ...]:
    """Return the warning about gold documents that this interpreter lacks, if any."""
    if not missing:
        return ()
    return (
        f"{len(missing)} gold documents do not exist in this interpreter ({', '.join(missing)}); "
        f"{dropped} queries without any other were dropped",
    )
