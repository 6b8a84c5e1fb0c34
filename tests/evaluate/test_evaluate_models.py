"""Several models on several tasks: each task is read and hashed once, each model closed in turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import harness.evaluate
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Ranking, RetrievalResult, Run, Task
from harness.evaluate import EvalConfig, TaskLoader, evaluate_models
from results.store import ResultStore
from tests.helpers.measured_store import make_task

NAMES = ("one", "two", "three")


def task(name: str) -> Task:
    made = replace(make_task(name, 3), name=name)
    return replace(made, corpus=Corpus(("a", "b"), ("a text", "another")))


@dataclass
class Fixed:
    """A retriever that finds nothing, and writes down what happens to it."""

    name: str
    log: list[str] = field(default_factory=list)

    def identity(self, task: Task) -> dict[str, str]:
        return {"model": self.name}

    def search(self, task: Task, k: int, reporter: object) -> RetrievalResult:
        import numpy as np

        self.log.append(f"{self.name} searches {task.name}")
        empty = Ranking((), np.empty(0, dtype=np.float32))
        return RetrievalResult(Run({query.id: empty for query in task.queries}), {}, {})

    def close(self) -> None:
        self.log.append(f"{self.name} closes")


def measure(folder: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Evaluate three models on three tasks; return what was loaded, hashed and done, in order."""
    loaded: list[str] = []
    hashed: list[str] = []
    log: list[str] = []
    described = harness.evaluate.describe_task

    def load(name: str) -> Task:
        loaded.append(name)
        return task(name)

    def describe(task: Task):
        hashed.append(task.name)
        return described(task)

    monkeypatch.setattr(harness.evaluate, "describe_task", describe)
    models = [Fixed(name, log) for name in ("x", "y", "z")]
    store, loader = ResultStore(folder), TaskLoader(NAMES, load, limit)
    outcomes = list(evaluate_models(models, loader, store, EvalConfig(k=5), SilentReporter()))
    assert [(o.entry.model, o.entry.task.name) for o in outcomes] == [
        (model, name) for model in "xyz" for name in NAMES
    ]
    assert len({o.entry.task.corpus_fingerprint for o in outcomes}) == 1
    return {"loaded": loaded, "hashed": hashed, "log": log}


def test_a_task_is_loaded_and_hashed_once_however_many_models(tmp_path, monkeypatch):
    done = measure(tmp_path, 1_000, monkeypatch)
    assert done["loaded"] == list(NAMES)
    assert done["hashed"] == list(NAMES)
    assert done["log"] == [
        line
        for model in "xyz"
        for line in [*(f"{model} searches {name}" for name in NAMES), f"{model} closes"]
    ]


def test_what_does_not_fit_is_loaded_again_and_hashed_once(tmp_path, monkeypatch):
    done = measure(tmp_path, len("a textanother"), monkeypatch)
    assert done["loaded"] == ["one", "two", "three", "two", "three", "two", "three"]
    assert done["hashed"] == list(NAMES)
