"""Redapter as the trainer of an ablation: recipes, identities, and runs in one process or more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.ablation.ports import RunInputs, TrainedRun
from harness.core.errors import ModelError
from harness.core.protocols import Reporter
from harness.core.types import Json

if TYPE_CHECKING:
    from harness.ablation.head import CachedVectors
    from redapter.checkpoints import TrainingFolder
    from redapter.config import RunConfig
    from redapter.data import TrainingSet

LIBRARIES = (
    "torch", "transformers", "sentence-transformers", "accelerate", "peft", "tokenizers", "numpy",
)  # fmt: skip
"""Distributions whose version can change the trained weights."""

WORDS_ONLY = ("redapter.report",)
"""Modules that write about a training and do not take part in it."""

NAMES = (("", "name"), ("card", "title"))
"""Keys of a recipe (table, key) that only name things."""


class RedapterTrainer:
    """`harness.ablation.ports.Trainer` on `redapter.train`; `base` is a recipe's name or file.

    `settings` are `key=value` texts put over the base for every variant; `vectors` are those that
    heads are trained on.
    """

    def __init__(
        self, base: str, settings: tuple[str, ...] = (), vectors: CachedVectors | None = None
    ) -> None:
        self.base = base
        self.vectors = vectors
        self.settings = settings
        self._rows: dict[str, TrainingSet] = {}

    @cached_property
    def code(self) -> str:
        """Return the hash of redapter's code, of all of ours it imports, and library versions."""
        from harness.core.code_hash import source_hash
        from harness.core.hashing import sha256_json

        source = source_hash(("redapter.train",), ("redapter", "harness"), WORDS_ONLY)
        return sha256_json({"source": source, "libraries": dict(_versions())})

    @cached_property
    def _base_table(self) -> Mapping[str, Any]:
        """The base recipe with `settings` on top, read once for all variants and seeds."""
        from redapter.config_file import config_json, read_config

        return config_json(read_config(self.base, self.settings))

    def recipe(self, changes: Mapping[str, Any], where: str) -> RunConfig:
        """Return the base recipe with changes on top; raises `BadInput` naming `where` and key."""
        from redapter.config_file import config_from_table, merged

        return config_from_table(merged(self._base_table, changes), f"{self.base}, {where}")

    def prepare(self, recipe: RunConfig) -> RunInputs:
        """Read rows and the base's identity; raises `BadInput`, `DataUnavailable`."""
        from redapter.batches import plan_run
        from redapter.config_file import config_json, without_places
        from redapter.encoder import base_identity

        rows = self._examples(recipe)
        plan = plan_run(
            rows.examples,
            recipe.batch,
            seed=recipe.train.seed,
            epochs=recipe.train.epochs,
            max_steps=recipe.train.max_steps,
        )
        bare = without_places(config_json(recipe))
        for table, key in NAMES:
            (bare[table] if table else bare).pop(key, None)
        parent = base_identity(recipe.model)
        identity: dict[str, Json] = {"recipe": bare, "data": rows.fingerprint, "parent": parent}
        steps = len(plan.steps)
        return RunInputs(
            identity, rows.fingerprint, len(rows.examples), steps, _warnings(recipe, rows, steps)
        )

    def train(self, recipe: RunConfig, folder: Path, reporter: Reporter) -> TrainedRun:
        """Train into a folder, or resume there; on several GPUs in one process each."""
        from redapter.checkpoints import TrainingFolder
        from redapter.train import train

        run = TrainingFolder(folder)
        if recipe.model.train == "head" and self.vectors is not None:
            return self._train_head(recipe, run, self.vectors, reporter)
        if not run.finished:
            if _gpus(recipe) > 1:
                _launch(self.base, recipe, folder, _gpus(recipe))
            else:
                with _quiet():
                    train(recipe, folder, reporter, resume=True)
        lines = run.log.read_text(encoding="utf-8").splitlines()
        return TrainedRun(run.model, run.log, len(lines))

    def _train_head(
        self, recipe: RunConfig, run: TrainingFolder, vectors: CachedVectors, reporter: Reporter
    ) -> TrainedRun:
        """Train a layer on cached vectors and keep only that, not a whole encoder for each run."""
        from harness.ablation.head import HEAD_FILE, write_head
        from harness.core.progress import SilentReporter
        from redapter.batches import plan_run
        from redapter.collate import DrawnRows
        from redapter.head import train_head
        from redapter.train import limit_threads

        limit_threads(recipe.train.threads)
        path = run.path / HEAD_FILE
        rows = self._examples(recipe)
        train = recipe.train
        plan = plan_run(
            rows.examples,
            recipe.batch,
            seed=train.seed,
            epochs=train.epochs,
            max_steps=train.max_steps,
        )
        if not path.is_file():
            vectors.check(recipe)
            run.path.mkdir(parents=True, exist_ok=True)
            drawn = DrawnRows(rows.examples, plan.steps, train.seed)
            write_head(path, train_head(recipe, drawn, vectors, run, SilentReporter()))
        return TrainedRun(run.model, run.log, len(plan.steps), path)

    def drop_checkpoints(self, folder: Path) -> None:
        """Remove the checkpoints of a finished run: three times its weights each."""
        for path in (*folder.glob("checkpoint-*"), *folder.glob("first-stage/checkpoint-*")):
            shutil.rmtree(path, ignore_errors=True)

    def _examples(self, recipe: RunConfig) -> TrainingSet:
        """Return the rows of a recipe, read once for all seeds."""
        from harness.core.hashing import sha256_json
        from redapter.config_file import config_json
        from redapter.data import load_examples

        values = config_json(recipe)
        key = sha256_json([values["data"], values["batch"], recipe.loss.kind])
        if key not in self._rows:
            self._rows[key] = load_examples(recipe.data, recipe.batch, recipe.loss.kind)
        return self._rows[key]


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _warnings(recipe: RunConfig, rows: TrainingSet, steps: int) -> tuple[str, ...]:
    """Return what is odd about a run that can be trained all the same."""
    warnings = list(rows.notes)
    if recipe.loss.kind != "infonce" and recipe.loss.warmup_steps >= steps:
        warnings.append(
            f"warm-up of {recipe.loss.warmup_steps} steps, but the run has {steps}: the weights "
            "never set in and this is plain InfoNCE"
        )
    return tuple(warnings)


def _gpus(recipe: RunConfig) -> int:
    """Return how many CUDA devices training may use; 0 on a CPU."""
    import torch

    return 0 if recipe.train.device == "cpu" else torch.cuda.device_count()


def _launch(base: str, recipe: RunConfig, folder: Path, processes: int) -> None:
    """Train in a process for each GPU, as torchrun starts them; raises `ModelError`."""
    command = launch_command(base, recipe, folder, processes)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise ModelError(
            f"training on {processes} devices ended with status {done.returncode}",
            fix="The lines above say why; the same command resumes from the last checkpoint.",
        )


def launch_command(base: str, recipe: RunConfig, folder: Path, processes: int) -> list[str]:
    """Return the command line that trains a recipe in several processes, or resumes it."""
    from redapter.config_file import config_json

    settings = [text for each in _settings(config_json(recipe)) for text in ("--set", each)]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    rebench = [sys.executable, "-c", "from harness.cli.main import main; main()"]
    program = [f"--nproc-per-node={processes}", "--no-python", *rebench, "train", base]
    return [*start, *program, "--output", str(folder), "--resume", *settings]


def _settings(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield `table.key=value` for every value of a recipe; JSON's values are TOML's here."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={json.dumps(value, ensure_ascii=False)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own bars off the terminal while a run is trained."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
