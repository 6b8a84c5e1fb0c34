"""What an ablation depends on: trainer, training data, retrievers, tasks, progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from harness.core.protocols import Reporter, Retriever
from harness.core.types import Json, Task

if TYPE_CHECKING:
    from redapter.config import RunConfig


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a recipe trains on and from, read before anything is trained.

    `identity` holds all that decides the weights, except the code: the recipe without names and
    paths, the hashes of the rows and of the parent's weights, the seed. `data` is the rows' hash,
    `rows` and `steps` count them; `warnings` are for the user to read before training.
    """

    identity: Mapping[str, Json]
    data: str
    rows: int
    steps: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished training: the model's folder and its step log.

    `head` is the file of a trained layer, if that is all that was trained; there is no model then.
    The log is JSONL, a line a step, with `step` and any of: `loss`, `plain_loss` (mean L_q, in
    nats), `ess` and `queries`, `ri_q10` … `ri_q90`, `weight_q10` … `weight_max`.
    """

    model: Path
    log: Path
    steps: int
    head: Path | None = None


class Trainer(Protocol):
    """Turns a recipe into a model."""

    @property
    def code(self) -> str:
        """Return the hash of all code that decides the trained weights."""

    def recipe(self, changes: Mapping[str, Any], where: str) -> RunConfig:
        """Return the base recipe with changes on top; raises `BadInput` naming `where` and key."""

    def prepare(self, recipe: RunConfig) -> RunInputs:
        """Read what a recipe trains on; raises `BadInput`, `DataUnavailable`."""

    def train(self, recipe: RunConfig, folder: Path, reporter: Reporter) -> TrainedRun:
        """Train into a folder, or resume there; raises `ModelError` for a loss that is NaN."""

    def drop_checkpoints(self, folder: Path) -> None:
        """Remove what only resuming needs from a finished run's folder."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training data on disk; `sha256` is that of a file (empty: a folder, or a hub data set).

    `facts` is what the report says of it, by name.
    """

    path: Path
    sha256: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class DataProvider(Protocol):
    """Makes training data from a table of options."""

    def check(self, options: Mapping[str, Any], where: str) -> None:
        """Raise `BadInput` for options that cannot be followed, naming `where` and key."""

    def is_ready(self, options: Mapping[str, Any], recipe: RunConfig) -> bool:
        """Return whether everything these options make is on disk already."""

    def make(
        self, options: Mapping[str, Any], recipe: RunConfig, reporter: Reporter
    ) -> TrainingData:
        """Make the data, or resume making it; finished parts are reused."""


RetrieverFactory: TypeAlias = Callable[[str, Path | None], Retriever]
"""A model's name or folder, and the folder for its vectors (`None`: the user's own cache)."""


class QueryFolds(Protocol):
    """Queries held out by fold; fold 0 stands for all of them."""

    def tasks(self, fold: int) -> tuple[Task, ...]:
        """Return the tasks that a fold is measured on."""

    def training_data(self, data: TrainingData, fold: int) -> TrainingData:
        """Return the rows that may be trained on with a fold held out."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything an ablation is handed; `load_task` returns a named task with its documents.

    `head` makes the retriever of a trained layer; `folds` makes the held-out queries of an
    ablation that has some, and `folds_ready` returns whether that takes no work.
    """

    trainer: Trainer
    data: DataProvider
    retriever: RetrieverFactory
    load_task: Callable[[str], Task]
    reporter: Reporter
    head: Callable[[Path], Retriever]
    folds: Callable[[], QueryFolds]
    folds_ready: Callable[[], bool]
