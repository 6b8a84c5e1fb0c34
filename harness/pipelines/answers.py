"""What a rewrite must not know: answers and titles of the gold documents, by query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.types import Task
from harness.data.bright_hub import hub_rows
from harness.data.bright_local import local_rows
from harness.data.bright_tasks import EXAMPLES, TASKS

NOTHING = frozenset({"", "n/a", "empty", "none"})
"""How BRIGHT's rows write that there is no answer or reasoning."""

_TAIL = re.compile(r"(_\d+)?(\.\w{1,5})?$")


@dataclass(frozen=True, slots=True)
class Known:
    """By query id: the answer with its reasoning, and the titles of gold documents; maybe empty."""

    answers: Mapping[str, str]
    titles: Mapping[str, str]


def known_of(task: Task, data_dir: Path | None) -> Known:
    """Return what is known of a task's queries; only BRIGHT's rows hold answers.

    Raises `DataUnavailable` where BRIGHT cannot be read.
    """
    titles = {
        qid: " ".join(title_of(doc) for doc, grade in grades.items() if grade > 0)
        for qid, grades in task.qrels.items()
    }
    return Known(_answers(task.name, data_dir), titles)


def title_of(doc_id: str) -> str:
    """Return the title that BRIGHT's document ids hold.

    The last part of a path without its number and ending; the folder before it is named after the
    question and would know it by itself.
    """
    return _TAIL.sub("", doc_id.rpartition("/")[2]).replace("_", " ")


def _answers(name: str, data_dir: Path | None) -> dict[str, str]:
    """Return each query's answer and reasoning; empty for tasks that have none."""
    if name not in TASKS:
        return {}
    columns = ("id", "reasoning", "gold_answer")
    split = TASKS[name].split
    rows = (
        hub_rows(EXAMPLES, split, columns)
        if data_dir is None
        else local_rows(data_dir, EXAMPLES, split, columns)
    )
    found = {}
    for _, row in rows.items:
        texts = [str(row.get(key) or "") for key in ("gold_answer", "reasoning")]
        text = "\n".join(each for each in texts if each.strip().lower() not in NOTHING)
        if text:
            found[str(row.get("id"))] = text
    return found
