"""The files of a data set on the hub or in a folder, and the configurations they make up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from harness.core.errors import BadInput
from harness.core.hashing import sha256_file, sha256_parts
from harness.core.hub import HubRepository, fetch_file, listed_files

CARD = "README.md"
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")
_SHARD = re.compile(r"(?P<split>.+?)-\d+-of-\d+(-[0-9a-f]+)?")
_NUMBER = re.compile(r"\d+")
_DEEPEST = 4
"""Folders within folders that are looked into; the hub's data sets are at most three deep."""
_FIX = "rebench reads parquet, jsonl and jsonl.gz; convert the data set, or ask its makers."

Configs = Mapping[str, Mapping[str, tuple[str, ...]]]
"""configuration -> split -> its files, in order."""


class DatasetFiles(Protocol):
    """Files by their paths in a data set."""

    @property
    def label(self) -> str:
        """Return what the data set is called in messages."""

    @property
    def is_remote(self) -> bool:
        """Tell whether the files' own paths say nothing to a user (those of the hub's cache)."""

    @property
    def names(self) -> Sequence[str]:
        """Return the paths of all files, with slashes."""

    def fetch(self, name: str) -> Path:
        """Return where a file lies here."""

    @property
    def revision(self) -> str:
        """Return the commit, or a hash of the files that were fetched."""


