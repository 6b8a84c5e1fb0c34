"""What the settings files in a model's folder say, read without loading anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_json
from harness.core.types import VectorKind
from models.st_settings import (
    MODEL,
    SIMILARITIES,
    TRANSFORMER,
    check_modules,
    check_settings,
)

POOLING_NAMES = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
"""sentence-transformers' names of the poolings that are supported -> ours."""
LEGACY_POOLING = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
"""Older settings, one switch per pooling (sentence-transformers up to 5.3)."""
LEGACY_TRANSFORMER = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Older names of sentence_bert_config.json."""
CAUSAL_TYPES = frozenset(("llama", "mistral", "phi3", "qwen2", "qwen3"))
"""Model types of transformers in which a token sees only itself and those before it."""
NO_LIMIT = 10**9
"""transformers writes a length of about 1e30 for a tokenizer that has none."""
POSITIONS_BEFORE_TEXT = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}
"""Rows of the position table that no token uses, by model type."""


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What a model's folder says of itself.

    `pooling` is one of ours, another of sentence-transformers' names, or empty where the folder
    names none; `limit` the tokens it takes (0: unknown); `positions` those its position table
    has (0: any number); `first_module` the sub-folder of tokenizer and transformer. `normalizes`:
    its last module scales to norm 1; `similarity` is one of `st_settings.SIMILARITIES`, empty if
    it names none; the prompts are those of `encode_query` and `encode_document`.
    """

    pooling: str = ""
    include_prompt: bool = True
    limit: int = 0
    positions: int = 0
    lower_case: bool = False
    truncation_side: str = "right"
    causal: bool = False
    static: bool = False
    first_module: str = ""
    normalizes: bool = False
    similarity: str = ""
    query_prompt: str = ""
    document_prompt: str = ""
    modules: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()

    @property
    def normalize(self) -> bool:
        """Return True if vectors are to be scaled to norm 1: by a module, or for the cosine."""
        return self.normalizes or self.similarity in ("", "cosine")


def read_folder(folder: Path) -> FolderFacts:
    """Return the facts of a sentence-transformers, transformers or model2vec folder.

    Raises `BadInput` for a settings file that is not JSON, and for a setting of
    sentence-transformers that is known and cannot be honoured.
    """
    listed = read_modules(folder)
    first = str(listed[0].get("path", "")) if listed else ""
    kinds = [module_kind(module.get("type", "")) for module in listed]
    model = read_settings(folder / MODEL)
    check_settings(str(folder), MODEL, model)
    inputs = read_inputs(folder / first)
    if listed:
        check_modules(str(folder), kinds)
    pooling, include_prompt = _pooling(folder, listed)
    prompts = model.get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    similarity = model.get("similarity_fn_name")
    return replace(
        inputs,
        pooling=pooling,
        include_prompt=include_prompt,
        static=inputs.static or "StaticEmbedding" in kinds,
        first_module=first,
        normalizes=kinds[-1:] == ["Normalize"],
        # A name that sentence-transformers does not know for dense models is ignored there too.
        similarity=similarity if similarity in SIMILARITIES else "",
        query_prompt=str(prompts.get("query") or ""),
        document_prompt=str(prompts.get("document") or ""),
        modules=tuple(kinds),
    )


def read_inputs(base: Path, *, kind: VectorKind = "dense") -> FolderFacts:
    """Return what a first module's folder says of its tokenizer and network, and nothing else.

    Raises as `read_folder`.
    """
    config, tokenizer = (
        read_settings(base / "config.json"),
        read_settings(base / "tokenizer_config.json"),
    )
    sentence: Mapping[str, Any] = {}
    for name in (TRANSFORMER, *LEGACY_TRANSFORMER):
        sentence = sentence or read_settings(base / name)
    check_settings(str(base), TRANSFORMER, sentence, kind=kind)
    positions = _positions(config)
    return FolderFacts(
        limit=_limit(sentence, tokenizer, positions or _number(config, "max_position_embeddings")),
        positions=positions,
        lower_case=bool(sentence.get("do_lower_case")),
        truncation_side=str(tokenizer.get("truncation_side") or "right"),
        causal=_is_causal(config),
        static=config.get("model_type") == "model2vec",
        architectures=named_architectures(config),
    )


