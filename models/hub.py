"""The model hub: which commit a branch is, what of it is here, and fetching the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import DataUnavailable
from harness.core.files import write_text

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

TIMEOUT = 4.0
"""Seconds to wait for the hub before saying that it cannot be reached."""
IGNORED = ("onnx/*", "openvino/*", "coreml/*", "gguf/*", "original/*", "*.gguf", "*.onnx", "*.h5",
           "*.msgpack", "*.ot", "*.tflite", "*.png", "*.jpg", "*.md", "*.pdf")  # fmt: skip
SECOND_COPY = "pytorch_model*.bin"
"""The same weights once more, where there are safetensors beside them."""
SETTINGS = ("*.json", "*.jinja", "*.txt", "*.model", "*.py", "*.tiktoken")


def resolve_revision(hub_id: str, revision: str) -> str:
    """Return the commit of a branch or tag: the one downloaded here before, else the hub's.

    What is here is taken first, so that results of one machine stay comparable until the user
    removes it. Raises `DataUnavailable` within seconds when neither is to be had.
    """
    known = _repository_folder(hub_id) / "refs" / revision
    if known.is_file():
        return known.read_text(encoding="ascii").strip()
    return str(_ask(hub_id, revision).sha)


def snapshot_folder(hub_id: str, commit: str) -> Path | None:
    """Return the folder of a commit if it is here with all its weights, else None."""
    folder = _repository_folder(hub_id) / "snapshots" / commit
    return folder if _is_complete(folder) else None


def download(hub_id: str, commit: str, revision: str, *, settings_only: bool) -> Path:
    """Return the folder of a commit, fetching what is missing.

    It is remembered as what `revision` is, as the hub's own client does for a branch.
    Raises `DataUnavailable` naming `--weights DIR`, within seconds if the hub does not answer.
    """
    from huggingface_hub import snapshot_download

    patterns = list(SETTINGS) if settings_only else None
    here = _repository_folder(hub_id) / "snapshots" / commit
    if settings_only and (here / "config.json").is_file():
        return here
    names = [file.rfilename for file in _ask(hub_id, commit).siblings or ()]
    ignored = list(IGNORED)
    if any(name.endswith(".safetensors") and "/" not in name for name in names):
        ignored.append(SECOND_COPY)
    with _told_as_unavailable(hub_id, commit):
        folder = snapshot_download(
            hub_id,
            revision=commit,
            allow_patterns=patterns,
            ignore_patterns=ignored,
            etag_timeout=TIMEOUT,
        )
    if revision != commit:
        write_text(_repository_folder(hub_id) / "refs" / revision, commit)
    return Path(folder)


def _ask(hub_id: str, revision: str) -> ModelInfo:
    """Return what the hub knows of a revision; raises `DataUnavailable`."""
    from huggingface_hub import HfApi

    with _told_as_unavailable(hub_id, revision):
        info = HfApi().model_info(hub_id, revision=revision, timeout=TIMEOUT)
    if not info.sha:
        raise DataUnavailable(
            f"the hub names no commit for {hub_id} at {revision!r}", fix="Pass --weights DIR."
        )
    return info


@contextmanager
def _told_as_unavailable(hub_id: str, revision: str) -> Iterator[None]:
    """Turn what the hub's client raises into one message that says what to do."""
    from huggingface_hub import errors

    missing = (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.HFValidationError,
    )
    # The base class of the client's own HTTP library, whichever one this version is built on.
    transport: type[Exception] = getattr(errors, "HTTPError", OSError)
    try:
        yield
    except errors.GatedRepoError as error:
        raise DataUnavailable(
            f"the hub grants no access to {hub_id}",
            fix="Accept its terms on its page and set HF_TOKEN, or pass --weights DIR.",
        ) from error
    except missing as error:
        raise DataUnavailable(
            f"the hub has no model {hub_id!r} at revision {revision!r}",
            fix="Check the name; for weights on this machine pass --weights DIR.",
        ) from error
    except (transport, OSError) as error:
        raise DataUnavailable(
            f"the weights of {hub_id} are not on this machine and the hub cannot be reached "
            f"({type(error).__name__})",
            fix="Connect (and unset HF_HUB_OFFLINE), or pass --weights DIR with a local copy.",
        ) from error


def _repository_folder(hub_id: str) -> Path:
    """Return where the hub's client keeps a model."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"


def _is_complete(folder: Path) -> bool:
    """Tell whether a snapshot holds settings and every file of its weights."""
    import json

    if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
        return False
    indexes = [*folder.glob("*.safetensors.index.json"), *folder.glob("*.bin.index.json")]
    if not indexes:
        return any(folder.rglob("*.safetensors")) or any(folder.rglob("*.bin"))
    names = json.loads(indexes[0].read_text(encoding="utf-8"))["weight_map"].values()
    return all((folder / name).is_file() for name in names)
