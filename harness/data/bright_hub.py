"""BRIGHT from the hub at its pinned revision: one file per configuration and split."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.hub import HubRepository, fetch_file
from harness.data.bright_local import LAYOUT, parquet_rows
from harness.data.bright_tasks import REPOSITORY, REVISION
from harness.data.checks import Rows

BRIGHT = HubRepository(
    REPOSITORY,
    "dataset",
    otherwise=f"put the files into a folder and name it with --data DIR or REBENCH_DATA: {LAYOUT}, "
    "as in DIR/examples/biology.parquet and DIR/documents/biology.parquet",
)


def hub_rows(config: str, split: str, columns: Sequence[str]) -> Rows:
    """Return the rows of one split of one configuration, fetching its file on the first use.

    A file that the hub's own cache holds is read from there and needs no network. Raises
    `DataUnavailable` within seconds if it must be fetched and the hub is out of reach.
    """
    # The name of a split's one file at the pinned revision, as in ir_datasets' table of URLs.
    path = fetch_file(BRIGHT, f"{config}/{split}-00000-of-00001.parquet", REVISION)
    rows = parquet_rows([path], columns)
    label = f"{REPOSITORY} at {REVISION[:7]}, {config}/{split}"
    return Rows(label=label, unit=rows.unit, items=rows.items)
