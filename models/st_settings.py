"""The settings files of sentence-transformers 6.2: each key is honoured, neutral, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import BadInput
from harness.core.types import VectorKind

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


_MULTI_VECTOR = "only a late-interaction model (--backend late) has it"
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

_OF_QUERIES = "tokens of an expanded query"
LATE_SETTINGS: Mapping[tuple[str, str], Setting] = {
    (MODEL, "model_type"): Setting(
        "this is no late-interaction model", only=("MultiVectorEncoder", "ColBERT", None)
    ),
    (MODEL, "similarity_fn_name"): Setting("meanmaxsim; any other means maxsim", honoured=True),
    (MODEL, "query_prefix"): Setting("a marker before queries", honoured=True),
    (MODEL, "document_prefix"): Setting("a marker before documents", honoured=True),
    (MODEL, "query_length"): Setting(_OF_QUERIES, honoured=True),
    (MODEL, "document_length"): Setting("tokens kept", honoured=True),
    (MODEL, "query_expansion"): Setting(_OF_QUERIES, honoured=True),
    (MODEL, "do_query_expansion"): Setting("whether queries are filled up", honoured=True),
    (MODEL, "attend_to_expansion_tokens"): Setting("whether they are seen", honoured=True),
    (MODEL, "attend_to_mask_tokens"): Setting("its older name", honoured=True),
    (MODEL, "skiplist_words"): Setting("document tokens that do not count", honoured=True),
    (TRANSFORMER, "query_length"): Setting("tokens kept of a query", honoured=True),
    (TRANSFORMER, "document_length"): Setting("tokens kept of a document", honoured=True),
    (TRANSFORMER, "query_expansion"): Setting("how queries are filled up", honoured=True),
}
"""What is read differently in the folder of a late-interaction model; the rest is as in
`SETTINGS`. The first keys are PyLate's."""

_KNOWN: Mapping[VectorKind, Mapping[tuple[str, str], Setting]] = {
    "dense": SETTINGS,
    "sparse": {**SETTINGS, **SPARSE_SETTINGS},
    "multi-vector": {**SETTINGS, **LATE_SETTINGS},
}

_SPARSE = "this is a sparse encoder, which the dense backend would run as if it were none"
_RERANKER = "this is a reranker, which scores pairs and has no vectors"
_LATE = "this is a late-interaction model, which the dense backend would run as if it were none"
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

OTHER_BACKENDS = {
    _SPARSE: "Leave --backend out, or pass --backend sparse.",
    _LATE: "Leave --backend out, or pass --backend late.",
}
"""Why a model is refused -> what to do, where another backend runs it."""
_KINDS = {"SparseEncoder": _SPARSE, "CrossEncoder": _RERANKER, "MultiVectorEncoder": _LATE,
          "ColBERT": _LATE}  # fmt: skip


def check_settings(
    where: str, file: str, table: Mapping[str, Any], *, kind: VectorKind = "dense"
) -> None:
    """Raise `BadInput` for a key of one settings file that is known and not honoured."""
    named = table.get("model_type") if file == MODEL and kind == "dense" else None
    if isinstance(named, str) and named in _KINDS:
        reason = _KINDS[named]
        fix = OTHER_BACKENDS.get(reason, "Name a SentenceTransformer model.")
        raise BadInput(f"{where}: {reason}", fix=fix)
    known = _KNOWN[kind]
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
                fix=OTHER_BACKENDS.get(
                    reason, "Name another model, or evaluate it as an object with `encode`."
                ),
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
