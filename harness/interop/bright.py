"""BRIGHT's own result files: `<task>_<model>_long_<True|False>/results.json`.

Facts of the format (xlang-ai/BRIGHT, run.py): one object of measures such as `NDCG@10`, rounded to
five decimals; neither the data's revision nor the queries are named, so both are for the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, UnknownName
from harness.core.types import Json
from harness.data.bright_tasks import ORIGINAL, TASKS
from harness.interop.records import TASK_HEAD_METRICS, ResultFile, fraction, tail
from harness.metrics.names import bright_key, is_trec_evals, parse_metric

LAYOUT = "bright"
FILE = "results.json"
_SLUGS = sorted({task.split for task in TASKS.values()})
_FOLDER = re.compile(rf"({'|'.join(map(re.escape, _SLUGS))})_(.+)_long_(True|False)")
_KEY = re.compile(r"(NDCG|MAP|Recall|P)@[1-9][0-9]*|MRR")


@dataclass(frozen=True, slots=True)
class ImportHints:
    """What the user says of files that do not say it: `None` leaves it to the folder's name."""

    task: str | None = None
    model: str | None = None
    query_set: str = ORIGINAL
    gold: str = "unknown"


def is_bright(document: object) -> bool:
    """Tell whether a JSON value looks like BRIGHT's results."""
    return (
        isinstance(document, dict)
        and bool(document)
        and all(isinstance(key, str) and _KEY.fullmatch(key) for key in document)
    )


def read_bright(path: Path, document: Mapping[str, Any], hints: ImportHints) -> ResultFile:
    """Return what one results file says; its folder names task and model unless `hints` do.

    Raises `BadInput` if neither does, `UnknownName` for a task we do not have.
    """
    match = _FOLDER.fullmatch(path.parent.name)
    if match is None and not (hints.task and hints.model):
        raise BadInput(
            f"{path} does not lie in a folder such as biology_bm25_long_False",
            fix="Name the task and the model with --task and --model.",
        )
    task, model = hints.task, hints.model
    if match is not None:
        task = task or (f"{match[1]}-long" if match[3] == "True" else match[1])
        model = model or match[2]
    if task is None or model is None or task not in TASK_HEAD_METRICS:
        raise UnknownName("task", str(task), TASK_HEAD_METRICS, listing="See `rebench tasks`.")
    return ResultFile(
        model=model,
        revision="",
        layout=LAYOUT,
        query_set=hints.query_set,
        gold=hints.gold,
        metrics={
            task: {
                str(parse_metric(key)): fraction(value, f"{path}: {key}")
                for key, value in document.items()
            }
        },
        dataset_revision="",
        protocol="results.json of BRIGHT's scripts",
        date="",
        path=tail(path, 2),
    )


def bright_document(metrics: Mapping[str, float]) -> dict[str, Json]:
    """Return a results file's value: BRIGHT's own measures, not rounded."""
    found = {parse_metric(name): value for name, value in metrics.items()}
    return {bright_key(metric): value for metric, value in found.items() if is_trec_evals(metric)}


def folder_name(task: str, model: str) -> str:
    """Return the folder that BRIGHT's scripts would write to."""
    slug = task.removesuffix("-long")
    return f"{slug}_{model}_long_{task.endswith('-long')}"
