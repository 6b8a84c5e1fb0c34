"""Bundles out of a store and into one: what comes in is scored again before it is believed.

The re-scoring shows that the numbers follow from the run and the judgements. It cannot show that
the named model made the run; `ON_TRUST` lists what else nobody can work out again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from harness.core.errors import BadInput, DataUnavailable, RebenchError
from harness.core.hashing import sha256_text, task_fingerprint
from harness.core.types import Run, Task
from harness.data import embedded
from harness.data.registry import known_facts
from harness.data.trec import check_run, read_run, write_run
from harness.evaluate import describe_task, verify_all
from results.bundle import (
    SUFFIX,
    Bundle,
    make_bundle,
    marked,
    read_bundle,
    unmarked,
)
from results.imported import (
    UNVERIFIED,
    ImportedRow,
    imported_path,
    load_imported,
    save_imported,
)
from results.judgements import judgements_path, load_judgements, save_judgements
from results.schema import Entry, TaskFacts
from results.store import ResultStore, safe_name
from results.systems import configuration_hash

Status: TypeAlias = Literal["verified", "second result", "already here", "unverified", "refused"]

ON_TRUST = (
    "model", "identity", "k", "timings", "facts", "environment", "command", "created",
)  # fmt: skip
"""Parts of an entry that do not follow from its run: an import takes them as they are.

So are the fingerprints of queries and documents, if the task's texts are not at hand.
"""

UNKNOWN_GOLD = "unknown"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one bundle: `entry` as it was read, `None` if it was refused before."""

    file: str
    status: Status
    detail: str = ""
    entry: Entry | None = None


def bundle_of(store: ResultStore, entry: Entry) -> Bundle:
    """Return the bundle of a stored entry; raises `StoreError` for damaged files."""
    store.run_text(entry)
    run_text = write_run(read_run(store.run_path(entry)), entry.model)
    return make_bundle(unmarked(entry), store.per_query(entry), run_text)


def file_name(bundle: Bundle) -> str:
    """Return what a bundle's file is called: for people to read, and unique by its digest."""
    entry = bundle.entry
    parts = (entry.model, entry.task.name, entry.task.query_set)
    words = [safe_name(part)[:60] for part in parts]
    return ".".join((*words, bundle.digest[:12])) + SUFFIX


class Judgements:
    """The judgements at hand: of the embedded tasks, and those kept in a results folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._embedded: dict[str, Task | None] = {}

    def of(self, facts: TaskFacts) -> Task | None:
        """Return the task that an entry was scored on, `None` if its judgements are not here.

        An embedded task comes with its documents. Raises `StoreError` for damaged judgements.
        """
        if facts.name in embedded.TASKS:
            task = self._load_embedded(facts.name)
            if task is not None and task_fingerprint(task) == facts.fingerprint:
                return task
        if judgements_path(self._root, facts.fingerprint).is_file():
            return load_judgements(self._root, facts.fingerprint)
        return None

    def _load_embedded(self, name: str) -> Task | None:
        """Return an embedded task, `None` if this Python lacks its documents."""
        if name not in self._embedded:
            try:
                self._embedded[name] = embedded.TASKS[name].load()
            except DataUnavailable:
                self._embedded[name] = None
        return self._embedded[name]


def differences(bundle: Bundle, task: Task) -> str:
    """Return what of a bundle does not follow from its run and the judgements; empty if all does.

    Every metric, query value, missing query and fact of the task is worked out again.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(Path(folder))
        save_judgements(store.root, task)
        entry = store.save(bundle.entry, bundle.per_query, bundle.run_text)
        verdict = next(verify_all(store, [entry]))
        if verdict.status != "match":
            named = f" ({', '.join(verdict.metrics[:3])})" if verdict.metrics else ""
            return verdict.detail.replace(f"{folder}/", "") + named
        run = read_run(store.run_path(entry))
    return "; ".join((*_wrong_run(bundle, run, task), *_wrong_facts(entry.task, task)))


def _wrong_run(bundle: Bundle, run: Run, task: Task) -> Iterator[str]:
    """Yield what is wrong with a run whose numbers are right."""
    entry = bundle.entry
    if write_run(run, entry.model) != bundle.run_text:
        yield "the run is not written as rebench writes runs"
    deepest = max(map(len, run.rankings.values()), default=0)
    if deepest > entry.k:
        yield f"the run ranks {deepest} documents, more than its depth k={entry.k}"
    says = entry.identity.get("external_run")
    if says is not None and says != sha256_text(bundle.run_text):
        yield "identity.external_run is not the hash of the run"
    try:
        check_run(run, task)
    except BadInput as error:
        yield error.message


def _wrong_facts(says: TaskFacts, task: Task) -> Iterator[str]:
    """Yield what an entry says wrongly of its task, as far as the task is known here."""
    right: dict[str, object] = dict(known_facts(says.name, says.revision))
    if task.corpus is not None:
        whole = describe_task(task)
        names = ["revision", "n_documents", "corpus_fingerprint", "notes"]
        if says.query_set == whole.query_set:
            names.append("queries_fingerprint")
        right |= {name: getattr(whole, name) for name in names}
    for name, fact in right.items():
        found = getattr(says, name)
        if found not in (fact, None):
            yield f"{name} is {found!r}, should be {fact!r}"


