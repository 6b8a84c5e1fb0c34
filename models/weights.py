"""Where a model's weights are and which ones they are, told without loading them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from harness.core.checksums import DamagedFile, read_manifest
from harness.core.errors import BadInput, DataUnavailable
from harness.core.files import read_json
from harness.core.hashing import sha256_file, sha256_parts
from harness.core.hub import HubRepository, fetch_snapshot, file_names, resolve_revision
from harness.core.paths import user_path
from harness.core.weight_files import EXPORT_MANIFEST, WEIGHT_SUFFIXES, check_weight_file
from models.card import ModelCard

HASHED_SUFFIXES = frozenset(
    (
        ".bin",
        ".jinja",
        ".json",
        ".metadata",
        ".model",
        ".pt",
        ".py",
        ".safetensors",
        ".tiktoken",
        ".txt",
    )
)
"""Weights, tokenizer, settings, list of modules, and code that a model may bring along."""
NEVER_LOADED = frozenset(
    (EXPORT_MANIFEST, "data_config.json", "optimizer.pt", "rng_state.pth", "scheduler.pt",
     "trainer_state.json", "training_args.bin")
)  # fmt: skip
OTHER_RUNTIMES = frozenset(("onnx", "openvino", "coreml", "gguf", "original"))
"""Folders with the same weights for other programs."""
IGNORED = (
    *(f"{name}/*" for name in sorted(OTHER_RUNTIMES)),
    *("*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.tflite"),
    *("*.png", "*.jpg", "*.md", "*.pdf"),
)
"""Files of the hub that no backend here loads."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
"""Files that hubs keep in Git LFS like weights."""
SECOND_COPY = "pytorch_model*.bin"
"""The same weights once more, if there are safetensors beside them."""
SETTINGS = ("*.json", "*.metadata", "*.jinja", "*.txt", "*.model", "*.py", "*.tiktoken")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of weights.

    `identity` is `hub:COMMIT` or `sha256:` and the hash of all files that loading reads;
    `folder` is where they lie, or None as long as they are only on the hub, at `hub_id`, where
    `revision` led to them.
    """

    identity: str
    folder: Path | None
    hub_id: str = ""
    revision: str = ""

    @property
    def commit(self) -> str:
        """Return the hub's commit, or an empty text for a folder."""
        return self.identity.removeprefix("hub:") if self.hub_id else ""

    def fetch(self, *, settings_only: bool = False) -> Path:
        """Return the folder, downloading what is missing from the hub.

        With `settings_only` no weights are fetched. Raises `DataUnavailable` within seconds when
        the hub cannot be reached, and for a file that is empty, cut short or a pointer.
        """
        if settings_only:
            return self._settings()
        folder = self.folder or self._snapshot(None)
        check_files(folder)
        return folder

    def _settings(self) -> Path:
        """Return a folder with the settings, and perhaps no weights."""
        if self.folder is not None:
            return self.folder
        here = HubRepository(self.hub_id).snapshot(self.commit)
        return here if (here / "config.json").is_file() else self._snapshot(SETTINGS)

    def _snapshot(self, allow: Sequence[str] | None) -> Path:
        """Return the folder of the commit, with the files that `allow` names or all of use."""
        repository = HubRepository(self.hub_id)
        names = file_names(repository, self.commit)
        two = any(name.endswith(".safetensors") and "/" not in name for name in names)
        return fetch_snapshot(
            repository,
            self.commit,
            allow=allow,
            ignore=(*IGNORED, SECOND_COPY) if two else IGNORED,
            called=self.revision,
        )


def find_weights(card: ModelCard, weights: str = "") -> Weights:
    """Return which weights a card stands for: `weights` (a folder) over what the card names.

    A card names, in this order, a `folder`, an installed Python `package` (both in its options)
    or a hub id. Raises `BadInput` for a folder that does not exist or a card that names nothing,
    and `DataUnavailable` when a branch of the hub can neither be asked for nor is here already.
    """
    folder = weights or str(card.options.get("folder") or "")
    if folder:
        return _in_folder(user_path(folder), card.name)
    package = package_folder(card)
    if package is not None:
        return _in_folder(package, card.name)
    if not card.hub_id:
        raise BadInput(
            f"the card of {card.name!r} names no weights",
            fix="Give it a hub_id, or pass --weights DIR.",
        )
    revision = card.revision or "main"
    repository = HubRepository(card.hub_id)
    commit = revision if COMMIT.fullmatch(revision) else resolve_revision(repository, revision)
    here = repository.snapshot(commit)
    return Weights(f"hub:{commit}", here if _is_complete(here) else None, card.hub_id, revision)


