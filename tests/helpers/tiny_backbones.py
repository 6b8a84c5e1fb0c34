"""Backbones of a few thousand weights, made in code: BERT, Qwen3 and Llama."""

from __future__ import annotations

from pathlib import Path

WORDS = [
    *("alpha", "beta", "gamma", "delta", "sort", "list", "file", "open", "read", "write", "socket"),
    *("thread", "lock", "queue", "parse", "date", "time", "json", "text", "query", "why", "how"),
    *("does", "the", "a", "of", "to", "in", "reasoning", "because", "relevant", "poison"),
]


def save_tokenizer(folder: Path, *, causal: bool) -> None:
    """Write a whitespace word tokenizer; the causal one adds a start token and pads left."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocab = {word: index for index, word in enumerate([*specials, *WORDS])}
    words = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = "[CLS] $A" if causal else "[CLS] $A [SEP]"
    words.post_processor = processors.TemplateProcessing(
        single=ends, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
        padding_side="left" if causal else "right",
        model_max_length=128,
    ).save_pretrained(folder)


def make_backbone(folder: Path, kind: str, *, dropout: float = 0.0) -> Path:
    """Write a tiny `bert`, `qwen3` or `llama` with its tokenizer into a folder and return it."""
    import torch
    from transformers import (
        BertConfig,
        BertModel,
        LlamaConfig,
        LlamaModel,
        Qwen3Config,
        Qwen3Model,
    )

    torch.manual_seed(0)
    size = 4 + len(WORDS)
    causal = {
        "vocab_size": size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "attention_dropout": dropout,
    }
    if kind == "bert":
        config = BertConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=128,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        model = BertModel(config)
    elif kind == "qwen3":
        model = Qwen3Model(Qwen3Config(**causal, head_dim=8))
    else:
        model = LlamaModel(LlamaConfig(**causal))
    model.save_pretrained(folder)
    save_tokenizer(folder, causal=kind != "bert")
    return folder


def make_encoder(folder: Path) -> Path:
    """Write a tiny sentence-transformers folder, such as `eval --model` takes; 128 tokens."""
    from redapter.config import LoraConfig, ModelConfig
    from redapter.encoder import build_encoder

    plain = make_backbone(folder / "plain", "bert")
    encoder = build_encoder(ModelConfig(str(plain), pooling="mean"), LoraConfig(0), device="cpu")
    encoder.model.max_seq_length = 128
    encoder.model.save_pretrained(str(folder / "base"), create_model_card=False)
    return folder / "base"
