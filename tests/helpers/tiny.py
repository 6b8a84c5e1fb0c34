"""Tiny random checkpoints in the layout of the published models, tokenizer included.

Each maker writes a folder and returns it. Shapes are small but of kinds that every engine takes
(head size 32, grouped keys); weights come from a seed. Pass a folder of pytest's.
"""

from __future__ import annotations

import json
from pathlib import Path

WORDS = [
    "the", "of", "and", "a", "to", "in", "is", "was", "for", "on", "with", "river", "stone",
    "moss", "grow", "proof", "lemma", "prime", "number", "water", "cloud", "plant", "root",
    "tree", "energy", "market", "price", "city", "bridge", "engine", "robot", "sensor", "query",
    "document", "why", "does", "how", "what", "when", "light", "salt", "iron", "acid", "base",
    "cell", "gene", "tide", "moon", "wind", "ice", "heat", "mass",
]  # fmt: skip
TEXTS = (
    "why does moss grow on stone",
    "a proof of the lemma on prime number and mass",
    "the price of water in the city was energy",
    "tide",
    "the moon and the tide and the wind and the ice and the heat of the river in the city",
    "sensor query document robot engine bridge",
)
"""A few texts of different lengths, all of known words."""
SEED = 20240916
HIDDEN = 128


def corpus() -> list[str]:
    """Return sentences enough to train a tokenizer on."""
    return [" ".join(WORDS[(row * step) % len(WORDS)] for step in range(1, 9)) for row in range(99)]


def qwen3(folder: Path, *, modules: bool = True, dtype: str = "float32", seed: int = SEED) -> Path:
    """Write a Qwen3 embedder: end token appended by the tokenizer, last token pooled."""
    from transformers import Qwen3Config, Qwen3Model

    tokenizer = _byte_level(folder, end="<|endoftext|>")
    config = Qwen3Config(**_decoder(len(tokenizer)), head_dim=32)
    _save(Qwen3Model, config, folder, dtype, seed)
    if modules:
        _modules(folder, "lasttoken")
    return folder


def llama(folder: Path, *, modules: bool = False, dtype: str = "float32", seed: int = SEED) -> Path:
    """Write a Llama: begin token, no end token; a plain transformers folder by default."""
    from transformers import LlamaConfig, LlamaModel

    tokenizer = _byte_level(folder, begin="<|begin_of_text|>", end_id="<|end_of_text|>")
    config = LlamaConfig(**_decoder(len(tokenizer)), architectures=["LlamaForCausalLM"])
    _save(LlamaModel, config, folder, dtype, seed)
    if modules:
        _modules(folder, "lasttoken")
    return folder


def bert(folder: Path, *, pooling: str = "mean", dtype: str = "float32", seed: int = SEED) -> Path:
    """Write a BERT embedder; `pooling` as sentence-transformers names it, 64 positions."""
    from transformers import BertConfig, BertModel

    tokenizer = _word_pieces(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=256, max_position_embeddings=64,
    )  # fmt: skip
    _save(BertModel, config, folder, dtype, seed)
    _modules(folder, pooling)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48}))
    return folder


def cross_encoder(folder: Path, *, dtype: str = "float32", seed: int = SEED) -> Path:
    """Write a BERT with a head for one number, as sentence-transformers saves a cross-encoder."""
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = _word_pieces(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=256, max_position_embeddings=64, num_labels=1,
    )  # fmt: skip
    _save(BertForSequenceClassification, config, folder, dtype, seed)
    return folder


def model2vec(folder: Path, *, seed: int = SEED) -> Path:
    """Write a model2vec model with an unknown token and 16 components."""
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: row for row, word in enumerate(["[UNK]", "[PAD]", *dict.fromkeys(WORDS)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(seed).normal(size=(len(vocabulary), 16)).astype(np.float32)
    StaticModel(vectors, tokenizer, normalize=True).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "model2vec"}))
    return folder


def _decoder(vocabulary: int) -> dict:
    """Return what the decoders share."""
    return {
        "vocab_size": vocabulary, "hidden_size": HIDDEN, "intermediate_size": 256,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }  # fmt: skip


def _save(kind: type, config: object, folder: Path, dtype: str, seed: int) -> None:
    """Write random weights; norms and biases are random too, so that each takes part."""
    import torch

    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
    finally:
        torch.random.set_rng_state(state)
    model.to(getattr(torch, dtype)).save_pretrained(folder)


def _byte_level(folder: Path, *, begin: str = "", end: str = "", end_id: str = "") -> object:
    """Write a byte-level tokenizer that adds `begin` and `end`; `end_id` is known, not added."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = [token for token in (begin, end, end_id) if token]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(corpus(), trainer)
    pattern = " ".join(part for part in (begin, "$A", end) if part)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=pattern, special_tokens=[(token, tokenizer.token_to_id(token)) for token in special]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end or end_id, pad_token=end or end_id,
        padding_side="left", model_max_length=512,
    )  # fmt: skip
    wrapped.save_pretrained(folder)
    return wrapped


def _word_pieces(folder: Path) -> object:
    """Write a WordPiece tokenizer as BERT has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=64,
    )  # fmt: skip
    wrapped.save_pretrained(folder)
    return wrapped


def _modules(folder: Path, pooling: str, *, include_prompt: bool = True) -> None:
    """Write the list of modules as sentence-transformers does: transformer, pooling, scaling."""
    names = ("Transformer", "Pooling", "Normalize")
    places = ("", "1_Pooling", "2_Normalize")
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": row, "name": str(row), "path": place,
                 "type": f"sentence_transformers.models.{name}"}
                for row, (name, place) in enumerate(zip(names, places, strict=True))
            ]
        )
    )  # fmt: skip
    (folder / "1_Pooling").mkdir(exist_ok=True)
    settings = {f"pooling_mode_{key}": value == pooling for key, value in _SWITCHES.items()}
    settings |= {"word_embedding_dimension": HIDDEN, "include_prompt": include_prompt}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))


_SWITCHES = {
    "cls_token": "cls",
    "mean_tokens": "mean",
    "max_tokens": "max",
    "lasttoken": "lasttoken",
}
