"""Reading a recipe: TOML file or shipped name, overrides, did-you-mean, and differences."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput
from harness.core.files import parse_toml, read_text
from harness.core.hashing import sha256_json
from redapter.config import RunConfig, check_config


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = Path(str(files("redapter").joinpath("configs")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_config(source: str, overrides: Iterable[str] = ()) -> RunConfig:
    """Return the checked recipe of a TOML file or of a shipped name, `key=value` texts on top.

    Raises `BadInput` for an absent file, TOML that does not parse, an unknown key (with the
    nearest known ones), a value of the wrong type and a value out of range.
    """
    path = Path(source)
    shipped = shipped_recipes()
    if not os.path.isfile(path) and source in shipped:
        path = shipped[source]
    if not os.path.isfile(path):
        raise BadInput(
            f"no recipe at {source}", fix=f"Name a TOML file or one of {', '.join(shipped)}."
        )
    table = parse_toml(read_text(path), source)
    for override in overrides:
        table = merged(table, _override_table(override))
    return config_from_table(table, source)


def config_from_table(table: Mapping[str, Any], where: str) -> RunConfig:
    """Return the checked recipe of a parsed table; raises `BadInput` naming `where` and key.

    A first stage is built once too, so that its mistakes show before anything is trained.
    """
    config = dataclass_from_table(RunConfig, table, where)
    check_config(config)
    if config.first_stage:
        first_stage_of(config, where)
    return config


def first_stage_of(config: RunConfig, where: str = "the recipe") -> RunConfig:
    """Return the recipe of the stage before this one; raises `BadInput` when it is not sound."""
    base = config_json(config)
    overlay = dict(config.first_stage)
    if "first_stage" in overlay:
        raise BadInput(f"{where}: first_stage.first_stage", fix="There are two stages at most.")
    table = merged({**base, "first_stage": {}}, overlay)
    table["name"] = overlay.get("name", f"{config.name}-first-stage")
    return config_from_table(table, f"{where}, first_stage")


def config_json(config: RunConfig) -> dict[str, Any]:
    """Return a recipe as plain JSON values: the same table as its file, defaults filled in."""
    values = asdict(config)
    return {key: _plain(value) for key, value in values.items()}


def without_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's JSON less where data and base lie: their hashes stand for them."""
    kept = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()
    }
    for table, key in (("data", "path"), ("model", "base")):
        if isinstance(kept.get(table), dict):
            kept[table].pop(key, None)
    if kept.get("first_stage"):
        kept["first_stage"] = without_places(kept["first_stage"])
    return kept


def config_hash(config: RunConfig) -> str:
    """Return the hex SHA-256 of the whole recipe, places left out."""
    return sha256_json(without_places(config_json(config)))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return `key: old -> new` for every value that differs between two recipes' JSON."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        name = f"{prefix}{key}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found.extend(differences(before, after, f"{name}."))
        elif before != after:
            found.append(f"{name}: {before!r} -> {after!r}")
    return found


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `overlay`'s keys on top, tables merged key by key."""
    result = dict(base)
    for key, value in overlay.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both and old is not None else value
    return result


def _override_table(override: str) -> dict[str, Any]:
    """Return the nested table of one `a.b=value`; the value is TOML, else text as it stands."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise BadInput(f"--set {override!r}", fix="Write it as --set table.key=value.")
    try:
        value: Any = parse_toml(f"value = {text.strip()}", "--set")["value"]
    except BadInput:
        value = text.strip()
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def _plain(value: Any) -> Any:
    """Return a value with its tuples as lists, as JSON and TOML have them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
