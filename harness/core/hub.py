"""The Hugging Face hub: which commit a branch is, fetching files, and one error if it fails."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.core.checksums import DamagedFile, read_document, write_document
from harness.core.errors import BadInput, DataUnavailable, StoreError
from harness.core.files import read_json, write_text

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, ModelInfo

_COMMIT = re.compile("[0-9a-f]{40}")
_ABBREVIATED = re.compile("[0-9a-f]{7,39}")

TIMEOUT = 4.0
"""Seconds to wait for the hub before saying that it cannot be reached. Its client alone would
retry a download for half a minute, so the hub is asked once before anything is fetched."""


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository on the hub; `otherwise` says how a user does without it, for errors."""

    id: str
    kind: Literal["model", "dataset"] = "model"
    otherwise: str = "pass --weights DIR with a local copy"

    @property
    def folder(self) -> Path:
        """Return where the hub's client keeps the repository."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE) / f"{self.kind}s--{self.id.replace('/', '--')}"

    def snapshot(self, commit: str) -> Path:
        """Return where the files of a commit are kept, whether or not they are there."""
        return self.folder / "snapshots" / commit


def resolve_revision(repository: HubRepository, revision: str) -> str:
    """Return the commit of a branch or tag: the one downloaded here before, else the hub's.

    What is here is taken first, so that results of one machine stay comparable until the user
    removes it. Raises `DataUnavailable` within seconds if neither is to be had.
    """
    known = repository.folder / "refs" / revision
    return _remembered(known) if known.is_file() else str(ask(repository, revision).sha)


def _remembered(path: Path) -> str:
    """Return the commit that a branch or tag was found to be; raises `StoreError` for no commit.

    The file is the hub client's and holds nothing else. Another commit that damage makes of it
    names no snapshot, so nothing is served for it.
    """
    commit = path.read_bytes().decode("ascii", "replace").strip()
    if not _COMMIT.fullmatch(commit):
        raise StoreError(f"{path} holds no commit", fix=f"Remove {path}: the hub is asked again.")
    return commit


def resolve_commit(repository: HubRepository, revision: str) -> str:
    """Return the 40 hex digits of a commit, branch, tag or abbreviated commit of 7 digits or more.

    A branch or tag is remembered, so that results of this machine stay comparable. Raises
    `DataUnavailable` where the hub is needed and does not answer or knows no such revision, and
    `BadInput` for an abbreviation of several commits.
    """
    if _COMMIT.fullmatch(revision):
        return revision
    known = repository.folder / "refs" / revision
    if known.is_file() or not _ABBREVIATED.fullmatch(revision):
        commit = resolve_revision(repository, revision)
        if not known.is_file():
            write_text(known, commit)
        return commit
    found = [commit for commit in _commits(repository) if commit.startswith(revision)]
    if len(found) > 1:
        raise BadInput(
            f"{revision!r} begins {len(found)} commits of {repository.id}", fix="Give more digits."
        )
    if not found:
        raise DataUnavailable(
            f"the hub has no commit {revision!r} of {repository.id} on its main branch",
            fix=f"Check the revision, or {repository.otherwise}.",
        )
    return found[0]


def listed_files(repository: HubRepository, commit: str) -> tuple[str, ...]:
    """Return the paths of a commit's files; asked once, and from this machine afterwards.

    Raises `DataUnavailable`.
    """
    kept = repository.folder / "listings" / f"{commit}.json"
    if kept.is_file():
        return _listing(kept)
    names = file_names(repository, commit)
    write_document(kept, {"names": list(names)})
    return tuple(names)


def _listing(path: Path) -> tuple[str, ...]:
    """Return the names that a listing holds; raises `DamagedFile`.

    Listings of earlier releases are bare lists.
    """
    fix = f"Remove {path}: the hub is asked again."
    if path.read_bytes().startswith(b"["):
        with contextlib.suppress(BadInput):
            return tuple(read_json(path))
    names = read_document(path, fix=fix).get("names")
    if not isinstance(names, list):
        raise DamagedFile(f"{path} lists no names", fix=fix)
    return tuple(names)


def _commits(repository: HubRepository) -> list[str]:
    """Return the commits of the main branch, newest first; raises `DataUnavailable`."""
    from huggingface_hub import HfApi

    ask(repository)
    with _translating_errors(repository, None):
        listed = HfApi().list_repo_commits(repository.id, repo_type=repository.kind)
    return [each.commit_id for each in listed]


def ask(repository: HubRepository, revision: str | None = None) -> ModelInfo | DatasetInfo:
    """Return what the hub knows of a revision; raises `DataUnavailable` within seconds."""
    from huggingface_hub import HfApi

    api = HfApi()
    request = api.model_info if repository.kind == "model" else api.dataset_info
    with _translating_errors(repository, revision):
        info = request(repository.id, revision=revision, timeout=TIMEOUT)
    if not info.sha:
        raise DataUnavailable(
            f"the hub names no commit of {repository.id} at {revision!r}",
            fix=f"Try again later, or {repository.otherwise}.",
        )
    return info


def file_names(repository: HubRepository, revision: str) -> list[str]:
    """Return the paths of all files of a revision; raises `DataUnavailable`."""
    return [file.rfilename for file in ask(repository, revision).siblings or ()]


def fetch_file(repository: HubRepository, path: str, commit: str) -> Path:
    """Return one file of a commit, fetched on the first use and from the cache afterwards.

    Raises `DataUnavailable` within seconds if it is not here and the hub does not answer.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    kept = try_to_load_from_cache(repository.id, path, revision=commit, repo_type=repository.kind)
    if isinstance(kept, str):
        return Path(kept)
    ask(repository, commit)
    with _translating_errors(repository, commit):
        return Path(
            hf_hub_download(
                repository.id,
                path,
                repo_type=repository.kind,
                revision=commit,
                etag_timeout=TIMEOUT,
            )
        )


