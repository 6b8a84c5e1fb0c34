"""What an ablation is given to work with: who trains, who makes data, who retrieves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from harness.core.protocols import Reporter, Retriever
from harness.core.types import Json, Task

Recipe: TypeAlias = Mapping[str, Json]
"""A whole recipe as JSON, every default filled in."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe held against its data and its base, before anything is trained.

    `identity` is all that decides the weights but the code: recipe without names and places,
    hashes of rows and of the parent's weights, seed. `data` is the rows' hash, `rows` and `steps`
    their numbers; `warnings` is what the user should know before training.
    """

    identity: Mapping[str, Json]
    data: str
    rows: int
    steps: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: the model's folder and its step log.

    The log is JSONL, a line a step, with `step` and any of: `loss`, `plain_loss` (mean L_q, in
    nats), `ess` and `queries`, `ri_q10` … `ri_q90`, `weight_q10` … `weight_max`.
    """

    model: Path
    log: Path
    steps: int


class Trainer(Protocol):
    """Turns a recipe into a model."""

    @property
    def code(self) -> str:
        """Return the hash of all code that decides what training ends in."""

    def recipe(self, changes: Mapping[str, Any], where: str) -> Recipe:
        """Return the base recipe with changes on top; raises `BadInput` naming `where` and key."""

    def prepare(self, recipe: Recipe) -> Prepared:
        """Read what a recipe trains on; raises `BadInput`, `DataUnavailable`."""

    def train(self, recipe: Recipe, folder: Path, reporter: Reporter) -> Trained:
        """Train into a folder, or go on there; raises `ModelError` for a loss that is no number."""

    def tidy(self, folder: Path) -> None:
        """Remove what only going on would need from a finished run's folder."""


@dataclass(frozen=True, slots=True)
class Made:
    """Training data on disk; `sha256` is that of a file (empty: a folder, or a hub data set).

    `facts` is what is worth telling of it, by name.
    """

    path: Path
    sha256: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class MakeData(Protocol):
    """Makes training data as a table of options says."""

    def check(self, options: Mapping[str, Any], where: str) -> None:
        """Raise `BadInput` for options that cannot be followed, naming `where` and key."""

    def there(self, options: Mapping[str, Any], recipe: Recipe) -> bool:
        """Tell whether making would find everything done."""

    def make(self, options: Mapping[str, Any], recipe: Recipe, reporter: Reporter) -> Made:
        """Make the data, or go on with it; what is done is reused."""


MakeRetriever: TypeAlias = Callable[[str, Path | None], Retriever]
"""A model's name or folder, and the folder for its vectors (`None`: the user's own cache)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """All of them; `load_task` returns a named task with its documents."""

    trainer: Trainer
    data: MakeData
    retriever: MakeRetriever
    load_task: Callable[[str], Task]
    reporter: Reporter
