"""mteb's result files: `<model>/<revision>/<Task>.json`, one task (formerly one suite) a file.

Facts of the format: mteb 2.x writes `dataset_revision`, `task_name`, `mteb_version` and `scores`,
which maps a split to a list of subsets, each with `hf_subset`, `languages`, `main_score` and
`<measure>_at_<k>`. Slashes of a model's name become two underscores in its folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_json
from harness.core.types import Json
from harness.data.bright_tasks import ORIGINAL, REVISION, TASKS
from harness.data.embedded import TASKS as EMBEDDED
from harness.data.grounds.table import GROUNDS
from harness.interop.records import ResultFile, UnsupportedFile, fraction, tail
from harness.metrics.names import Metric, is_trec_evals, parse_metric

LAYOUT = "mteb"
NO_REVISION = "no_revision_available"
LANGUAGES = ("eng-Latn",)

GOLD_BY_REVISION = {
    REVISION: "current",
    "c26703e6600d97c579ee2985f16cf307db13ed85": "current",
    "a75a0eb483f6a5233a6efc2d63d71540a4443dfb": "a75a0eb",
    **{ground.revision: ground.group for ground in GROUNDS.values() if ground.mteb_name},
    **dict.fromkeys(
        (
            "8d356ed8a3b65123b5ec78793fbb7e80010345db",
            "66a901dddee938a175f87d3dededeae506c13af8",
            "e7ce2bbbfc5fab8c0048dadc83abf2b5dd98bc05",
            "18b7681648b7064e0a0f46843f3ab677d7e6a2c4",
            "25648862e812eef5fbeb51de859ce3127dbc055e",
            "cfadbcdc4d1ee17e91751218ae0ebfa001c8feea",
            "3f10f4998714e03b9fda8064360a768b0a3fbb4f",
        ),
        "bright-pro",
    ),
}
"""Commits of the data -> version of the judgements: that of the hub that is read here, mteb's copy
of it (mteb #4144; all-mpnet-base-v2 has the paper's figures there), and that of July 2024; R2MED's,
which mteb reads as it is, BRIGHT-Pro's, and mteb's copies of that, one a task."""

SUITES = ("BrightRetrieval", "BrightLongRetrieval")
"""mteb's older tasks, whose subsets are BRIGHT's tasks. Its own evaluator did not apply BRIGHT's
exclusions there (mteb #2696); files with the cutoffs of BRIGHT's scripts were computed by those."""

_OFFICIAL_SIGN = "ndcg_at_25"
_OURS = {"ndcg": "ndcg", "map": "map", "recall": "recall", "precision": "p"}
_KEY = re.compile(r"(ndcg|map|recall|precision)_at_([1-9][0-9]*)")


def task_name(task: str) -> str:
    """Return mteb's name of one of our tasks; other tasks keep theirs."""
    if task in GROUNDS:
        return GROUNDS[task].mteb_name or task
    if task not in TASKS:
        return task
    slug = task.removesuffix("-long")
    words = "".join(word.capitalize() for word in slug.split("_")).replace("Theoremqa", "TheoremQA")
    return f"Bright{words}{'Long' if task.endswith('-long') else ''}Retrieval"


OUR_TASKS = {task_name(task): task for task in (*TASKS, *GROUNDS, *EMBEDDED)}


def read_mteb(path: Path, document: Mapping[str, Any], model: str | None) -> ResultFile:
    """Return what one result file says; `model` overrides the name that its folder gives.

    Raises `UnsupportedFile` for a task we do not have, `BadInput` for a file without results.
    """
    name = document.get("task_name")
    if not isinstance(name, str) or (name not in OUR_TASKS and name not in SUITES):
        raise UnsupportedFile(f"{path}: {name!r} is no task here", fix="See `rebench tasks`.")
    revision = str(document.get("dataset_revision") or "")
    metrics: dict[str, dict[str, float]] = {}
    official = False
    for split, scores in _subsets(path, document):
        task = OUR_TASKS.get(name) or _subset_task(path, split, scores)
        if task in metrics:
            raise BadInput(f"{path}: two results for {task}", fix="Keep one of the two.")
        metrics[task] = _metrics(path, scores)
        official = official or _OFFICIAL_SIGN in scores
    excluded = official or name not in SUITES
    gold = GOLD_BY_REVISION.get(revision, revision[:7] or "unknown")
    version = document.get("mteb_version")
    return ResultFile(
        model=model or _model(path),
        revision="" if path.parent.name == NO_REVISION else path.parent.name,
        layout=LAYOUT,
        query_set=ORIGINAL,
        gold=gold if excluded else f"{gold}, without exclusions",
        metrics=metrics,
        dataset_revision=revision,
        protocol=_protocol(version, name, excluded=excluded),
        date=_date(document.get("date")),
        path=tail(path, 3),
    )


def _protocol(version: object, name: str, *, excluded: bool) -> str:
    """Return how the numbers came about."""
    by = f"mteb {version}" if version else "mteb's format, version not given"
    if OUR_TASKS.get(name) in GROUNDS:
        return by
    suite = f", {name}" if name in SUITES else ""
    return f"{by}{suite}, exclusions {'applied' if excluded else 'not applied'}"


def _subsets(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (split, scores of one subset)."""
    scores = document.get("scores")
    if not isinstance(scores, dict) or not scores:
        raise BadInput(f"{path} holds no scores", fix="The file is cut short; fetch it again.")
    for split, subsets in scores.items():
        if not isinstance(subsets, list) or not all(isinstance(each, dict) for each in subsets):
            raise BadInput(f"{path}: split {split!r} is no list of scores", fix="Fetch it again.")
        for each in subsets:
            yield split, each


def _subset_task(path: Path, split: str, scores: Mapping[str, Any]) -> str:
    """Return the task that a subset of an older suite is."""
    subset = str(scores.get("hf_subset"))
    task = f"{subset}-long" if split == "long" else subset
    if task not in TASKS:
        raise BadInput(f"{path}: subset {subset!r} is no task of BRIGHT", fix="Fetch it again.")
    return task


def _metrics(path: Path, scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the measures that are ours too, under our names."""
    found = {}
    for key, value in scores.items():
        match = _KEY.fullmatch(key)
        if match:
            found[str(Metric(_OURS[match[1]], int(match[2])))] = fraction(value, f"{path}: {key}")
        elif key == "mrr":
            found["mrr"] = fraction(value, f"{path}: {key}")
    return found


def _model(path: Path) -> str:
    """Return the model's name from `model_meta.json` beside the file, or from the folder."""
    beside = path.parent / "model_meta.json"
    if beside.is_file():
        told = read_json(beside)
        if isinstance(told, dict) and isinstance(told.get("name"), str):
            return str(told["name"])
    folder = path.parent.parent.name
    if not folder:
        raise BadInput(
            f"{path} does not lie in <model>/<revision>/", fix="Name the model with --model."
        )
    return folder.replace("__", "/")


def _date(seconds: object) -> str:
    """Return a Unix time as ISO 8601 in UTC, empty where there is none that can be one."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError, OSError):  # NaN, or a year that no calendar has
        return ""


def mteb_document(
    task: str,
    revision: str,
    metrics: Mapping[str, float],
    seconds: float,
    created: str,
    head_metric: str,
) -> dict[str, Json]:
    """Return a result file's value; numbers are not rounded.

    MRR over the whole ranking is called `mrr` there, as in files of BRIGHT's own scripts; metrics
    of aspects have no place there. mteb did not compute the numbers, so there is no version of it.
    """
    scores: dict[str, Json] = {
        _their_key(name): value
        for name, value in metrics.items()
        if is_trec_evals(parse_metric(name))
    }
    scores["main_score"] = metrics.get(head_metric)
    scores["hf_subset"] = "default"
    scores["languages"] = list(LANGUAGES)
    bright = task in TASKS or (task in GROUNDS and GROUNDS[task].group == "bright-pro")
    split = "long" if task in TASKS and task.endswith("-long") else "standard" if bright else "test"
    return {
        "dataset_revision": revision,
        "task_name": task_name(task),
        "mteb_version": None,
        "scores": {split: [scores]},
        "evaluation_time": seconds,
        "kg_co2_emissions": None,
        "date": datetime.fromisoformat(created).timestamp(),
    }


def _their_key(name: str) -> str:
    """Return mteb's key of one of our metrics."""
    metric = parse_metric(name)
    theirs = {ours: key for key, ours in _OURS.items()}
    return name if metric.cutoff is None else f"{theirs[metric.name]}_at_{metric.cutoff}"


def model_folder(model: str) -> str:
    """Return the name of a model's folder; raises `BadInput` for one that no folder can have."""
    folder = model.replace("/", "__")
    if folder in ("", ".", "..") or "\0" in folder or "\\" in folder:
        raise BadInput(f"model {model!r} cannot name a folder", fix="Export it as trec.")
    return folder


def is_mteb(document: object) -> bool:
    """Tell whether a JSON value looks like a result file of mteb."""
    return isinstance(document, dict) and "task_name" in document and "scores" in document
