"""One training run, from recipe to exported model; one or two stages, resumable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, MissingExtra
from harness.core.files import read_json
from harness.core.protocols import Reporter
from redapter.batches import StepPlan, plan_run
from redapter.checkpoints import TrainingFolder
from redapter.collate import DrawnRows
from redapter.config import HEAD, WARMUP_DECAY, ModelConfig, RunConfig, TrainConfig
from redapter.config_file import config_hash, config_json, first_stage_of
from redapter.data import TrainingSet, load_examples
from redapter.schedule import WarmupDecay, warmup_steps

if TYPE_CHECKING:
    from redapter.encoder import Encoder
    from redapter.head import TextVectors
    from redapter.trainer import RunTrainer

FIRST_STAGE = "first-stage"


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: the exported model's folder, the report, the steps made, reused or not."""

    model: Path
    report: Path
    steps: int
    reused: bool


def train(
    config: RunConfig,
    output: Path,
    reporter: Reporter,
    *,
    resume: bool = False,
    vectors: TextVectors | None = None,
) -> Trained:
    """Train what the recipe says into `output` and return the finished model.

    `vectors` are those of the frozen encoder if only a head is trained, for whoever has them
    already (`None`: the encoder embeds the rows' texts itself).
    A first stage, if the recipe has one, goes into `output/first-stage`; the second starts from
    its model. With `resume` a run goes on from its last whole checkpoint, and a finished one is
    returned as it is. On a CPU in float32 a resumed run ends with the weights of one that was
    never interrupted. Raises `BadInput`, `DataUnavailable`, `MissingExtra`, `StoreError`, and
    `ModelError` at the first step whose loss is not a number.
    """
    check_device(config.train)
    limit_threads(config.train.threads)
    if config.first_stage:
        first = first_stage_of(config)
        done = _train_stage(first, TrainingFolder(output / FIRST_STAGE), reporter, resume=resume)
        start = replace(config.model, base=str(done.model), revision="")
        return _train_stage(config, TrainingFolder(output), reporter, resume=resume, start=start)
    if config.model.train == HEAD:
        return _train_head(config, TrainingFolder(output), reporter, resume=resume, vectors=vectors)
    return _train_stage(config, TrainingFolder(output), reporter, resume=resume)


def check_device(train: TrainConfig) -> None:
    """Raise `BadInput` for a recipe whose device or DeepSpeed file is not there."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "train") from error
    if train.device == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            "this recipe needs a CUDA device and torch sees none",
            fix="Run it on a machine with a GPU (and a CUDA build of torch), or try a small recipe "
            "on the CPU: --set train.device=cpu",
        )
    if train.deepspeed:
        if not Path(train.deepspeed).is_file():
            raise BadInput(f"no DeepSpeed file at {train.deepspeed}", fix="Check the path.")
        settings = read_json(Path(train.deepspeed))
        if not isinstance(settings, dict):
            raise BadInput(f"{train.deepspeed} is no JSON object", fix="Give a DeepSpeed config.")
        if "scheduler" in settings:
            raise BadInput(
                f"{train.deepspeed} names a scheduler, which would replace train.scheduler",
                fix="Remove it there; DeepSpeed's WarmupDecayLR is train.scheduler = "
                f"{WARMUP_DECAY!r}.",
            )
        if find_spec("deepspeed") is None:
            raise BadInput(
                "train.deepspeed is set, but the package deepspeed is not installed",
                fix="Run: pip install deepspeed  (or --set train.deepspeed='').",
            )


def limit_threads(threads: int) -> None:
    """Limit torch's threads on the CPU for the whole process; 0 leaves its default."""
    import torch

    if threads:
        torch.set_num_threads(threads)


def _train_stage(
    config: RunConfig,
    folder: TrainingFolder,
    reporter: Reporter,
    *,
    resume: bool,
    start: ModelConfig | None = None,
) -> Trained:
    """Train one stage into a folder, from `start` instead of the recipe's own base if given."""
    from redapter.distributed import world
    from redapter.report import write_report

    rows = load_examples(config.data, config.batch, config.loss.kind)
    plan = _plan(config, rows)
    args = _arguments(config, folder, len(plan.steps))
    encoder = _seeded_encoder(start or config.model, config, str(args.device))
    if world()[0] == 0:
        _tell(rows, plan, reporter)
        folder.open(_record(config, rows, encoder), resume=resume)
    if folder.finished:
        return Trained(folder.model, folder.path / "report.md", len(plan.steps), reused=True)
    drawn = DrawnRows(rows.examples, plan.steps, config.train.seed)
    trainer = _trainer(config, encoder, drawn, folder, args)
    _run(trainer, folder, reporter)
    if trainer.is_world_process_zero():
        _finish(config, encoder, rows, folder, len(plan.steps))
        write_report(folder, config, steps=len(plan.steps))
    trainer.accelerator.wait_for_everyone()
    return Trained(folder.model, folder.path / "report.md", len(plan.steps), reused=False)


def _train_head(
    config: RunConfig,
    folder: TrainingFolder,
    reporter: Reporter,
    *,
    resume: bool,
    vectors: TextVectors | None,
) -> Trained:
    """Train a layer over frozen vectors; a stopped run starts again, since it takes seconds."""
    from redapter.encoder import base_identity, build_encoder
    from redapter.head import EncoderVectors, train_head, with_head
    from redapter.report import write_report

    rows = load_examples(config.data, config.batch, config.loss.kind)
    plan = _plan(config, rows)
    steps = len(plan.steps)
    _tell(rows, plan, reporter)
    record = {
        "config": config_json(config),
        "data": rows.fingerprint,
        "parent": base_identity(config.model),
    }
    folder.open(record, resume=resume)
    report = folder.path / "report.md"
    if folder.finished:
        return Trained(folder.model, report, steps, reused=True)
    encoder = build_encoder(config.model, config.lora, device="cpu")
    encoder.model.eval()
    drawn = DrawnRows(rows.examples, plan.steps, config.train.seed)
    head = train_head(config, drawn, vectors or EncoderVectors(encoder, config), folder, reporter)
    _finish(config, with_head(encoder, head), rows, folder, steps)
    write_report(folder, config, steps=steps)
    return Trained(folder.model, report, steps, reused=False)


