"""A trained model as a retriever whose entries say what it was trained from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.ablation.plan import Run
from harness.core.protocols import Reporter, Retriever
from harness.core.types import Json, Retrieved, Task


class RunRetriever:
    """Wraps a run's retriever: the run's name, its lineage in identity and facts.

    What decides the weights (hashes of recipe, data and code, the seed) is part of the identity;
    what they are called in the ablation is a fact.
    """

    def __init__(self, inner: Retriever, run: Run, ablation: str, code: str) -> None:
        """Wrap the retriever of a run's model."""
        self._inner = inner
        self._run = run
        self._ablation = ablation
        self._code = code

    @property
    def name(self) -> str:
        """Return the run's name."""
        return self._run.name

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the model's identity with the run's lineage."""
        lineage: dict[str, Json] = {
            "run": self._run.key,
            "data": self._run.prepared.data,
            "code": self._code,
            "seed": self._run.seed,
        }
        return {**self._inner.identity(task), "lineage": lineage}

    def search(self, task: Task, k: int, reporter: Reporter) -> Retrieved:
        """Search, and add what the run is called to the facts."""
        found = self._inner.search(task, k, reporter)
        named: dict[str, Json] = {
            "ablation": self._ablation,
            "variant": self._run.variant,
            "rows": self._run.prepared.rows,
            "steps": self._run.prepared.steps,
        }
        return replace(found, facts={**found.facts, "trained": named})
