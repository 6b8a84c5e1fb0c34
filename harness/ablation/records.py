"""A run's record on disk: finished or failed, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.checksums import read_document, write_document
from harness.core.errors import StoreError
from harness.core.file_sets import MANIFEST_SUFFIX, file_set_problems
from harness.core.files import read_json
from harness.core.types import Json

RECORD = "ablation.json"
REPORT_DATA = "report.json"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run's record: names, seconds of training and of measuring, the log, what went wrong.

    `failure` is empty for a run that was trained and measured. `log` is relative to the folder.
    """

    variant: str
    seed: int
    key: str
    train_seconds: float
    measure_seconds: float
    log: str
    failure: str = ""


def read_record(folder: Path) -> RunRecord | None:
    """Return a run's record, `None` if there is none; raises `StoreError` for a damaged one."""
    path = folder / RECORD
    if not path.is_file():
        return None
    fix = f"Remove {path}: the next run of the ablation writes it again."
    try:
        return RunRecord(**read_document(path, fix=fix))
    except TypeError as error:
        raise StoreError(f"{path} is no record of a run: {error}", fix=fix) from error


def write_record(folder: Path, record: RunRecord) -> None:
    """Write a run's record whole; raises `StoreError`."""
    values: Mapping[str, Json] = asdict(record)
    write_document(folder / RECORD, values)


def known_detectable(root: Path) -> float | None:
    """Return the largest `detectable_corrected` of the comparisons in an ablation's report.

    Raises `DamagedFile` for a report whose files do not fit its manifest.
    """
    path = root / REPORT_DATA
    if not path.is_file():
        return None
    fix = f"Remove {path}: the next run of the ablation writes its report again."
    for problem in file_set_problems(path.with_suffix(MANIFEST_SUFFIX), fix=fix):
        raise problem
    listed = [each.get("detectable_corrected") for each in read_json(path)["differences"]]
    return max((value for value in listed if value is not None), default=None)


def known_seconds(root: Path) -> float | None:
    """Return the mean seconds of training plus measuring, over an ablation's finished runs."""
    records = [read_record(path.parent) for path in sorted(root.glob(f"runs/*/{RECORD}"))]
    done = [each for each in records if each is not None and not each.failure]
    if not done:
        return None
    return sum(each.train_seconds + each.measure_seconds for each in done) / len(done)
