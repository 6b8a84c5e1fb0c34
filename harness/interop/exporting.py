"""Measured entries and imported rows as the files of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.core.errors import BadInput
from harness.core.files import write_text
from harness.core.names import split_names
from harness.core.types import Json
from harness.data.bright_tasks import ORIGINAL
from harness.interop.bright import FILE, bright_document, folder_name
from harness.interop.mteb import model_folder, mteb_document, task_name
from results.imported import ImportedRow
from results.judgements import load_judgements
from results.schema import Entry
from results.store import ResultStore, safe_name
from results.systems import configuration_hash


@dataclass(frozen=True, slots=True)
class Exported:
    """One file that was written, and what it holds: a task, or of imported files the group."""

    model: str
    task: str
    path: Path


@dataclass(frozen=True, slots=True)
class Export:
    """What was written, and what the layout cannot hold, as sentences."""

    files: tuple[Exported, ...]
    left_out: tuple[str, ...] = ()


LAYOUTS = ("mteb", "bright", "trec", "qrels")


def export_entries(
    entries: Iterable[Entry], store: ResultStore, layout: str, folder: Path
) -> Export:
    """Write entries below a folder (made if absent) in one of `LAYOUTS`.

    `mteb` has no place for rewritten queries, so entries on them are left out and named. `bright`
    puts each query set but the original one in a folder of its own, with `score.json` beside the
    results. Two entries that would share a file get their identity's first digits in its path.
    Raises `StoreError` for what cannot be read or written.
    """
    writers: Mapping[str, Callable[[Entry, ResultStore], dict[str, str]]] = {
        "mteb": _mteb, "bright": _bright, "trec": _trec, "qrels": _qrels,
    }  # fmt: skip
    written: dict[str, str] = {}
    files: list[Exported] = []
    left_out: list[str] = []
    for entry in entries:
        if layout == "mteb" and entry.task.query_set != ORIGINAL:
            left_out.append(
                f"{entry.model} on {entry.task.name} with {entry.task.query_set} queries: "
                "mteb's files cannot say which queries were used"
            )
            continue
        found = writers[layout](entry, store)
        if any(written.get(path, text) != text for path, text in found.items()):
            found = {_apart(path, entry): text for path, text in found.items()}
        for path, text in found.items():
            if path not in written:
                write_text(folder / path, text)
                files.append(Exported(entry.model, entry.task.name, folder / path))
            written[path] = text
    return Export(tuple(files), tuple(left_out))


def chosen_entries(
    entries: Iterable[Entry], models: str | None = None, tasks: str | None = None
) -> list[Entry]:
    """Return the entries of some models and of some tasks or groups, names with commas between."""
    of_models, of_tasks = split_names(models or ""), split_names(tasks or "")
    return [
        entry
        for entry in entries
        if (not of_models or entry.model in of_models)
        and (not of_tasks or not {entry.task.name, entry.task.group}.isdisjoint(of_tasks))
    ]


def export_imported(rows: Iterable[ImportedRow], layout: str, folder: Path) -> Export:
    """Write imported rows of a layout as the files they came from, byte for byte."""
    files = []
    for row in rows:
        if row.layout != layout:
            continue
        for original in row.files:
            path = folder / _inside(original.path)
            write_text(path, original.text)
            files.append(Exported(row.model, row.group, path))
    return Export(tuple(files))


def _inside(path: str) -> PurePosixPath:
    """Return a relative path that stays in its folder; raises `BadInput`."""
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or not found.parts or "\\" in path:
        raise BadInput(f"an imported file is called {path!r}", fix="Import it again.")
    return found


def _apart(path: str, entry: Entry) -> str:
    """Return a path that no other entry has: its folder carries the identity."""
    given = PurePosixPath(path)
    return str(given.parent / entry.identity_hash[:12] / given.name)


def _mteb(entry: Entry, store: ResultStore) -> dict[str, str]:
    """Return the one result file of an entry."""
    revision = f"rebench-{configuration_hash(entry)[:12]}"
    document = mteb_document(
        entry.task.name,
        entry.task.revision,
        entry.metrics,
        sum(entry.timings.values()),
        entry.created,
        entry.task.head_metric,
    )
    name = safe_name(task_name(entry.task.name))
    return {f"{model_folder(entry.model)}/{revision}/{name}.json": _json(document)}


def _bright(entry: Entry, store: ResultStore) -> dict[str, str]:
    """Return the results and the score dictionary of an entry."""
    folder = safe_name(folder_name(entry.task.name, entry.model))
    if entry.task.query_set != ORIGINAL:
        folder = f"{safe_name(entry.task.query_set)}/{folder}"
    scores: dict[str, dict[str, float]] = {}
    for line in store.run_text(entry).splitlines():
        qid, _, document, _, score, _ = line.split("\t")
        scores.setdefault(qid, {})[document] = float(score)
    return {
        f"{folder}/{FILE}": _json(bright_document(entry.metrics)),
        f"{folder}/score.json": _json(scores),
    }


def _trec(entry: Entry, store: ResultStore) -> dict[str, str]:
    """Return the run of an entry."""
    name = f"{safe_name(entry.task.name)}.{safe_name(entry.task.query_set)}.trec.gz"
    return {f"{safe_name(entry.model)}/{name}": store.run_text(entry)}


def _qrels(entry: Entry, store: ResultStore) -> dict[str, str]:
    """Return the judgements of an entry's task as tab-separated TREC lines.

    Ids may hold spaces, so nothing but the tabs parts the fields. Excluded documents have no
    place there.
    """
    task = load_judgements(store.root, entry.task.fingerprint)
    lines = [
        f"{qid}\t0\t{document}\t{grade}\n"
        for qid, grades in task.qrels.items()
        for document, grade in grades.items()
    ]
    return {f"{safe_name(entry.task.name)}.qrels": "".join(lines)}


def _json(value: Json) -> str:
    """Return a value as indented JSON text."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
