"""Tasks of the hub and of folders in its layouts, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.hub import HubRepository, resolve_commit
from harness.core.protocols import Reporter
from harness.core.types import Corpus, PromptFields, Task
from harness.data.bright_tasks import LOCAL, ORIGINAL
from harness.data.checks import self_match_note, self_matches, unknown_documents
from harness.data.grounds.bright_layout import is_bright_layout, read_bright_layout
from harness.data.grounds.files import DatasetFiles, HubFiles, folder_files, read_configs
from harness.data.grounds.mteb_layout import read_mteb_layout
from harness.data.grounds.names import GroundName
from harness.data.grounds.parts import GroundParts, ReadOptions
from harness.data.grounds.table import GROUNDS, HEAD_METRIC, Ground
from harness.data.grounds.tables import Dataset

GROUP = "hub"
_NEWEST = "main"


def load_hub_task(where: GroundName, *, with_corpus: bool, reporter: Reporter) -> Task:
    """Load a task of the hub or of a folder in one of its layouts, headed by nDCG@10.

    The commit is the task's revision, resolved where none is named; a folder's is made of the
    bytes of its files. Raises `UnknownName` and `BadInput` as the layouts' readers do, `BadInput`
    for judgements, exclusions or candidates of documents that the corpus lacks, and
    `DataUnavailable` where there is nothing to read.
    """
    otherwise = "download its files into a folder and name that: --tasks FOLDER"
    files = _files(where, where.folder, otherwise)
    parts = _read(files, where, ReadOptions(with_corpus), reporter)
    notes = [f"{where.task}: {note}" for note in parts.notes]
    if parts.corpus is not None:
        _require_known(parts, parts.corpus, files.label)
        texts = {query.id: query.text for query in parts.queries}
        same = self_matches(texts, parts.excluded, parts.corpus)
        if same:
            notes.append(self_match_note(where.task, same))
    for note in notes:
        reporter.note(note)
    slug = where.task.rpartition("/")[2]
    wording = PromptFields(slug, slug, "search query", "query", "documents")
    task = _task(where.task, GROUP, files.revision, wording, parts)
    return replace(task, notes=tuple(notes))


def load_known_ground(
    name: str, *, data_dir: Path | None, with_corpus: bool, reporter: Reporter
) -> Task:
    """Load a task of `table.GROUNDS`, from `DATA/ORG/NAME` if there is such a folder.

    Counts that differ from those written down, and gold that the corpus lacks, are told to
    `reporter` and kept in the task's notes, as for BRIGHT. Raises as `load_hub_task` does.
    """
    ground = GROUNDS[name]
    local = data_dir / ground.repository if data_dir is not None else None
    folder = local if local is not None and local.is_dir() else None
    where = GroundName(ground.repository, folder, ground.revision, split=ground.split)
    otherwise = f"put its files into DIR/{ground.repository} and name DIR with --data DIR"
    files = _files(where, folder, otherwise)
    parts = _read(files, where, ReadOptions(with_corpus, ground.source.last_counts), reporter)
    if ground.source.excludes_itself:
        parts = replace(parts, excluded=_excluding_itself(parts))
    notes = [f"{name}: {note}" for note in (*parts.notes, *filter(None, (ground.note,)))]
    problems = [f"{name}: {each}" for each in (*_count_notes(ground, parts), *_absent_notes(parts))]
    for note in notes:
        reporter.note(note)
    for problem in problems:
        reporter.warn(problem)
    revision = LOCAL if folder is not None else files.revision
    task = _task(name, ground.group, revision, ground.prompt_fields, parts)
    return replace(task, notes=(*notes, *problems))


def _files(where: GroundName, folder: Path | None, otherwise: str) -> DatasetFiles:
    """Return the files of a folder, or of a commit on the hub."""
    if folder is not None:
        return folder_files(folder)
    repository = HubRepository(where.repository, "dataset", otherwise)
    return HubFiles(repository, resolve_commit(repository, where.revision or _NEWEST))


def _read(
    files: DatasetFiles, where: GroundName, how: ReadOptions, reporter: Reporter
) -> GroundParts:
    """Return what a data set holds of one task, by whichever layout it has."""
    data = Dataset(files, read_configs(files))
    if is_bright_layout(data):
        if where.subset:
            raise BadInput(
                f"{files.label} has BRIGHT's layout, which has no subsets",
                fix=f"Name the task after a #, not a colon: #{where.subset}.",
            )
        return read_bright_layout(data, where.split, how, reporter)
    return read_mteb_layout(data, where.subset, where.split, how, reporter)


def _task(name: str, group: str, revision: str, wording: PromptFields, parts: GroundParts) -> Task:
    """Return the task of some parts, without notes."""
    return Task(
        name=name,
        group=group,
        revision=revision,
        query_set=ORIGINAL,
        queries=parts.queries,
        qrels=parts.qrels,
        excluded=parts.excluded,
        head_metric=HEAD_METRIC,
        prompt_fields=wording,
        corpus=parts.corpus,
        candidates=parts.candidates,
        aspects=parts.aspects,
    )


def _excluding_itself(parts: GroundParts) -> Mapping[str, frozenset[str]]:
    """Return the exclusions with each query's own id, unless that document is gold for it."""
    return {
        qid: parts.excluded.get(qid, frozenset()) | {qid}
        for qid, grades in parts.qrels.items()
        if grades.get(qid, 0) <= 0
    }


def _count_notes(ground: Ground, parts: GroundParts) -> list[str]:
    """Return how the data differ from what is written down, as sentences."""
    known = ground.counts
    pairs = sum(grade > 0 for grades in parts.qrels.values() for grade in grades.values())
    found = {
        "queries": (len(parts.queries), known.queries),
        "documents": (len(parts.corpus) if parts.corpus else known.documents, known.documents),
        "gold pairs": (pairs, known.gold_pairs),
    }
    version = f" at {ground.revision[:7]}" if ground.revision else ""
    return [
        f"{have:,} {label} where {ground.repository}{version} has {want:,}; results do not compare "
        "with published ones"
        for label, (have, want) in found.items()
        if want is not None and have != want
    ]


def _named(parts: GroundParts) -> dict[str, Iterable[str]]:
    """Return what names documents, and which."""
    lists = parts.candidates.items()
    return {
        "gold": (doc for grades in parts.qrels.values() for doc in grades),
        "excluded": (doc for ids in parts.excluded.values() for doc in ids),
        **{
            f"candidate ({name})": (doc for ids in by_query.values() for doc in ids)
            for name, by_query in lists
        },
    }


def _absent_notes(parts: GroundParts) -> list[str]:
    """Return a sentence for each kind of documents that the corpus should hold and does not."""
    if parts.corpus is None:
        return []
    notes = []
    for label, ids in _named(parts).items():
        absent = unknown_documents(parts.corpus, ids) if label != "excluded" else []
        if absent:
            notes.append(
                f"{len(absent):,} {label} documents are not in the corpus, such as {absent[0]!r}"
            )
    return notes


def _require_known(parts: GroundParts, corpus: Corpus, label: str) -> None:
    """Raise `BadInput` if judgements, exclusions or candidates name unknown documents."""
    for what, ids in _named(parts).items():
        absent = unknown_documents(corpus, ids)
        if absent:
            raise BadInput(
                f"{label} names {len(absent):,} {what} documents that the corpus lacks, such as "
                f"{absent[0]!r}",
                fix="Check that all of it is of one subset, split and revision.",
            )