def read_modules(folder: Path) -> list[Mapping[str, Any]]:
    """Return the rows of a folder's modules.json, none where there is no such file.

    Raises `BadInput` for a file that holds no list of objects.
    """
    path = folder / "modules.json"
    modules = _read(path)
    if modules is None and not path.is_file():
        return []
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise BadInput(f"{path} is no list of modules", fix="Fetch the model again.")
    return modules


def module_kind(module: object) -> str:
    """Return the class name in a module's dotted type."""
    return str(module).rsplit(".", 1)[-1]


def is_model_folder(folder: Path) -> bool:
    """Tell whether a folder looks like a model's: settings of a kind that can be loaded."""
    return any((folder / name).is_file() for name in ("config.json", "modules.json"))


def _pooling(folder: Path, modules: list[Mapping[str, Any]]) -> tuple[str, bool]:
    """Return the pooling that the list of modules names (empty: none) and its prompt switch."""
    for module in modules:
        if str(module.get("type", "")).endswith(".Pooling"):
            table = read_settings(folder / str(module.get("path", "")) / "config.json")
            modes = table.get("pooling_mode")
            if modes is None:
                modes = [name for key, name in LEGACY_POOLING.items() if table.get(key)]
            names = list(modes or ["mean"]) if isinstance(modes, list | tuple) else [modes]
            joined = "+".join(str(name) for name in names)
            return POOLING_NAMES.get(joined, joined), bool(table.get("include_prompt", True))
    return "", True


def named_architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the classes that a network's settings name; none where they hold no list of names."""
    named = config.get("architectures")
    return tuple(map(str, named)) if isinstance(named, list) else ()


def _is_causal(config: Mapping[str, Any]) -> bool:
    """Tell whether a transformer's settings are those of a decoder."""
    named = any(name.endswith("ForCausalLM") for name in named_architectures(config))
    causal = named or str(config.get("model_type")) in CAUSAL_TYPES
    return causal and config.get("is_causal") is not False


def _positions(config: Mapping[str, Any]) -> int:
    """Return the length of a table of absolute positions, 0 for models without one."""
    kind = str(config.get("model_type", ""))
    absolute = kind in POSITIONS_BEFORE_TEXT or kind in ("bert", "distilbert", "albert", "electra")
    if not absolute:
        return 0
    rows = _number(config, "max_position_embeddings")
    return max(0, rows - POSITIONS_BEFORE_TEXT.get(kind, 0))


def _limit(sentence: Mapping[str, Any], tokenizer: Mapping[str, Any], positions: int) -> int:
    """Return the tokens a folder's own settings allow, 0 where they name no limit."""
    own = _number(sentence, "max_seq_length")
    found = [own] if own else [_number(tokenizer, "model_max_length")]
    known = [each for each in (*found, positions) if 0 < each < NO_LIMIT]
    return min(known, default=0)


def _number(table: Mapping[str, Any], key: str) -> int:
    """Return a whole number of a settings table, 0 where there is none: no limit may be inf."""
    value = table.get(key)
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0


def read_settings(path: Path) -> Mapping[str, Any]:
    """Return a settings file's object, empty where there is none; raises `BadInput`."""
    value = _read(path)
    return value if isinstance(value, dict) else {}


def _read(path: Path) -> Any:
    """Return a JSON file's value, None where there is none."""
    if not path.is_file():
        return None
    try:
        # Not only what is finite: transformers writes 1e30 and Infinity for "no limit".
        return read_json(path, finite=False)
    except BadInput as error:
        raise BadInput(error.message, fix="Fetch the model again.") from error
