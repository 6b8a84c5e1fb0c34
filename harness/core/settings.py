"""Where things are kept: flags over environment over `rebench.toml` over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_toml
from harness.core.paths import user_path

SETTINGS_FILE = "rebench.toml"
PATH_KEYS = {
    "cache": "REBENCH_CACHE",
    "results": "REBENCH_RESULTS",
    "data": "REBENCH_DATA",
}
"""Key in `rebench.toml` -> environment variable."""

TABLES = ("models", "pipelines")
"""Keys in `rebench.toml` that hold a table for each name."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders of one invocation, and the models and pipelines that `rebench.toml` adds.

    `cache_dir` holds embeddings, `results_dir` measured entries, `data_dir` local data sets
    (`None`: the hub); `models` maps a name to the table of its card, `pipelines` a name to that of
    a pipeline.
    """

    cache_dir: Path
    results_dir: Path
    data_dir: Path | None
    models: Mapping[str, Mapping[str, Any]]
    pipelines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def load_settings(
    folder: Path,
    environment: Mapping[str, str],
    *,
    cache: Path | None = None,
    results: Path | None = None,
    data: Path | None = None,
) -> Settings:
    """Return the settings for a working folder; keyword arguments are the flags.

    Raises `BadInput` for a `rebench.toml` that does not parse or has an unknown key, and for a
    folder that `user_path` refuses.
    """
    table = _read_table(folder / SETTINGS_FILE)
    home = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    flags = {"cache": cache, "results": results, "data": data}
    defaults = {
        "cache": Path(home) / "rebench",
        "results": folder / "results" / "measured",
        "data": None,
    }
    found: dict[str, Path | None] = {}
    for key, variable in PATH_KEYS.items():
        in_file = folder / user_path(str(table[key])) if key in table else None
        from_environment = user_path(environment[variable]) if environment.get(variable) else None
        found[key] = _checked(flags[key]) or from_environment or in_file or defaults[key]
    return Settings(
        cache_dir=found["cache"] or defaults["cache"] or Path(),
        results_dir=found["results"] or defaults["results"] or Path(),
        data_dir=found["data"],
        models=table.get("models", {}),
        pipelines=table.get("pipelines", {}),
    )


def _checked(flag: Path | None) -> Path | None:
    return None if flag is None else user_path(flag)


def _read_table(path: Path) -> dict[str, Any]:
    """Return the settings file's table (empty without a file), its keys checked."""
    if not path.is_file():
        return {}
    table = read_toml(path)
    known = (*PATH_KEYS, *TABLES)
    for key, value in table.items():
        if key not in known:
            raise BadInput(
                f"{path}: unknown setting {key!r}", fix=f"Known settings: {', '.join(known)}."
            )
        if key in PATH_KEYS and not isinstance(value, str):
            raise BadInput(f"{path}: {key} = {value!r}", fix="It must be a folder's name.")
    for key in TABLES:
        tables = table.get(key, {})
        if not isinstance(tables, dict) or not all(isinstance(v, dict) for v in tables.values()):
            raise BadInput(
                f"{path}: {key} = {tables!r}",
                fix=f"Write one [{key}.NAME] table per {key.removesuffix('s')}.",
            )
    return table
