"""Late-interaction models for tests: MiniLM's token states, a tiny random ModernBERT."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

SKIPPED = [*string.punctuation, "[CLS]", "[SEP]"]
"""An empty text keeps no token."""


def late_minilm(folder: Path, **settings: Any) -> Path:
    """Write all-MiniLM-L6-v2 with a vector a token: real states, not tuned for MaxSim."""
    from models.registry import find_card
    from models.weights import package_folder

    settings = {"query_length": 32, "document_length": 64, **settings}
    return saved(folder, str(package_folder(find_card("minilm"))), **settings)


def late_modernbert(folder: Path, **settings: Any) -> Path:
    """Write a random ModernBERT of two layers with 16 components a token."""
    import torch
    from transformers import ModernBertConfig, ModernBertModel

    from tests.helpers.tiny import HIDDEN, SEED, _word_pieces

    network = folder.with_name(f"{folder.name}-network")
    network.mkdir(parents=True)
    tokenizer: Any = _word_pieces(network)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(network)
    torch.manual_seed(SEED)
    config = ModernBertConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64, local_attention=16,
        pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3,
    )  # fmt: skip
    ModernBertModel(config).save_pretrained(network)
    settings = {"document_length": 24, "dimension": 16, **settings}
    return saved(folder, str(network), **settings)


def saved(folder: Path, network: str, *, dimension: int = 0, **settings: Any) -> Path:
    """Write a MultiVectorEncoder as sentence-transformers saves it; return its folder."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    torch.manual_seed(6)
    prompts = settings.pop("prompts", None)
    skipped = settings.pop("skipped", SKIPPED)
    first = Transformer(network, **settings)
    parts: list[Any] = [first]
    if dimension:
        parts.append(
            Dense(first.get_embedding_dimension(), dimension, bias=False,
                  activation_function=torch.nn.Identity(), module_input_name="token_embeddings")
        )  # fmt: skip
    parts += [MultiVectorMask(skiplist_words=skipped), Normalize("token_embeddings")]
    model = MultiVectorEncoder(modules=parts, device="cpu", prompts=prompts)
    model.save_pretrained(str(folder))
    return folder


def as_pylate(folder: Path, **settings: object) -> Path:
    """Rewrite a folder with a Dense as PyLate saved its models: two modules, flat settings."""
    path = folder / "modules.json"
    listed = json.loads(path.read_text())[:2]
    listed[1]["type"] = "pylate.models.Dense.Dense"
    path.write_text(json.dumps(listed))
    dense = folder / listed[1]["path"] / "config.json"
    kept = json.loads(dense.read_text())
    for key in ("module_input_name", "module_output_name"):
        kept.pop(key, None)
    dense.write_text(json.dumps(kept))
    first = folder / listed[0]["path"] / "sentence_bert_config.json"
    first.write_text(json.dumps({"max_seq_length": 40, "do_lower_case": False}))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"model_type": "ColBERT", "similarity_fn_name": "cosine", **settings})
    )
    return folder