def fetch_snapshot(
    repository: HubRepository,
    commit: str,
    *,
    allow: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    called: str = "",
) -> Path:
    """Return the folder of a commit with the files that the patterns name.

    With `called`, a branch or tag, the commit is remembered as what that is, as the hub's own
    client does for a branch. Raises `DataUnavailable`.
    """
    from huggingface_hub import snapshot_download

    with _translating_errors(repository, commit):
        folder = snapshot_download(
            repository.id,
            repo_type=repository.kind,
            revision=commit,
            allow_patterns=None if allow is None else list(allow),
            ignore_patterns=list(ignore),
            etag_timeout=TIMEOUT,
        )
    if called and called != commit:
        write_text(repository.folder / "refs" / called, commit)
    return Path(folder)


def is_fetched(repository: HubRepository) -> bool:
    """Return True if a snapshot of the repository is here, of whatever commit."""
    return any((repository.folder / "snapshots").glob("*/*"))


@contextmanager
def _translating_errors(repository: HubRepository, revision: str | None) -> Iterator[None]:
    """Convert what the hub's client raises to `DataUnavailable` with what to do."""
    import httpx2
    from huggingface_hub import errors

    name = f"the {repository.kind} {repository.id!r}"
    at = f" at revision {revision!r}" if revision else ""
    try:
        yield
    except errors.GatedRepoError as error:
        raise DataUnavailable(
            f"the hub grants no access to {name}",
            fix=f"Accept its terms on its page and set HF_TOKEN, or {repository.otherwise}.",
        ) from error
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.RemoteEntryNotFoundError,
        errors.HFValidationError,
    ) as error:
        raise DataUnavailable(
            f"the hub has no {repository.kind} {repository.id!r}{at}, or not that file of it",
            fix=f"Check the name, or {repository.otherwise}.",
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise DataUnavailable(
            f"{name} is not on this machine and HF_HUB_OFFLINE is set",
            fix=f"Unset HF_HUB_OFFLINE, or {repository.otherwise}.",
        ) from error
    except (httpx2.HTTPError, OSError) as error:
        raise DataUnavailable(
            f"{name} is not on this machine and the hub cannot be reached ({_reason(error)})",
            fix="Check the network, the proxy and HF_ENDPOINT (a mirror), or "
            f"{repository.otherwise}.",
        ) from error


def _reason(error: Exception) -> str:
    """Return an error's first line with its type."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
