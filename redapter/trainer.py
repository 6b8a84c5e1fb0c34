"""The sentence-transformers Trainer with Redapter's steps, log, checkpoints and alarms."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformerTrainer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from harness.core.errors import ModelError, StoreError
from harness.core.protocols import Advance
from redapter.batches import ShareSampler
from redapter.checkpoints import PREFIX, TrainingFolder
from redapter.collate import Collator, DrawnRows
from redapter.distributed import world
from redapter.schedule import WarmupDecay
from redapter.sentence_loss import RedapterLoss
from redapter.steplog import append_line, memory_gib, step_values

WEIGHTS = "trainable.safetensors"
SHOWN_ROWS = 8


@dataclass(frozen=True, slots=True)
class StageInputs:
    """The rows of a stage, how they are tokenised, its learning rate by step, and its folder."""

    rows: DrawnRows
    collator: Collator
    folder: TrainingFolder
    schedule: WarmupDecay | None = None


class RunTrainer(SentenceTransformerTrainer):
    """Trains one stage.

    Differs from its parent in where batches come from (a plan made beforehand, the same for any
    number of processes), in what a checkpoint holds (only the weights that are trained, marked
    whole last), and in stopping at the first loss that is not a number.
    """

    def __init__(self, model: Any, args: Any, loss: RedapterLoss, inputs: StageInputs) -> None:
        """Set up the parent without its data set handling, its printers and its model card."""
        self.stage = inputs
        self.step_loss = loss
        self.tokens = 0
        self.started = time.monotonic()
        self.pending: dict[str, Any] = {}
        collator: Any = inputs.collator
        super().__init__(model=model, args=args, loss=loss, data_collator=collator)
        self.train_dataset = inputs.rows
        self.processing_class = None  # or it would rewrite the backbone's special tokens
        for printer in (PrinterCallback, ProgressCallback):
            self.remove_callback(printer)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the parent's model card out; `redapter.export` writes ours."""

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of this process's shares of all steps."""
        _, processes = world()
        self.accelerator.even_batches = False
        rows: Any = self.stage.rows
        sampler: Any = ShareSampler(self.stage.rows.steps, processes)
        loader: DataLoader[Any] = DataLoader(
            rows,
            batch_sampler=sampler,
            collate_fn=self.stage.collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=torch.cuda.is_available(),
        )
        return self.accelerator.prepare(loader)  # type: ignore[no-any-return]

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the learning-rate schedule: the stage's own, or transformers' by its name."""
        optimized, schedule = optimizer or self.optimizer, self.stage.schedule
        if schedule is None or self.lr_scheduler is not None or optimized is None:
            return super().create_scheduler(num_training_steps, optimizer)
        self.lr_scheduler = LambdaLR(optimized, schedule.share)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the step's loss; raises `ModelError` naming the rows whose loss is no number."""
        number, tokens = inputs.pop("step_number"), inputs.pop("tokens")
        value = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        found = self.step_loss.last
        if found is None:
            raise ValueError("the loss left no parts behind")
        values = step_values(found, self.step_loss.options)
        if not torch.isfinite(torch.tensor(list(values.values()))).all():
            self._stop_at(number)
        step = self.stage.rows.steps[number]
        self.pending = {
            "epoch": step.epoch,
            "task": step.task,
            "queries": len(step.rows),
            "passages": len(step.rows) * step.group_size,
            **values,
            "tokens": self._summed(tokens),
        }
        return value

    def _stop_at(self, number: int) -> None:
        """Raise `ModelError` for a step whose loss is not finite."""
        found = self.step_loss.last
        step = self.stage.rows.steps[number]
        losses = [] if found is None else [found.losses]
        if found is not None and found.reasoning_losses is not None:
            losses.append(found.reasoning_losses)
        bad = ~torch.stack([torch.isfinite(each) for each in losses]).all(dim=0)
        places = [
            self.stage.rows.examples[row].where
            for row, is_bad in zip(step.rows, bad.tolist(), strict=True)
            if is_bad
        ]
        shown = "; ".join(places[:SHOWN_ROWS])
        more = f" and {len(places) - SHOWN_ROWS} more" if len(places) > SHOWN_ROWS else ""
        last = self.stage.folder.last_checkpoint()
        kept = f"The last good checkpoint is {last}." if last else "No checkpoint was written yet."
        raise ModelError(
            f"the loss of step {number + 1} is not a number ({len(places)} of {len(step.rows)} "
            f"rows, task {step.task!r}): {shown}{more}",
            fix=f"{kept} Look at those rows, lower train.learning_rate, or train in float32.",
        )

    def _summed(self, tokens: int) -> int:
        """Return the tokens of all processes' shares."""
        _, processes = world()
        if processes == 1:
            return tokens
        total = torch.tensor(tokens, device=self.args.device)
        torch.distributed.all_reduce(total)
        return int(total)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the step's own numbers to the Trainer's and write them to the step log."""
        if "learning_rate" in logs and self.pending:
            now = time.monotonic()
            seconds = now - self.started
            self.started = now
            values = {
                "step": self.state.global_step,
                **self.pending,
                "learning_rate": logs["learning_rate"],
                "grad_norm": logs.get("grad_norm", 0.0),
                "seconds": seconds,
                "tokens_per_s": self.pending["tokens"] / seconds if seconds > 0 else 0.0,
                "memory_gib": memory_gib(str(self.args.device)),
            }
            if self.is_world_process_zero():
                append_line(self.stage.folder.log, values)
            numbers = {key: value for key, value in values.items() if key not in ("task", "step")}
            logs = {**logs, **numbers}
        super().log(logs, start_time)

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        """Return the weights that are trained, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the trained weights only: the frozen ones are the parent's."""
        from safetensors.torch import save_file

        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        source = state_dict or {}
        tensors = {
            name: source.get(name, p).detach().contiguous() for name, p in self._trained().items()
        }
        broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
        if broken:
            raise ModelError(
                f"{len(broken)} trained weights are not finite, the first is {broken[0]}",
                fix="Nothing was saved at this step; lower train.learning_rate and --resume.",
            )
        save_file(tensors, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Put a checkpoint's weights into the model; raises `StoreError` for another model's."""
        from safetensors.torch import load_file

        saved = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        trained = self._trained()
        if saved.keys() != trained.keys():
            raise StoreError(
                f"{resume_from_checkpoint} holds other weights than this model trains",
                fix="Choose another folder: --output DIR.",
            )
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(saved[name])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint and mark it whole; raises `StoreError` when it does not fit.

        What a failed one left is removed, so the last good one stays the newest.
        """
        from safetensors import SafetensorError

        folder, step = self.stage.folder, self.state.global_step
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                folder.mark_complete(step)
        except ModelError:
            folder.drop(step)
            raise
        except (OSError, RuntimeError, SafetensorError, StoreError) as error:
            folder.drop(step)
            last = folder.last_checkpoint()
            kept = f"{last} is kept" if last else "there is no earlier one"
            raise StoreError(
                f"cannot write {folder.path / f'{PREFIX}{step}'}: {error}",
                fix=f"The last good checkpoint: {kept}. Make room, then go on with --resume.",
            ) from error


class StepBar(TrainerCallback):
    """Moves a progress bar on, and tells the loss where a resumed run stands."""

    def __init__(self, trainer: RunTrainer, advance: Advance) -> None:
        """Watch `trainer` and report to `advance`."""
        self.trainer = trainer
        self.advance = advance

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the loss's counter: one forward pass with gradient a step."""
        self.trainer.step_loss.start_at(state.global_step)
        self.trainer.started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar on by one step."""
        self.advance(1, tokens=int(self.trainer.pending.get("tokens", 0)))