class BundleImport:
    """Takes bundles into a store, one after the other."""

    def __init__(self, store: ResultStore, judgements: Judgements) -> None:
        self._store = store
        self._judgements = judgements
        self._known: dict[str, list[Entry]] = {}
        for entry in store.entries().entries:
            self._remember(entry)

    def take(self, path: Path) -> Arrival:
        """Read a bundle, score its run again, and keep it if its numbers follow.

        Raises `StoreError` where the store cannot be written; what is wrong with the bundle is
        in the answer.
        """
        try:
            bundle = read_bundle(path)
        except RebenchError as error:
            return Arrival(str(path), "refused", error.message.removeprefix(f"{path}: "))
        entry = bundle.entry
        task = self._judgements.of(entry.task)
        if task is None:
            return self._keep_unverified(bundle, path)
        wrong = differences(bundle, task)
        if wrong:
            return Arrival(str(path), "refused", f"scored again, it differs: {wrong}", entry)
        return self._keep(bundle, task, path)

    def _keep(self, bundle: Bundle, task: Task, path: Path) -> Arrival:
        """Store a verified bundle, unless its result is here already."""
        entry = bundle.entry
        others = self._known.get(entry.identity_hash, [])
        for other in others:
            if other.model == entry.model and self._same_run(other, bundle):
                return Arrival(str(path), "already here", "", entry)
        result = 1 + len(others)
        self._store.check_writable(entry.model, entry.task.name)
        save_judgements(self._store.root, task)
        stored = self._store.save(marked(bundle, result), bundle.per_query, bundle.run_text)
        self._remember(stored)
        self._forget_unverified(entry)
        if result == 1:
            return Arrival(str(path), "verified", "", entry)
        named = ", ".join(dict.fromkeys(other.model for other in others))
        detail = f"its identity already has a result, of {named}; both are shown, this as {result}"
        return Arrival(str(path), "second result", detail, entry)

    def _remember(self, entry: Entry) -> None:
        self._known.setdefault(unmarked(entry).identity_hash, []).append(entry)

    def _same_run(self, other: Entry, bundle: Bundle) -> bool:
        return bundle_of(self._store, other).run_text == bundle.run_text

    def _keep_unverified(self, bundle: Bundle, path: Path) -> Arrival:
        """Keep the means of a bundle that nobody here can score again: shown, never ranked."""
        row = _unverified_row(bundle.entry)
        task = bundle.entry.task
        same = self._unverified_like(row)
        if any(other.metrics.get(task.name) == row.metrics[task.name] for other in same):
            return Arrival(str(path), "already here", UNVERIFIED, bundle.entry)
        free = next((other for other in same if task.name not in other.metrics), None)
        detail = f"no judgements of {task.name} ({task.fingerprint[:24]}…) here"
        if free is not None:
            row = replace(free, metrics={**free.metrics, **row.metrics})
        elif same:
            row = replace(row, revision=f"{row.revision}{_NUMBER}{len(same) + 1}")
            detail += "; another result has its identity, and both are shown"
        save_imported(self._store.root, row)
        return Arrival(str(path), "unverified", detail, bundle.entry)

    def _unverified_like(self, row: ImportedRow) -> list[ImportedRow]:
        """Return the rows of the same system that are kept unverified."""
        return [
            other
            for other in load_imported(self._store.root).rows
            if other.layout == UNVERIFIED and _system(other) == _system(row)
        ]

    def _forget_unverified(self, entry: Entry) -> None:
        """Drop what was kept of an entry before its judgements came."""
        fresh, task = _unverified_row(entry), entry.task.name
        for row in self._unverified_like(fresh):
            if row.metrics.get(task) == fresh.metrics[task]:
                rest = {name: each for name, each in row.metrics.items() if name != task}
                if rest:
                    save_imported(self._store.root, replace(row, metrics=rest))
                else:
                    imported_path(self._store.root, row).unlink(missing_ok=True)


_NUMBER = "-"
"""Stands between a configuration's digits and the number of a further result under it."""


def _unverified_row(entry: Entry) -> ImportedRow:
    """Return an entry's means as a row that is shown and never tested."""
    task = entry.task
    return ImportedRow(
        model=entry.model,
        revision=configuration_hash(entry)[:8],
        layout=UNVERIFIED,
        group=task.group or task.name,
        query_set=task.query_set,
        gold=UNKNOWN_GOLD,
        head_metric=task.head_metric,
        metrics={task.name: dict(entry.metrics)},
        dataset_revision=task.revision,
        protocol="as the bundle says: its judgements are not here, so nothing was scored again",
        date=entry.created,
        files=(),
        imported=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _system(row: ImportedRow) -> tuple[str, ...]:
    return (row.model, row.revision.partition(_NUMBER)[0], row.group, row.query_set)
