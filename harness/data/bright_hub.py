"""BRIGHT from the hub at its pinned revision, with a quick answer when the hub is out of reach."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataUnavailable
from harness.data.bright_local import LAYOUT, parquet_rows
from harness.data.bright_tasks import REPOSITORY, REVISION
from harness.data.checks import Rows

if TYPE_CHECKING:
    import datasets

ANSWER_SECONDS = 4.0
"""Longest wait for the hub to answer one request."""

PROBE_SECONDS = 6.0
"""Longest wait for the whole probe: looking a name up has no time limit of its own. The hub's
client would retry for 23 seconds or more before it gives up, hence a probe before it."""

CLIENT_SECONDS = 2.0
"""Longest wait for each step of the hub's own client, asked only once a name is looked up."""

_UNTRUSTED = "the certificate is not trusted"

_BATCH = 1_024
"""Rows in memory at once while a split is read."""

_OFF = {"", "0", "false", "no", "off"}


def hub_rows(config: str, split: str, columns: Sequence[str]) -> Rows:
    """Return the rows of one split of one configuration, fetching its file on the first use.

    A file that the hub's own cache holds is read from there and needs no network. Raises
    `DataUnavailable` within ten seconds when it must be fetched and the hub is out of reach.
    """
    cached = _cached(config, split)
    if cached is not None:
        return parquet_rows([cached], columns)
    dataset = _fetch(config, split)
    label = f"{REPOSITORY} at {REVISION[:7]}, {config}/{split}"
    return Rows(label=label, unit="row", items=_iterate(dataset, columns))


def unreachable(url: str) -> str | None:
    """Return why a URL does not answer as it should, or `None` when it does.

    Takes `PROBE_SECONDS` at most, and about `CLIENT_SECONDS` more where Python does not trust the
    certificate: the hub's client may be told of other authorities, so it is asked then.
    """
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(_ask(url)), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    reason = found[0] if found else f"no answer in {PROBE_SECONDS:g} seconds"
    return _ask_client(url) if reason == _UNTRUSTED else reason


def _ask(url: str) -> str | None:
    """Return why one HEAD request fails, or `None`."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return f"it answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return _UNTRUSTED if isinstance(error.reason, ssl.SSLError) else str(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


def _ask_client(url: str) -> str | None:
    """Return why the hub's own client gets no good answer, or `None`; it asks once."""
    import huggingface_hub

    try:
        status = int(huggingface_hub.get_session().head(url, timeout=CLIENT_SECONDS).status_code)
    except Exception as error:
        # httpx, httpx2 or requests, by the client's version, each with errors of its own.
        raise _unavailable(str(error)) from error
    return None if status < 400 else f"it answers {status}"


def _file(config: str, split: str) -> str:
    """Return the path of a split's one file at the pinned revision (ir_datasets' table of URLs)."""
    return f"{config}/{split}-00000-of-00001.parquet"


def _cached(config: str, split: str) -> Path | None:
    """Return the split's file in the hub's cache, or `None`."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(
        REPOSITORY,
        _file(config, split),
        revision=REVISION,
        repo_type="dataset",
    )
    return Path(found) if isinstance(found, str) else None


def _fetch(config: str, split: str) -> datasets.Dataset:
    """Download one split (and no other of its configuration)."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() not in _OFF:
        raise _unavailable("HF_HUB_OFFLINE is set")
    reason = unreachable(f"{endpoint}/datasets/{REPOSITORY}/resolve/{REVISION}/README.md")
    if reason is not None:
        raise _unavailable(f"{endpoint}: {reason}")

    import datasets

    try:
        return datasets.load_dataset(
            REPOSITORY,
            data_files={split: _file(config, split)},
            split=split,
            revision=REVISION,
            verification_mode="no_checks",
        )
    except Exception as error:
        # The libraries below raise their own errors, httpx's and plain ones, by version.
        raise _unavailable(f"{config}/{split}: {error}") from error


def _iterate(
    dataset: datasets.Dataset, columns: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (row number from 1, row with the asked columns)."""
    number = 0
    for batch in dataset.select_columns(list(columns)).iter(batch_size=_BATCH):
        for values in zip(*(batch[column] for column in columns), strict=True):
            number += 1
            yield number, dict(zip(columns, values, strict=True))


def _unavailable(reason: str) -> DataUnavailable:
    """Return the error with the two ways out."""
    return DataUnavailable(
        f"{REPOSITORY} cannot be had from the hub ({' '.join(reason.split())})",
        fix="Either make the hub reachable (network, proxy, or HF_ENDPOINT for a mirror), or put "
        f"the files into a folder and name it with --data DIR or REBENCH_DATA: {LAYOUT}, "
        "as in DIR/examples/biology.parquet and DIR/documents/biology.parquet.",
    )
