"""The documents of a run: a task's, a folder's, or some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_lines
from harness.core.protocols import Reporter
from harness.core.types import Corpus, PromptFields, Task
from harness.data.beir import load_beir
from harness.data.checks import CorpusFields, Rows, jsonl_rows, read_corpus, text_of

_STEM = "corpus.jsonl"


def folder_task(folder: Path, reporter: Reporter) -> Task:
    """Return a folder as a task: in BEIR layout, or just `corpus.jsonl` (plain or `.gz`).

    Queries and judgements, where there are any, say which documents are left alone. Raises
    `BadInput` for a folder without documents or with damaged files.
    """
    if any((folder / f"queries.jsonl{end}").is_file() for end in ("", ".gz")):
        return load_beir(folder, with_corpus=True, reporter=reporter)
    found = [folder / f"{_STEM}{end}" for end in ("", ".gz")]
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        raise BadInput(
            f"{folder} holds no {_STEM} or {_STEM}.gz",
            fix='Give a folder with one: each line is {"_id": "…", "text": "…"}.',
        )
    with reporter.bar(f"{folder.name}: documents", 0, "documents") as advance:
        corpus, _ = read_corpus(jsonl_rows(path), CorpusFields("_id", _document_text), advance)
    name = folder.resolve().name
    return Task(
        name=name,
        group="corpus",
        revision="",
        query_set="none",
        queries=(),
        qrels={},
        excluded={},
        head_metric="ndcg@10",
        prompt_fields=PromptFields(name, name, "question", "question", "documents"),
        corpus=corpus,
    )


def only_documents(task: Task, path: Path) -> Task:
    """Return the task with only those documents whose ids stand in a file, one a line.

    Ids that the corpus lacks are passed over (another interpreter documents other objects).
    Raises `BadInput` when none is left.
    """
    named = named_documents(path)
    corpus = task.corpus or Corpus((), ())
    kept = [row for row, key in enumerate(corpus.ids) if key in named]
    if not kept:
        raise BadInput(
            f"{path} names {len(named)} documents, none of them in {task.name!r}",
            fix="Write one document id a line.",
        )
    ids = tuple(corpus.ids[row] for row in kept)
    return replace(task, corpus=Corpus(ids, tuple(corpus.texts[row] for row in kept)))


def named_documents(path: Path) -> frozenset[str]:
    """Return the ids in a file, one a line, plain or `.gz`."""
    return frozenset(line for _, line in read_lines(path) if line)


def reserved_documents(task: Task) -> frozenset[str]:
    """Return the relevant and the excluded documents of a task: nothing is written from them."""
    gold = {key for grades in task.qrels.values() for key, grade in grades.items() if grade > 0}
    return frozenset(gold.union(*task.excluded.values()))


def _document_text(row: Mapping[str, Any], rows: Rows, number: int) -> str:
    """Return title and text as one, as BEIR folders are read."""
    title = row.get("title") or ""
    if not isinstance(title, str):
        raise BadInput(f"{rows.at(number)}: 'title' must be a text", fix="Mend that row.")
    return f"{title} {text_of(row, 'text', rows, number)}".strip()
