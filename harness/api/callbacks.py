"""Evaluate during training: a callback for SentenceTransformerTrainer and transformers.Trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.api.evaluating import Tasks, evaluate
from harness.core.errors import BadInput, MissingExtra

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise MissingExtra("transformers", "torch") from error


class EvaluationCallback(TrainerCallback):
    """Evaluates the model that is trained on tasks, every `every_steps` optimizer steps.

    A sentence-transformers model encodes by itself. For any other model give `encode`, a function
    of the model and a list of texts that returns one vector a text. Values are logged as
    `rebench_<task>_<metric>` (`state.log_history`) and kept in `history`, one dictionary per
    evaluation; entries are stored only if `record` is true, under `name` and the step as version.
    Only the first process evaluates, in evaluation mode and without gradients; the random state
    of training is left as it was. Raises `BadInput` for an interval below 1 and for a model that
    does not encode.
    """

    def __init__(
        self,
        tasks: Tasks = "stdlib-plain",
        *,
        every_steps: int = 500,
        name: str = "training",
        metrics: tuple[str, ...] = ("ndcg@10",),
        encode: Callable[[Any, list[str]], Any] | None = None,
        record: bool = False,
        results: str | Path | None = None,
    ) -> None:
        if every_steps < 1:
            raise BadInput(f"every_steps is {every_steps}", fix="Give a number from 1.")
        self.tasks = tasks
        self.every_steps = every_steps
        self.name = name
        self.metrics = metrics
        self.encode = encode
        self.record = record
        self.results = results
        self.history: list[dict[str, float]] = []

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Evaluate if the step is one to evaluate at."""
        if state.global_step % self.every_steps == 0 and state.is_world_process_zero:
            values = self._evaluate(kwargs["model"], state.global_step)
            entry = {"step": float(state.global_step), "epoch": float(state.epoch or 0), **values}
            self.history.append(entry)
            state.log_history.append({**entry, "step": state.global_step})

    def _evaluate(self, model: Any, step: int) -> dict[str, float]:
        """Return the values at a step."""
        import torch

        inner = getattr(model, "module", model)  # what data parallelism wraps
        training = inner.training
        inner.eval()
        try:
            with torch.random.fork_rng(), torch.no_grad():
                found = evaluate(
                    self._encoder(inner),
                    self.tasks,
                    name=self.name,
                    record=self.record,
                    results=self.results,
                )
        finally:
            inner.train(training)
        return {
            f"rebench_{entry.task.name}_{metric}": entry.metrics[metric]
            for entry in found
            for metric in self.metrics
        }

    def _encoder(self, model: Any) -> Any:
        """Return the object that encodes."""
        if self.encode is not None:
            encode = self.encode
            return lambda texts: encode(model, texts)
        if not hasattr(model, "encode"):
            raise BadInput(
                f"a {type(model).__name__} has no encode()",
                fix="Give encode=, a function of the model and a list of texts.",
            )
        return model