def _plan(config: RunConfig, rows: TrainingSet) -> StepPlan:
    return plan_run(
        rows.examples,
        config.batch,
        seed=config.train.seed,
        epochs=config.train.epochs,
        max_steps=config.train.max_steps,
    )


def _seeded_encoder(model: ModelConfig, config: RunConfig, device: str) -> Encoder:
    """Return the encoder; adapters start from random numbers of the run's seed."""
    import torch

    from redapter.encoder import build_encoder

    with torch.random.fork_rng():
        torch.manual_seed(config.train.seed)
        return build_encoder(model, config.lora, device=device)


def _record(config: RunConfig, rows: TrainingSet, encoder: Encoder) -> Mapping[str, Any]:
    """Return what a run is made from; resuming compares it."""
    return {"config": config_json(config), "data": rows.fingerprint, "parent": encoder.parent}


def _tell(rows: TrainingSet, plan: StepPlan, reporter: Reporter) -> None:
    """Say what the data holds that the user should know."""
    for note in rows.notes:
        reporter.warn(note)
    if plan.left_out:
        left = ", ".join(f"{rows} of {task or 'all tasks'}" for task, rows in plan.left_out.items())
        reporter.note(f"rows that fill no whole step and sit out each epoch: {left}")


def _arguments(config: RunConfig, folder: TrainingFolder, steps: int) -> Any:
    """Return the Trainer's arguments; joins the process group when started by torchrun."""
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )

    train = config.train
    on_cpu = train.device == "cpu"
    args = SentenceTransformerTrainingArguments(
        output_dir=str(folder.path),
        use_cpu=on_cpu,
        per_device_train_batch_size=config.batch.size,
        num_train_epochs=1,  # the plan holds the epochs: one pass over it is the whole run
        learning_rate=train.learning_rate,
        lr_scheduler_type="constant" if train.scheduler == WARMUP_DECAY else train.scheduler,
        warmup_steps=warmup_steps(train.warmup_ratio, steps),
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        seed=train.seed,
        bf16=train.bf16,
        save_strategy="steps",
        save_steps=train.save_steps or steps,
        save_total_limit=train.save_limit,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        dataloader_drop_last=True,
        dataloader_num_workers=train.workers,
        ddp_find_unused_parameters=False,
        deepspeed=train.deepspeed or None,
    )
    if args.n_gpu > 1 and args.world_size == 1:
        raise BadInput(
            f"{args.n_gpu} GPUs are visible to one process",
            fix=f"Start one process a GPU: torchrun --nproc-per-node {args.n_gpu} --no-python "
            "rebench train …  (or show it one: CUDA_VISIBLE_DEVICES=0).",
        )
    return args


def _trainer(
    config: RunConfig,
    encoder: Encoder,
    rows: DrawnRows,
    folder: TrainingFolder,
    args: Any,
) -> RunTrainer:
    """Return the Trainer of one stage."""
    from redapter.collate import Collator
    from redapter.sentence_loss import RedapterLoss
    from redapter.trainer import RunTrainer, StageInputs

    reasoning_from = config.loss.warmup_steps if config.loss.reads_reasoning else None
    collator = Collator(encoder.model.tokenizer, config.data, config.batch, reasoning_from)
    loss = RedapterLoss(
        encoder.model,
        config.loss,
        mini_batch_size=config.batch.mini_batch,
        seed=config.train.seed,
    )
    schedule = None
    if config.train.scheduler == WARMUP_DECAY:
        schedule = WarmupDecay(
            warmup_steps(config.train.warmup_ratio, len(rows.steps)), len(rows.steps)
        )
    return RunTrainer(encoder.model, args, loss, StageInputs(rows, collator, folder, schedule))


def _run(trainer: RunTrainer, folder: TrainingFolder, reporter: Reporter) -> None:
    """Train from the last whole checkpoint, or from the start."""
    from redapter.trainer import StepBar

    last = folder.last_checkpoint()
    done = 0 if last is None else int(last.name.rpartition("-")[2])
    if trainer.is_world_process_zero():
        folder.cut_log(done)
    if last is not None:
        reporter.note(f"going on from {last}")
    left = len(trainer.stage.rows.steps) - done
    with reporter.bar("training", left, "steps") as advance, _tensorboard(trainer, folder):
        trainer.add_callback(StepBar(trainer, advance))
        trainer.train(resume_from_checkpoint=str(last) if last else None)


@contextmanager
def _tensorboard(trainer: RunTrainer, folder: TrainingFolder) -> Iterator[None]:
    """Log to `tensorboard/` where it is installed; the file is closed however training ends."""
    if find_spec("tensorboard") is None or not trainer.is_world_process_zero():
        yield
        return
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    make: Any = TensorBoardCallback
    writer = SummaryWriter(str(folder.path / "tensorboard"))
    trainer.add_callback(make(writer))
    try:
        yield
    finally:
        writer.close()


def _finish(
    config: RunConfig, encoder: Encoder, rows: TrainingSet, folder: TrainingFolder, steps: int
) -> None:
    """Merge and write the model with its lineage."""
    from redapter.export import Lineage, export_model

    lineage = Lineage(rows.fingerprint, config_hash(config), encoder.parent, steps)
    export_model(encoder, config, lineage, folder.model)