@dataclass(frozen=True, slots=True)
class HubFiles:
    """A data set of the hub at one commit; `names` and `fetch` raise `DataUnavailable`."""

    repository: HubRepository
    commit: str

    @property
    def label(self) -> str:
        """Return `ORG/NAME at 1234567`."""
        return f"{self.repository.id} at {self.commit[:7]}"

    @property
    def is_remote(self) -> bool:
        """Return True."""
        return True

    @property
    def names(self) -> Sequence[str]:
        """Return the paths of all files of the commit."""
        return listed_files(self.repository, self.commit)

    def fetch(self, name: str) -> Path:
        """Return where a file lies here, fetched on the first use."""
        return fetch_file(self.repository, name, self.commit)

    @property
    def revision(self) -> str:
        """Return the commit."""
        return self.commit


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """A data set in a folder of this machine."""

    folder: Path
    names: Sequence[str]
    used: dict[str, None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return the folder's path."""
        return str(self.folder)

    @property
    def is_remote(self) -> bool:
        """Return False."""
        return False

    def fetch(self, name: str) -> Path:
        """Return the file's path."""
        self.used[name] = None
        return self.folder / name

    @property
    def revision(self) -> str:
        """Return a hash of the bytes of the files in use, 12 hex digits, as BEIR folders have."""
        used = (self.folder / name for name in sorted(self.used) if name != CARD)
        return sha256_parts(sha256_file(path) for path in used)[:12]


def folder_files(folder: Path) -> FolderFiles:
    """Return the files of a folder, some folders deep, but for hidden ones."""
    names = []
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        names += [(inside / name).as_posix() for name in files if not name.startswith(".")]
        deeper = (name for name in folders if not name.startswith("."))
        folders[:] = sorted(deeper) if len(inside.parts) < _DEEPEST else []
    return FolderFiles(folder, tuple(sorted(names)))


def has_hub_layout(folder: Path) -> bool:
    """Tell whether a folder holds a task in a layout of the hub, not in BEIR's own."""
    files = folder_files(folder)
    names = files.names
    corpora = ("corpus/", "corpus.parquet", "examples/")
    judgements = ("query.jsonl", "qrels.jsonl", "default.jsonl", "qrels.parquet", "default/")
    own = any(
        name.startswith((*corpora, *judgements))
        or (name.startswith("qrels/") and name.endswith(SUFFIXES))
        for name in names
    )
    return own or (CARD in names and bool(_card(files).get("configs")))


def read_configs(files: DatasetFiles) -> Configs:
    """Return the configurations that the card's `configs` list, else those the paths make up.

    Without a list, `CONFIG/SPLIT.jsonl`, `CONFIG/SPLIT-00000-of-00001.parquet`,
    `CONFIG/SPLIT/0000.parquet` and `CONFIG.jsonl` (whose split is the configuration's name) are
    found. Raises `BadInput` for a card that cannot be read and a list of another form.
    """
    listed = _card(files).get("configs") if CARD in files.names else None
    if listed is None:
        return _from_paths(files.names)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise _odd_card(files, "'configs' is no list of configurations")
    return {str(each.get("config_name", "default")): _splits(files, each) for each in listed}


def usable_files(files: DatasetFiles, config: str, split: str, names: Iterable[str]) -> list[Path]:
    """Return where the files of a split lie; raises `BadInput` naming one of another kind."""
    found = []
    for name in names:
        if not name.endswith(SUFFIXES):
            raise BadInput(f"{files.label}: {config!r} is in {name}, which is not read", fix=_FIX)
        found.append(files.fetch(name))
    if not found:
        raise BadInput(
            f"{files.label} holds no file of {config!r}, split {split!r}",
            fix="Check the card's `configs`, or the revision.",
        )
    return found


def _card(files: DatasetFiles) -> Mapping[str, Any]:
    """Return the metadata at the head of a card; empty where there is none."""
    import yaml
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(files.fetch(CARD)) or {}
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise _odd_card(files, f"its head is no YAML ({said})") from error


def _odd_card(files: DatasetFiles, what: str) -> BadInput:
    """Return the error for a card of another form."""
    return BadInput(
        f"{files.label}, {CARD}: {what}",
        fix="It must list config_name and data_files, as the hub's documentation says.",
    )


def _splits(files: DatasetFiles, config: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the splits of one configuration of a card."""
    name = config.get("config_name", "default")
    data_files, folder = config.get("data_files"), config.get("data_dir")
    if data_files is None and isinstance(folder, str):
        return _by_split(name for name in files.names if name.startswith(f"{folder}/"))
    if isinstance(data_files, str):
        return _by_split(_matching(files.names, data_files, folder))
    if isinstance(data_files, dict):
        data_files = [{"split": split, "path": path} for split, path in data_files.items()]
    if isinstance(data_files, list) and all(isinstance(each, str) for each in data_files):
        return _by_split(
            name for pattern in data_files for name in _matching(files.names, pattern, folder)
        )
    splits: dict[str, tuple[str, ...]] = {}
    for each in data_files if isinstance(data_files, list) else [None]:
        if not isinstance(each, dict) or not isinstance(each.get("split"), str):
            raise _odd_card(files, f"the data_files of {name!r} have a form that is not read")
        paths = each.get("path")
        given = paths if isinstance(paths, list) else [paths]
        patterns = [pattern for pattern in given if isinstance(pattern, str)]
        if len(patterns) < len(given):
            raise _odd_card(files, f"the paths of {name!r}, {each['split']!r} are no texts")
        matching = (m for pattern in patterns for m in _matching(files.names, pattern, folder))
        splits[each["split"]] = tuple(dict.fromkeys(matching))
    return splits


def _matching(names: Sequence[str], pattern: str, folder: object) -> Iterator[str]:
    """Yield the paths that a pattern names, read as `datasets` reads it, from a folder if given."""
    from fsspec.utils import glob_translate

    whole = f"{folder}/{pattern}" if isinstance(folder, str) else pattern
    expression = re.compile(glob_translate(whole.removeprefix("./")))
    return (name for name in names if expression.match(name))


def _from_paths(names: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the configurations that paths of known kinds make up."""
    configs: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) > 1:
            configs.setdefault(path.parts[0], []).append(name)
        elif name.endswith(SUFFIXES):
            configs.setdefault(_stem(path.name), []).append(name)
    return {config: _by_split(found) for config, found in configs.items()}


def _by_split(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return split -> files, by the files' names."""
    splits: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        path = PurePosixPath(name)
        stem = _stem(path.name)
        sharded = _SHARD.fullmatch(stem)
        split = sharded["split"] if sharded else stem
        if _NUMBER.fullmatch(stem):
            split = path.parent.name
        splits[split] = (*splits.get(split, ()), name)
    return splits


def _stem(name: str) -> str:
    """Return a file's name without its suffixes."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name.partition(".")[0]
