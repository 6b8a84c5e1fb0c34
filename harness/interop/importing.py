"""Result files, one or a folder of them, into imported rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.core.errors import BadInput, RebenchError
from harness.core.files import open_text, read_json
from harness.interop.bright import ImportHints, is_bright, read_bright
from harness.interop.mteb import is_mteb, read_mteb
from harness.interop.records import TASK_HEAD_METRICS, ResultFile, UnsupportedFile
from results.imported import ImportedRow, OriginalFile, earlier_import, save_imported

_ASIDE = ("model_meta.json", "score.json")
"""Files that lie beside results and hold none."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Rows, ready to be kept; sound files that held nothing for us; and faulty ones."""

    rows: tuple[ImportedRow, ...]
    skipped: tuple[str, ...] = ()
    problems: tuple[RebenchError, ...] = field(default=())


def read_results(path: Path, hints: ImportHints) -> Imported:
    """Read one result file, or all of a folder however deep.

    Files of one model, revision, query set and gold version become one row per group of tasks.
    In a folder a faulty file is reported and the others are read. Raises `BadInput` for a single
    faulty file, and where nothing at all can be imported.
    """
    records: list[_Read] = []
    skipped: list[str] = []
    problems: list[RebenchError] = []
    for file in _files(path):
        try:
            records.append(_Read(_record(file, hints), _text(file)))
        except UnsupportedFile as error:
            skipped.append(error.message)
        except RebenchError as error:
            problems.append(error)
    if path.is_file() and problems:
        raise problems[0]
    if not records:
        first = problems[0].message if problems else skipped[0] if skipped else "no JSON file there"
        raise BadInput(
            f"nothing to import from {path}: {first}",
            fix="Give mteb result files or BRIGHT's results.json, or a folder of them.",
        )
    return Imported(tuple(_rows(records)), tuple(skipped), tuple(problems))


def read_all(paths: Iterable[Path], hints: ImportHints) -> Imported:
    """Read several files or folders, each as `read_results` does."""
    read = [read_results(path, hints) for path in paths]
    return Imported(
        tuple(row for each in read for row in each.rows),
        tuple(text for each in read for text in each.skipped),
        tuple(problem for each in read for problem in each.problems),
    )


def keep_imported(root: Path, row: ImportedRow) -> ImportedRow:
    """Write a row below a results folder; return it with the tasks that earlier imports gave it.

    Where both have a task, or a file of the same name, the new one stands. Raises `StoreError`.
    """
    earlier = earlier_import(root, row)
    if earlier is not None:
        row = _joined(earlier, row)
    save_imported(root, row)
    return row


def _joined(earlier: ImportedRow, row: ImportedRow) -> ImportedRow:
    """Return a row with what an earlier import of the same model and kind had besides."""
    metrics = {**earlier.metrics, **row.metrics}
    ordered = {task: metrics[task] for task in TASK_HEAD_METRICS if task in metrics}
    protocols = (*earlier.protocol.split(" · "), *row.protocol.split(" · "))
    replaced = {file.path for file in row.files}
    if not earlier.metrics.keys() - row.metrics.keys():
        protocols, replaced = (row.protocol,), {file.path for file in (*earlier.files, *row.files)}
    kept = tuple(file for file in earlier.files if file.path not in replaced)
    return replace(
        row,
        metrics=ordered,
        head_metric=TASK_HEAD_METRICS[next(iter(ordered))].metric,
        protocol=" · ".join(dict.fromkeys(each for each in protocols if each)),
        date=max(earlier.date, row.date),
        dataset_revision=row.dataset_revision or earlier.dataset_revision,
        files=(*kept, *row.files),
    )


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or the JSON files below a folder in order of their paths."""
    if not path.is_dir():
        yield path.absolute()
        return
    for file in sorted(path.absolute().rglob("*.json")):
        if file.is_file() and file.name not in _ASIDE:
            yield file


@dataclass(frozen=True, slots=True)
class _Read:
    """A file's contents, understood and verbatim."""

    record: ResultFile
    text: str


def _text(file: Path) -> str:
    """Return a file's text as it is."""
    with open_text(file) as handle:
        return handle.read()


def _record(file: Path, hints: ImportHints) -> ResultFile:
    """Return what one file says, by whichever layout it has."""
    document = read_json(file, finite=False)  # mteb writes NaN where nothing is defined
    if is_mteb(document):
        return read_mteb(file, document, hints.model)
    if is_bright(document):
        return read_bright(file, document, hints)
    raise UnsupportedFile(
        f"{file}: neither a result file of mteb nor of BRIGHT",
        fix="Leave it out; a run is kept with `rebench score FILE --task T --name N --record`.",
    )


def _rows(files: Sequence[_Read]) -> Iterator[ImportedRow]:
    """Yield one row per model, revision, layout, query set, gold version and group."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    folded: dict[tuple[str, ...], list[_Read]] = {}
    for file in files:
        record = file.record
        for group in dict.fromkeys(TASK_HEAD_METRICS[task].group for task in record.metrics):
            start = (record.model, record.revision, record.layout)
            key = (*start, record.query_set, record.gold, group)
            folded.setdefault(key, []).append(file)
    for (*_, group), same in folded.items():
        yield _row(group, same, now)


def _row(group: str, files: Sequence[_Read], now: str) -> ImportedRow:
    """Return the row of one group from the files that hold its tasks."""
    metrics: dict[str, Mapping[str, float]] = {}
    records = [file.record for file in files]
    for record in records:
        for task, values in record.metrics.items():
            if TASK_HEAD_METRICS[task].group != group:
                continue
            if task in metrics and metrics[task] != values:
                raise BadInput(
                    f"two files give different results for {record.model} on {task} "
                    f"({record.path} is the second)",
                    fix="Import them one by one, with another --model for one of them.",
                )
            metrics[task] = values
    ordered = {task: metrics[task] for task in TASK_HEAD_METRICS if task in metrics}
    first = records[0]
    return ImportedRow(
        model=first.model,
        revision=first.revision,
        layout=first.layout,
        group=group,
        query_set=first.query_set,
        gold=first.gold,
        head_metric=TASK_HEAD_METRICS[next(iter(ordered))].metric,
        metrics=ordered,
        dataset_revision=first.dataset_revision,
        protocol=" · ".join(dict.fromkeys(record.protocol for record in records)),
        date=max(record.date for record in records),
        files=tuple(OriginalFile(file.record.path, file.text) for file in files),
        imported=now,
    )
