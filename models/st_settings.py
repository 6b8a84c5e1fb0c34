"""The settings files of sentence-transformers 6.2: each key is honoured, neutral, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import BadInput

MODEL, TRANSFORMER, POOLING = (
    "config_sentence_transformers.json", "sentence_bert_config.json", "Pooling/config.json",
)  # fmt: skip
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
"""sentence-transformers' names of the functions that score a query and a document."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What becomes of one key: `honoured` by `models.folders`, or only these values are taken.

    With neither, the key changes no vector and no score; `why` says so, or what is missing.
    """

    why: str
    honoured: bool = False
    only: tuple[object, ...] = ()


_MULTI_VECTOR = "token vectors for late interaction are not supported"
SETTINGS: Mapping[tuple[str, str], Setting] = {
    (MODEL, "__version__"): Setting("says which versions saved the folder"),
    (MODEL, "model_type"): Setting(
        "only dense models can be embedded", only=("SentenceTransformer", None)
    ),
    (MODEL, "prompts"): Setting("query and document prompts become instructions", honoured=True),
    (MODEL, "default_prompt_name"): Setting(
        "encode_query and encode_document always have prompts of their own, if empty ones"
    ),
    (MODEL, "similarity_fn_name"): Setting("decides the score", honoured=True),
    (MODEL, "truncate_dim"): Setting("vectors are not cut short", only=(None,)),
    (TRANSFORMER, "max_seq_length"): Setting("tokens kept", honoured=True),
    (TRANSFORMER, "do_lower_case"): Setting("before the tokenizer", honoured=True),
    (TRANSFORMER, "transformer_task"): Setting(
        "only a network's hidden states are pooled", only=("feature-extraction", None)
    ),
    (TRANSFORMER, "modality_config"): Setting("names the network's call and output"),
    (TRANSFORMER, "module_output_name"): Setting(
        "only a network's hidden states are pooled", only=("token_embeddings", None)
    ),
    (TRANSFORMER, "processing_kwargs"): Setting(
        "the tokenizer is called without further arguments", only=({}, None)
    ),
    (TRANSFORMER, "unpad_inputs"): Setting("changes the speed only"),
    (TRANSFORMER, "query_length"): Setting(_MULTI_VECTOR, only=(None,)),
    (TRANSFORMER, "document_length"): Setting(_MULTI_VECTOR, only=(None,)),
    (TRANSFORMER, "query_expansion"): Setting(_MULTI_VECTOR, only=(None,)),
    (POOLING, "embedding_dimension"): Setting("follows from the network"),
    (POOLING, "word_embedding_dimension"): Setting("follows from the network"),
    (POOLING, "pooling_mode"): Setting("one of mean, cls and lasttoken", honoured=True),
    (POOLING, "include_prompt"): Setting("whether a mean takes in the prompt", honoured=True),
}
"""(file, key) -> what becomes of it. Keys that sentence-transformers 6.2 does not know are not
here: it ignores them too."""

SPARSE_SETTINGS: Mapping[tuple[str, str], Setting] = {
    (MODEL, "model_type"): Setting("this is no sparse encoder", only=("SparseEncoder", None)),
    (MODEL, "similarity_fn_name"): Setting(
        "term weights are scored by inner product or cosine", only=("dot", "cosine", None)
    ),
    (MODEL, "max_active_dims"): Setting("the heaviest terms that count", honoured=True),
    (TRANSFORMER, "transformer_task"): Setting(
        "weights come from a language model's head, or from pooled hidden states",
        only=("fill-mask", "feature-extraction", None),
    ),
}
"""What is read differently in the folder of a sparse encoder; the rest is as in `SETTINGS`."""

_SPARSE = "this is a sparse encoder, which the dense backend would run as if it were none"
_RERANKER = "this is a reranker, which scores pairs and has no vectors"
_LATE = "this is a late-interaction model; rebench has no backend for it"
_WORDS = "models of word vectors are not supported"
MODULES: Mapping[str, str] = {
    "Transformer": "", "Pooling": "", "Normalize": "", "Dense": "", "LayerNorm": "",
    "Dropout": "", "StaticEmbedding": "",
    "Router": "a model that runs queries and documents through different networks",
    "Asym": "a model that runs queries and documents through different networks",
    "CLIPModel": "image models are not supported",
    "CNN": _WORDS, "LSTM": _WORDS, "BoW": _WORDS, "WordEmbeddings": _WORDS, "WordWeights": _WORDS,
    "WeightedLayerPooling": "pooling over layers is not supported",
    "SpladePooling": _SPARSE, "SparseAutoEncoder": _SPARSE, "SparseStaticEmbedding": _SPARSE,
    "MLMTransformer": _SPARSE, "CSRSparsity": _SPARSE,
    "LogitScore": _RERANKER, "CausalScoreHead": _RERANKER,
    "MultiVectorMask": _LATE, "TokenPooling": _LATE, "HierarchicalTokenPooling": _LATE,
}  # fmt: skip
"""Module -> why it is refused; empty for those that run."""

SPARSE_FIX = "Leave --backend out, or pass --backend sparse."
_KINDS = {"SparseEncoder": _SPARSE, "CrossEncoder": _RERANKER, "MultiVectorEncoder": _LATE}


def check_settings(
    where: str, file: str, table: Mapping[str, Any], *, sparse: bool = False
) -> None:
    """Raise `BadInput` for a key of one settings file that is known and not honoured."""
    kind = table.get("model_type") if file == MODEL and not sparse else None
    if isinstance(kind, str) and kind in _KINDS:
        reason = _KINDS[kind]
        fix = SPARSE_FIX if reason == _SPARSE else "Name a SentenceTransformer model."
        raise BadInput(f"{where}: {reason}", fix=fix)
    known = {**SETTINGS, **SPARSE_SETTINGS} if sparse else SETTINGS
    for key, value in table.items():
        setting = known.get((file, key))
        if setting is None or not setting.only or value in setting.only:
            continue
        raise BadInput(
            f"{where}: {file} sets {key} = {value!r}, and {setting.why}",
            fix="Save the model without it, or evaluate it as an object with `encode`.",
        )


def check_modules(where: str, kinds: Sequence[str]) -> None:
    """Raise `BadInput` for a list of modules that is no dense model, or that cannot be run."""
    for kind in kinds:
        reason = MODULES.get(kind, "an unknown module of sentence-transformers")
        if reason:
            raise BadInput(
                f"{where}: the module {kind} cannot be run: {reason}",
                fix=SPARSE_FIX
                if reason == _SPARSE
                else "Name another model, or evaluate it as an object with `encode`.",
            )
    if "Normalize" in kinds[:-1]:
        raise BadInput(
            f"{where}: vectors are scaled to norm 1 before the last module",
            fix="Only a Normalize at the end is supported.",
        )


def check_dense(where: str, kinds: Sequence[str], architectures: Sequence[str]) -> None:
    """Raise `BadInput` for a model without a card whose files are not those of a dense one.

    `kinds` are its modules (none: a bare transformers folder). Pooled as if it were an embedder,
    a reranker or late-interaction model would give numbers that mean nothing.
    """
    if kinds and not {"Pooling", "StaticEmbedding"} & set(kinds):
        raise BadInput(
            f"{where}: no module pools the token vectors, so {_LATE}",
            fix="Name another model, or pass --pooling to pool them all the same.",
        )
    for name in architectures:
        reason = _RERANKER if name.endswith("ForSequenceClassification") else ""
        reason = _LATE if "colbert" in name.lower() else reason
        if reason and not kinds:
            raise BadInput(
                f"{where}: the network is a {name}: {reason}",
                fix="Name another model, or pass --pooling to pool its network all the same.",
            )
