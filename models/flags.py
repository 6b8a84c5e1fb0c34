"""Which backend honours which flag: one table; a flag that would do nothing is refused."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.errors import BadInput
from models.card import ModelCard

BM25, WORDLLAMA, MODEL2VEC = "bm25", "static/wordllama", "static/model2vec"
LOCAL, SPARSE, LATE, VLLM, HTTP = "sentence-transformers", "sparse", "late", "vllm", "http"
KINDS = (BM25, WORDLLAMA, MODEL2VEC, LOCAL, SPARSE, LATE, VLLM, HTTP)
"""Backends as the table knows them: static ones by their loader."""

_DENSE = frozenset((WORDLLAMA, MODEL2VEC, LOCAL, VLLM, HTTP))
_EMBEDDERS = _DENSE | {SPARSE, LATE}
_POOLED = frozenset((LOCAL, VLLM))
_TRANSFORMERS = _POOLED | {SPARSE, LATE}
_CUT = frozenset((MODEL2VEC, LOCAL, SPARSE, LATE, VLLM, HTTP))
HONOURED: Mapping[str, frozenset[str]] = {
    "backend": frozenset(KINDS),
    "weights": frozenset((MODEL2VEC, LOCAL, SPARSE, LATE, VLLM)),
    "revision": _CUT,
    "device": _TRANSFORMERS,
    "dtype": _TRANSFORMERS,
    "trust_remote_code": _TRANSFORMERS,
    "pooling": _POOLED,
    "truncation_side": _TRANSFORMERS,
    "normalize": _DENSE,
    "similarity": _EMBEDDERS,
    "query_instruction": _EMBEDDERS,
    "document_instruction": _EMBEDDERS,
    "max_length": _CUT,
    "max_query_length": _CUT,
    "max_document_length": _CUT,
    "batch_tokens": _EMBEDDERS,
    "max_active_query": frozenset((SPARSE,)),
    "max_active_document": frozenset((SPARSE,)),
    "token_storage": frozenset((LATE,)),
}
"""Field of `LoadOptions` -> the backends that do what it says."""

_HOST = ("cpu",)
FIXED: Mapping[tuple[str, str], tuple[object, ...]] = {
    (BM25, "device"): _HOST,
    (WORDLLAMA, "device"): _HOST,
    (MODEL2VEC, "device"): _HOST,
    (WORDLLAMA, "dtype"): ("float32",),
    (MODEL2VEC, "dtype"): ("float32",),
    (WORDLLAMA, "pooling"): ("mean",),
    (MODEL2VEC, "pooling"): ("mean",),
}
"""(backend, field) -> the one value that holds anyway, so that naming it is no error."""

_REASONS = {
    BM25: "BM25 counts words and has no weights",
    WORDLLAMA: "WordLlama is a float32 table inside its package, averaged over texts of any length",
    MODEL2VEC: "static models average a float32 table on the CPU, and cut on the right",
    SPARSE: "a sparse encoder's own modules make its weights, which are scored by inner product or "
    "cosine (--similarity)",
    LATE: "a late-interaction model has a vector a token, made by its own modules and scored by "
    "maxsim or meanmaxsim (--similarity)",
    HTTP: "the model runs on a server, which this flag cannot reach",
}


def kind_of(card: ModelCard) -> str:
    """Return the row of the table that a card belongs to."""
    if card.backend == "static":
        return WORDLLAMA if card.options.get("loader") == "wordllama" else MODEL2VEC
    return card.backend


def check_flags(card: ModelCard, given: Mapping[str, object]) -> None:
    """Raise `BadInput` for a flag that the card's backend cannot honour.

    `given` maps fields of `LoadOptions` to their values, those left alone not among them.
    """
    kind = kind_of(card)
    for field, value in given.items():
        if kind in HONOURED[field] or value in FIXED.get((kind, field), ()):
            continue
        reason = _REASONS.get(kind, f"the backend {kind} has no such setting")
        raise BadInput(
            f"model {card.name!r} cannot follow {flag_of(field, value)}: {reason}",
            fix=f"Leave {flag_of(field)} out, or name another model.",
        )
    if given.get("revision") and (given.get("weights") or not card.hub_id):
        raise BadInput(
            f"model {card.name!r} is loaded from a folder or package, which has no "
            f"{flag_of('revision', given['revision'])}",
            fix="Leave --revision out.",
        )


def flag_of(field: str, value: object = None) -> str:
    """Return a field as it is typed on the command line, with its value if there is one."""
    name = field.replace("_", "-")
    if value is None or value is True:
        return f"--{name}"
    return f"--no-{name}" if value is False else f"--{name} {value}"
