"""One run's recipe: a tree of frozen values read from TOML, every key and range checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import BadInput
from redapter.options import LossOptions

POOLINGS = ("mean", "cls", "last")
DTYPES = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda")
SHORT = ("repeat", "refuse")
HEAD = "head"
TRAINED_PARTS = ("backbone", HEAD)
WARMUP_DECAY = "warmup-decay"
SCHEDULERS = ("linear", "cosine", "constant_with_warmup", "constant", WARMUP_DECAY)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The backbone and how its vectors are read out.

    `base` is a folder, a hub id, or the name of an installed package that carries a model
    (`package:NAME`); `revision` a hub commit. `pooling` empty: as the folder's sentence-
    transformers files say. `readout` is a token put at the end of every text (and pooled, under
    last-token pooling); empty: none. `padding_side` empty: the tokenizer's own. `attention` is
    transformers' `attn_implementation` (empty: its default). `train` says what is trained: the
    `backbone` (its adapters, or every weight), or a `head`, a dense layer over the vectors of the
    frozen backbone (see `redapter.head`).
    """

    base: str = ""
    revision: str = ""
    pooling: str = "last"
    dtype: str = "float32"
    readout: str = ""
    padding_side: str = ""
    attention: str = ""
    gradient_checkpointing: bool = False
    train: str = "backbone"


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Low-rank adapters; `rank` 0 trains every weight instead. Defaults: the released recipe."""

    rank: int = 32
    alpha: int = 64
    dropout: float = 0.1
    targets: tuple[str, ...] = (
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where rows come from and how a row becomes text.

    `path` is a JSONL file (plain or `.gz`), a folder of them, or a hub data set `owner/name`.
    `query_format` wraps query and reasoning query alike and may name `{prompt}` (the row's
    instruction, else `prompt` here) and `{query}`. For the reasoning query, `{query}` is
    `reasoning_format`, which may name `{reasoning}` (the row's `reasoning_query`) and `{query}`.
    Lengths are in tokens. `short_negatives` says what happens if a row holds fewer negatives than
    its group needs: `repeat` the list (as the released code) or `refuse`. `difficulty` names the
    key in a row's `conditions` that static weights read. `limit` keeps only the first rows (0:
    all).
    """

    path: str = ""
    query_format: str = "Instruct: {prompt}\nQuery: {query}"
    prompt: str = ""
    reasoning_format: str = "{reasoning}"
    max_query_length: int = 512
    max_passage_length: int = 512
    max_reasoning_length: int = 512
    short_negatives: str = "repeat"
    difficulty: str = "difficulty"
    limit: int = 0


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """How rows become steps.

    A step holds `size` queries for each of `devices` devices, whatever the number of processes
    that share it, so the same recipe steps alike on one device or eight. `group_size` counts a
    query's passages, the positive included. Rows may carry their own `batch_size` and
    `train_group_size`, which stand where `row_sizes` is true. `one_task` keeps a batch within one
    task; `drop_last` leaves out each task's last, short batch. `mini_batch` texts are embedded at
    a time by gradient caching (0: all at once). `pad_to_multiple_of` is in tokens (0: off).
    """

    size: int = 8
    devices: int = 1
    group_size: int = 16
    row_sizes: bool = True
    one_task: bool = True
    drop_last: bool = True
    mini_batch: int = 0
    pad_to_multiple_of: int = 8


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The optimiser's side: AdamW; `warmup_ratio` is of all steps, `save_steps` 0 saves at the end.

    `scheduler` is one of transformers' by its name there, or `warmup-decay`, which is DeepSpeed's
    WarmupDecayLR (see `redapter.schedule`). `max_grad_norm` clips the gradient of the whole global
    batch (0: off); code that averages over D devices clips a D times smaller gradient, so its 1.0
    is D here.
    `max_steps` 0: as many as `epochs` give. `bf16` computes in bfloat16 where the device can
    (autocast). `deepspeed` names a DeepSpeed JSON file (ZeRO 1 or 2; empty: none). `save_limit`
    whole checkpoints are kept, at least 2. `threads` limits CPU threads (0: torch's default).
    `workers` processes tokenise ahead (0: none); they change nothing in the result.
    """

    device: str = "auto"
    epochs: int = 1
    max_steps: int = 0
    learning_rate: float = 1e-4
    warmup_ratio: float = 0.1
    scheduler: str = "linear"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 42
    bf16: bool = False
    save_steps: int = 500
    save_limit: int = 2
    deepspeed: str = ""
    threads: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class CardConfig:
    """What the exported model's card says of its use; templates as in `models/prompts.py`.

    `dtype` is also what the exported weights are stored in (empty: as they were trained).
    """

    title: str = ""
    query_instruction: str = ""
    document_instruction: str = ""
    max_query_length: int = 0
    max_document_length: int = 0
    dtype: str = ""
    licence: str = "unknown"
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A whole recipe. `first_stage` holds the keys that differ in a stage trained before this one.

    The first stage is this recipe with those keys on top (as in `first_stage.data.path`); the
    second starts from the model it exports.
    """

    name: str
    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    loss: LossOptions = field(default_factory=LossOptions)
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    card: CardConfig = field(default_factory=CardConfig)
    first_stage: Mapping[str, Any] = field(default_factory=dict)


def check_config(config: RunConfig) -> None:
    """Raise `BadInput` naming the first key whose value cannot be trained with."""
    if not config.name or config.name != config.name.strip() or "/" in config.name:
        raise BadInput(f"name = {config.name!r}", fix="Give the model a name without slashes.")
    if not config.model.base:
        raise BadInput("model.base is empty", fix="Name a folder or a hub id of a backbone.")
    for key, value, choices in (
        ("model.pooling", config.model.pooling, ("", *POOLINGS)),
        ("model.dtype", config.model.dtype, DTYPES),
        ("model.train", config.model.train, TRAINED_PARTS),
        ("model.padding_side", config.model.padding_side, ("", "left", "right")),
        ("data.short_negatives", config.data.short_negatives, SHORT),
        ("train.device", config.train.device, DEVICES),
        ("train.scheduler", config.train.scheduler, SCHEDULERS),
        ("card.dtype", config.card.dtype, ("", *DTYPES)),
    ):
        if value not in choices:
            allowed = ", ".join(repr(choice) for choice in choices if choice)
            raise BadInput(f"{key} = {value!r}", fix=f"Choose one of {allowed}.")
    for key, number, least in _least_values(config):
        if not number >= least:
            raise BadInput(f"{key} = {number}", fix=f"It must be {least} or more.")
    if not config.train.learning_rate > 0:
        raise BadInput(
            f"train.learning_rate = {config.train.learning_rate}", fix="It must be above 0."
        )
    for key, share, top in (
        ("train.warmup_ratio", config.train.warmup_ratio, 1.0),
        ("lora.dropout", config.lora.dropout, 0.999),
    ):
        if not 0 <= share <= top:
            raise BadInput(f"{key} = {share}", fix="It must be from 0 to below 1.")
    _check_format("query_format", config.data.query_format, "query", ("prompt",))
    _check_format("reasoning_format", config.data.reasoning_format, "reasoning", ("query",))
    _check_lengths(config.data, config.batch)
    _check_head(config)


def _least_values(config: RunConfig) -> tuple[tuple[str, float, float], ...]:
    """Return (key, value, least allowed value) of every number with a floor."""
    data, batch, train = config.data, config.batch, config.train
    return (
        ("lora.rank", config.lora.rank, 0),
        ("lora.alpha", config.lora.alpha, 1),
        ("data.max_query_length", data.max_query_length, 4),
        ("data.max_passage_length", data.max_passage_length, 4),
        ("data.max_reasoning_length", data.max_reasoning_length, 4),
        ("data.limit", data.limit, 0),
        ("batch.size", batch.size, 1),
        ("batch.devices", batch.devices, 1),
        ("batch.group_size", batch.group_size, 1),
        ("batch.mini_batch", batch.mini_batch, 0),
        ("batch.pad_to_multiple_of", batch.pad_to_multiple_of, 0),
        ("train.epochs", train.epochs, 1),
        ("train.max_steps", train.max_steps, 0),
        ("train.weight_decay", train.weight_decay, 0),
        ("train.max_grad_norm", train.max_grad_norm, 0),
        ("train.seed", train.seed, 0),
        ("train.save_steps", train.save_steps, 0),
        ("train.save_limit", train.save_limit, 2),
        ("train.threads", train.threads, 0),
        ("train.workers", train.workers, 0),
        ("card.max_query_length", config.card.max_query_length, 0),
        ("card.max_document_length", config.card.max_document_length, 0),
    )


def _check_head(config: RunConfig) -> None:
    """Refuse settings that only the training of a backbone honours, if a head is trained."""
    if config.model.train != HEAD:
        return
    for key, value, needed in (
        ("lora.rank", config.lora.rank, 0),
        ("model.gradient_checkpointing", config.model.gradient_checkpointing, False),
        ("batch.mini_batch", config.batch.mini_batch, 0),
        ("batch.devices", config.batch.devices, 1),
        ("train.bf16", config.train.bf16, False),
        ("train.deepspeed", config.train.deepspeed, ""),
        ("first_stage", config.first_stage, {}),
    ):
        if value != needed:
            raise BadInput(
                f'{key} = {value!r} with model.train = "head"',
                fix=f"A head is trained in float32 in one process: leave {key} at {needed!r}.",
            )
    if config.train.device == "cuda":
        raise BadInput(
            'train.device = "cuda" with model.train = "head"', fix="A head is trained on the CPU."
        )


def _check_format(key: str, template: str, needed: str, others: tuple[str, ...]) -> None:
    """Refuse a format that does not hold the field it needs exactly once, or holds unknown ones."""
    fields = {name: f"\x00{name}\x00" for name in (needed, *others)}
    try:
        filled = template.format(**fields)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        allowed = " and ".join(f"{{{name}}}" for name in fields)
        raise BadInput(
            f"data.{key} = {template!r}: {error!r}", fix=f"It may name {allowed} only."
        ) from error
    if filled.count(fields[needed]) != 1:
        raise BadInput(f"data.{key} = {template!r}", fix=f"It must name {{{needed}}} exactly once.")


def _check_lengths(data: DataConfig, batch: BatchConfig) -> None:
    """Refuse lengths that padding would exceed (the tokenizer library refuses them too)."""
    for key in ("max_query_length", "max_passage_length", "max_reasoning_length"):
        length, step = getattr(data, key), batch.pad_to_multiple_of
        if step and length % step:
            raise BadInput(
                f"data.{key} = {length} is no multiple of batch.pad_to_multiple_of = {step}",
                fix=f"Make it one, such as {length // step * step + step}.",
            )
