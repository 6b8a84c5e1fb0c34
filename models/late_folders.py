"""What a late-interaction model's folder says, told without loading anything.

Three layouts: sentence-transformers' MultiVectorEncoder, PyLate's ColBERT, and Stanford's. What is
missing in the two older ones is filled in as sentence-transformers 6.2 fills it in
(`multi_vector_encoder/model.py`).
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.types import Role
from models.folders import (
    FolderFacts,
    module_kind,
    named_architectures,
    read_inputs,
    read_modules,
    read_settings,
)
from models.st_settings import MODEL, TRANSFORMER, check_settings

MASK = "MultiVectorMask"
STANFORD, STANFORD_FILE = "HF_ColBERT", "artifact.metadata"
MARKERS = frozenset(
    ("query_length", "document_length", "query_expansion", "do_query_expansion",
     "attend_to_expansion_tokens", "attend_to_mask_tokens", "query_prefix", "document_prefix",
     "skiplist_words")
)  # fmt: skip
"""Keys of config_sentence_transformers.json that PyLate writes and no other library does."""
RUNNABLE = frozenset(
    ("Transformer", "Dense", "LayerNorm", "Dropout", "Normalize", MASK, "HierarchicalTokenPooling")
)
WIDTH = 32
"""ColBERT's length of an expanded query, where no file names one."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """How short queries are filled up with tokens that count.

    Up to `length` tokens, special ones included; `fixed` queries are cut to it too. `attend`: the
    network sees what is filled in. `token` is empty for the tokenizer's mask token.
    """

    length: int
    fixed: bool = True
    attend: bool = False
    token: str = ""


@dataclass(frozen=True, slots=True)
class LateFacts:
    """What the folder says of itself.

    `lengths` are tokens kept by role (0: the network's own limit); `prefixes` are markers that the
    tokenizer must leave whole, and `prompts` what stands before a text, the marker included.
    """

    inputs: FolderFacts
    modules: tuple[str, ...]
    first_module: str
    lengths: Mapping[Role, int]
    prompts: Mapping[Role, str]
    prefixes: tuple[str, ...]
    expansion: Expansion | None
    normalizes: bool
    similarity: str
    skipped: tuple[str, ...]


def is_late_folder(folder: Path) -> bool:
    """Tell whether a folder's settings are those of a late-interaction model."""
    settings = read_settings(folder / MODEL)
    kind = settings.get("model_type")
    if kind in ("MultiVectorEncoder", "ColBERT"):
        return True
    if kind is None and MARKERS & set(settings):
        return True
    named = {module_kind(module.get("type", "")) for module in read_modules(folder)}
    return MASK in named or (not named and _is_stanford(folder))


def read_late_folder(folder: Path) -> LateFacts:
    """Return the facts of a late-interaction model's folder.

    Raises `BadInput` for a model of another kind, and for settings that cannot be honoured.
    """
    modules, settings = read_modules(folder), read_settings(folder / MODEL)
    kinds = tuple(module_kind(module.get("type", "")) for module in modules)
    stanford = not modules and _is_stanford(folder)
    if not is_late_folder(folder):
        raise BadInput(
            f"{folder}: its modules are {', '.join(kinds) or 'none'}: this is no late-interaction "
            "model, and what would turn token states into one is not trained",
            fix="Leave --backend out, or name a late-interaction model.",
        )
    check_settings(str(folder), MODEL, settings, kind="multi-vector")
    for each in kinds:
        if each not in RUNNABLE:
            raise BadInput(
                f"{folder}: the module {each} of a late-interaction model cannot be run",
                fix="Evaluate it as an object: rebench.evaluate(MultiVectorEncoder(...)).",
            )
    first = str(modules[0].get("path", "")) if modules else ""
    inputs = read_inputs(folder / first, kind="multi-vector")
    table = _stanford(folder) if stanford else _with_defaults(settings)
    sentence = {**table, **read_settings(folder / first / TRANSFORMER)}
    expansion = _expansion(sentence.get("query_expansion"), str(folder))
    older = settings.get("model_type") != "MultiVectorEncoder"
    return LateFacts(
        inputs=inputs,
        modules=kinds or ("Transformer", "Dense", MASK, "Normalize"),
        first_module=first,
        lengths={
            "query": _query_length(sentence, expansion),
            "document": int(sentence.get("document_length") or 0),
        },
        prompts=_prompts(settings, table),
        prefixes=tuple(
            str(table[key]) for key in ("query_prefix", "document_prefix") if table.get(key)
        ),
        expansion=expansion,
        normalizes="Normalize" in kinds or older,
        similarity="meanmaxsim" if settings.get("similarity_fn_name") == "meanmaxsim" else "maxsim",
        skipped=_skipped(folder, modules, table, older=older),
    )


def _is_stanford(folder: Path) -> bool:
    """Tell whether a folder's network is saved as Stanford's code saves it."""
    return STANFORD in named_architectures(read_settings(folder / "config.json"))


def _with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return PyLate's settings with its defaults; nothing of a folder that has none of them."""
    table = {key: settings[key] for key in MARKERS if key in settings}
    if table and "query_expansion" not in table:
        if table.get("do_query_expansion") is False:
            table["query_expansion"] = None
        else:
            attend = table.get("attend_to_expansion_tokens", table.get("attend_to_mask_tokens"))
            length = table.pop("query_length", None) or WIDTH
            table["query_expansion"] = {
                "strategy": "fixed", "attend": bool(attend), "length": length,
            }  # fmt: skip
    return table


def _stanford(folder: Path) -> dict[str, Any]:
    """Return the settings of Stanford's own file in the terms of PyLate's."""
    saved = read_settings(folder / STANFORD_FILE)
    return {
        "query_prefix": (saved.get("query_token_id") or "[unused0]") + " ",
        "document_prefix": (saved.get("doc_token_id") or "[unused1]") + " ",
        "document_length": saved.get("doc_maxlen"),
        "query_expansion": {
            "strategy": "fixed",
            "attend": bool(saved.get("attend_to_mask_tokens")),
            "length": saved.get("query_maxlen") or WIDTH,
        },
        "skiplist_words": list(string.punctuation) if saved.get("mask_punctuation", True) else [],
    }


def _expansion(said: object, where: str) -> Expansion | None:
    """Return the expansion that a settings table describes; raises `BadInput` for an unknown."""
    if said is None:
        return None
    if not isinstance(said, Mapping) or said.get("strategy") not in ("fixed", "min"):
        raise BadInput(f"{where}: query_expansion = {said!r}", fix="Save the model again.")
    return Expansion(
        length=int(said.get("length") or WIDTH),
        fixed=said["strategy"] == "fixed",
        attend=bool(said.get("attend")),
        token=str(said.get("token") or ""),
    )


def _query_length(sentence: Mapping[str, Any], expansion: Expansion | None) -> int:
    """Return the tokens kept of a query (0: the network's limit)."""
    length = int(sentence.get("query_length") or 0)
    if expansion is None:
        return length
    return expansion.length if expansion.fixed else (length and max(length, expansion.length))


def _prompts(settings: Mapping[str, Any], table: Mapping[str, Any]) -> dict[Role, str]:
    """Return what stands before queries and documents: the marker, then the saved prompt."""
    saved = settings.get("prompts")
    saved = saved if isinstance(saved, dict) else {}
    document = next((saved[key] for key in ("document", "passage", "corpus") if key in saved), "")
    queries, documents = (
        str(table.get("query_prefix") or ""),
        str(table.get("document_prefix") or ""),
    )
    return {
        "query": queries + str(saved.get("query") or "").removeprefix(queries),
        "document": documents + str(document or "").removeprefix(documents),
    }


def _skipped(
    folder: Path, modules: Sequence[Mapping[str, Any]], table: Mapping[str, Any], *, older: bool
) -> tuple[str, ...]:
    """Return the tokens that do not count: the mask's list, or PyLate's punctuation."""
    for module in modules:
        if module_kind(module.get("type", "")) == MASK:
            saved = read_settings(folder / str(module.get("path", "")) / "config.json")
            return tuple(saved.get("skiplist_words") or ())
    said = table.get("skiplist_words")
    if said is None:
        return tuple(string.punctuation) if older else ()
    return tuple(said)
