"""The ground an entry was scored on, kept once per task beside the entries.

With it `rebench verify` needs neither the hub nor the folder that a task came from.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, StoreError
from harness.core.files import read_json, write_text
from harness.core.hashing import task_fingerprint
from harness.core.types import PromptFields, QueryAspects, Task

FOLDER = "judgements"


def judgements_path(root: Path, fingerprint: str) -> Path:
    """Return where the judgements of a task fingerprint lie below a results folder."""
    return root / FOLDER / f"{fingerprint.replace(':', '-')}.json.gz"


def save_judgements(root: Path, task: Task) -> None:
    """Keep a task's judgements, exclusions, aspects and head metric, unless they are there.

    No texts are kept. The file is named by its content, so writing it twice is harmless; a damaged
    one is written again. Raises `StoreError`.
    """
    fingerprint = task_fingerprint(task)
    path = judgements_path(root, fingerprint)
    if path.is_file():
        with contextlib.suppress(StoreError):
            load_judgements(root, fingerprint)
            return
    ground: dict[str, Any] = {
        "name": task.name,
        "head_metric": task.head_metric,
        "corpus_key": task.corpus_key,
        "qrels": {qid: dict(grades) for qid, grades in task.qrels.items()},
        "excluded": {qid: sorted(ids) for qid, ids in task.excluded.items()},
    }
    if task.aspects:
        ground["aspects"] = {qid: asdict(each) for qid, each in task.aspects.items()}
    write_text(path, json.dumps(ground, ensure_ascii=False, separators=(",", ":")))


def load_judgements(root: Path, fingerprint: str) -> Task:
    """Return a task that holds only what scoring needs (no queries, no documents).

    Raises `StoreError` when the file is absent, damaged, or not what the fingerprint names.
    """
    path = judgements_path(root, fingerprint)
    try:
        ground = read_json(path)
        task = Task(
            name=ground["name"],
            group="",
            revision="",
            query_set="",
            queries=(),
            qrels=ground["qrels"],
            excluded={qid: frozenset(ids) for qid, ids in ground["excluded"].items()},
            head_metric=ground["head_metric"],
            prompt_fields=PromptFields("", "", "", "", ""),
            corpus_key=ground["corpus_key"],
            aspects={
                qid: QueryAspects(each["of_document"], each["weights"])
                for qid, each in ground.get("aspects", {}).items()
            },
        )
        actual = task_fingerprint(task)
    except (BadInput, LookupError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"the judgements at {path} cannot be read: {error}",
            fix="Measure one of the task's entries again with --force.",
        ) from error
    if actual != fingerprint:
        raise StoreError(
            f"{path} holds the judgements of {actual}",
            fix="It was changed after it was written: measure one of the task's entries again with "
            "--force.",
        )
    return task
