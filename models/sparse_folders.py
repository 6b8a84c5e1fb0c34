"""What a sparse encoder's folder says: the modules of each role, told without loading anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import BadInput
from harness.core.types import ROLES, Role
from models.folders import (
    FolderFacts,
    module_kind,
    named_architectures,
    read_inputs,
    read_modules,
    read_settings,
)
from models.late_folders import is_late_folder
from models.st_settings import MODEL, check_settings

ROUTER_FILE = "router_config.json"
LOOKUP = "SparseStaticEmbedding"
"""The module that weighs a text's own tokens by a table: such queries need no network."""
OUTPUTS = frozenset(("SpladePooling", "SparseAutoEncoder", LOOKUP))
NETWORKS = frozenset(("Transformer", "MLMTransformer"))
RUNNABLE = OUTPUTS | NETWORKS | {"Pooling"}
MASKED = "ForMaskedLM"

FolderKind = Literal["sparse", "late", "masked-lm", "other"]


@dataclass(frozen=True, slots=True)
class Route:
    """The modules that texts of one role go through, and the first one's folder and inputs."""

    modules: tuple[str, ...]
    folder: str
    inputs: FolderFacts

    @property
    def lookup(self) -> bool:
        """Return True if tokens are looked up in a table, without special tokens around them."""
        return self.modules[:1] == (LOOKUP,)


@dataclass(frozen=True, slots=True)
class SparseFacts:
    """What the folder says of itself; `max_active` is 0 where every term counts."""

    routes: Mapping[Role, Route]
    similarity: str = ""
    max_active: int = 0
    query_prompt: str = ""
    document_prompt: str = ""


def folder_kind(folder: Path) -> FolderKind:
    """Return what a folder's settings show it to be.

    A folder of transformers alone whose network has a masked language model's head could be a
    SPLADE model or any BERT.
    """
    modules = read_modules(folder)
    named = read_settings(folder / MODEL).get("model_type")
    if named == "SparseEncoder":
        return "sparse"
    if is_late_folder(folder):
        return "late"
    if modules:
        kinds = {kind for role in ROLES for kind, _ in _chain(folder, modules, role)}
        return "sparse" if kinds & (OUTPUTS | {"MLMTransformer"}) else "other"
    architectures = named_architectures(read_settings(folder / "config.json"))
    return "masked-lm" if any(each.endswith(MASKED) for each in architectures) else "other"


def read_sparse_folder(folder: Path) -> SparseFacts:
    """Return the facts of a sparse encoder's folder, or of a bare masked language model's.

    The latter is run as SPLADE: `log(1 + relu(logit))`, the most of all tokens for each term.
    Raises `BadInput` for a model of another kind, and for settings that cannot be honoured.
    """
    modules, settings = read_modules(folder), read_settings(folder / MODEL)
    check_settings(str(folder), MODEL, settings, kind="sparse")
    routes = {role: _route(folder, modules, role) for role in ROLES}
    prompts = settings.get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    similarity = settings.get("similarity_fn_name")
    return SparseFacts(
        routes=routes,
        similarity=str(similarity or ""),
        max_active=_max_active(folder, settings.get("max_active_dims")),
        query_prompt=str(prompts.get("query") or ""),
        document_prompt=str(prompts.get("document") or ""),
    )


def _max_active(folder: Path, value: object) -> int:
    """Return the most terms of a vector, 0 for no limit; raises `BadInput`."""
    if isinstance(value, bool) or not isinstance(value, int | None) or (value or 0) < 0:
        raise BadInput(
            f"{folder}: {MODEL} sets max_active_dims = {value!r}",
            fix="It must be a whole number; fetch the model again.",
        )
    return value or 0


def _route(folder: Path, modules: Sequence[Mapping[str, Any]], role: Role) -> Route:
    """Return one role's route, every module of it known."""
    if not modules:
        inputs = read_inputs(folder, kind="sparse")
        if not any(name.endswith(MASKED) for name in inputs.architectures):
            raise BadInput(
                f"{folder}: the network is a {', '.join(inputs.architectures) or 'nameless one'} "
                "without a masked language model's head, so it weighs no terms",
                fix="Leave --backend out, or name a sparse encoder.",
            )
        return Route(("Transformer", "SpladePooling"), "", inputs)
    chain = _chain(folder, modules, role)
    kinds = tuple(kind for kind, _ in chain)
    if not OUTPUTS & set(kinds):
        raise BadInput(
            f"{folder}: its modules are {', '.join(kinds)}, none of which weighs terms: this is "
            "no sparse encoder",
            fix="Leave --backend out, or name a sparse encoder.",
        )
    for kind in kinds:
        if kind not in RUNNABLE:
            raise BadInput(
                f"{folder}: the module {kind} of a sparse encoder cannot be run",
                fix="Evaluate it as an object: rebench.evaluate(SparseEncoder(...)).",
            )
    return Route(kinds, chain[0][1], read_inputs(folder / chain[0][1], kind="sparse"))


def _chain(folder: Path, modules: Sequence[Mapping[str, Any]], role: Role) -> list[tuple[str, str]]:
    """Return kind and sub-folder of each module that a role's texts go through.

    A router's settings name, per role, the modules within it; a role that they do not name takes
    the default route.
    """
    chain = []
    for module in modules:
        kind, path = module_kind(module.get("type", "")), str(module.get("path", ""))
        if kind != "Router":
            chain.append((kind, path))
            continue
        settings = read_settings(folder / path / ROUTER_FILE)
        structure, types, parameters = (
            _object(folder / path / ROUTER_FILE, settings, key)
            for key in ("structure", "types", "parameters")
        )
        default = str(parameters.get("default_route") or "")
        inside = structure.get(role) or structure.get(default) or []
        if not isinstance(inside, list):
            raise BadInput(f"{folder / path / ROUTER_FILE}: the route {inside!r} is no list",
                           fix="Fetch the model again.")  # fmt: skip
        for name in map(str, inside):
            inner = "/".join(part for part in (path, name) if part)
            chain.append((module_kind(types.get(name, "")), inner))
    return chain


def _object(path: Path, settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object of a settings file, empty where there is none; raises `BadInput`."""
    value = settings.get(key) or {}
    if not isinstance(value, dict):
        raise BadInput(f"{path}: {key} is {value!r}", fix="Fetch the model again.")
    return value