def package_folder(card: ModelCard) -> Path | None:
    """Return the folder inside an installed package that holds the card's weights, or None.

    The card's options name it: `package` as it is imported and `package_folder` within it.
    """
    package = str(card.options.get("package") or "")
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / str(card.options.get("package_folder") or "")
    return folder if folder.is_dir() else None


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files that loading a model reads.

    Files are hashed several at once (the hash runs outside the interpreter's lock) and, within
    this process, again only after their size or time changed.
    """
    files = list(_loaded_files(folder))
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(_hash_file, files))
    names = [path.relative_to(folder).as_posix() for path in files]
    return sha256_parts(part for pair in zip(names, digests, strict=True) for part in pair)


def check_files(folder: Path) -> None:
    """Raise `DataUnavailable` naming a file that loading needs and that is not all there.

    Weights and tokenizers that are empty, cut short, or pointers of Git LFS, and parts that an
    index names and the folder lacks.
    """
    for path in _loaded_files(folder):
        if path.suffix in WEIGHT_SUFFIXES or path.name in TOKENIZERS:
            check_weight_file(path)
    for index in _indexes(folder):
        for name in _indexed(index):
            if not (folder / name).is_file():
                raise DataUnavailable(
                    f"{index} names {name}, which is not there", fix=f"Fetch {name}."
                )


def _in_folder(folder: Path, model: str) -> Weights:
    """Return the weights in a folder.

    Raises `BadInput` unless it holds any file to load, and `DamagedFile`.
    """
    if not os.path.isdir(folder) or not any(_loaded_files(folder)):
        raise BadInput(
            f"no weights of {model!r} in {folder}",
            fix="Name the folder that holds config.json and the model's weights: --weights DIR",
        )
    _check_export(folder)
    return Weights(f"sha256:{folder_hash(folder)}", folder)


def _check_export(folder: Path) -> None:
    """Raise `DamagedFile` if a file of a model that rebench trained is not what was written."""
    path = folder / EXPORT_MANIFEST
    if not path.is_file():
        return
    fix = f"Export it again with `rebench train --resume`; if you changed it, remove {path}."
    for name, expected in read_manifest(path, fix=fix).files.items():
        file = folder / name
        if not file.is_file() or _hash_file(file) != expected:
            raise DamagedFile(f"{file} is not what {path.name} says: it was changed", fix=fix)


def _loaded_files(folder: Path) -> Iterator[Path]:
    """Yield, in order of name, the files that decide what a model computes.

    A `.bin` beside a `.safetensors` is a second copy that is not read.
    """
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix not in HASHED_SUFFIXES or path.name in NEVER_LOADED:
            continue
        if any(part in OTHER_RUNTIMES or part.startswith(".") for part in relative.parts):
            continue
        if path.suffix == ".bin" and any(path.parent.glob("*.safetensors")):
            continue
        if path.is_file():
            yield path


def _is_complete(folder: Path) -> bool:
    """Return True if a snapshot holds settings and every file of its weights."""
    if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
        return False
    indexes = _indexes(folder)
    if not indexes:
        return any(folder.rglob("*.safetensors")) or any(folder.rglob("*.bin"))
    return all((folder / name).is_file() for name in _indexed(indexes[0]))


def _indexes(folder: Path) -> list[Path]:
    """Return the index files of weights in parts: of the safetensors, if there are any."""
    for pattern in ("*.safetensors.index.json", "*.bin.index.json"):
        if found := sorted(folder.glob(pattern)):
            return found[:1]
    return []


def _indexed(index: Path) -> list[str]:
    """Return the files of weights that an index names; raises `BadInput` if it names none."""
    table = read_json(index)
    named = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise BadInput(f"{index} names no files of weights", fix="Fetch the model again.")
    return sorted(set(named.values()))


def _hash_file(path: Path) -> str:
    """Return a file's hash, kept as long as its size and time stay the same."""
    stat = path.stat()
    return _hash_version(path.resolve(), stat.st_size, stat.st_mtime_ns)


@cache
def _hash_version(path: Path, size: int, changed: int) -> str:
    """Return the hash of one version of a file; size and time only tell versions apart."""
    del size, changed
    return sha256_file(path)
