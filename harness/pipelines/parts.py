"""The parts of a fusion: stored entries by name, or run files, on common ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.compare.comparability import NO_TEXTS, check_comparable
from harness.compare.selection import EntryFilter, select_named
from harness.core.errors import BadInput
from harness.core.hashing import sha256_text
from harness.core.protocols import Reporter
from harness.core.types import Run, Task
from harness.data.candidates import candidate_run
from harness.data.run_formats import is_run_folder
from harness.data.trec import read_run, write_run
from harness.derived import EntryReader
from harness.evaluate import EvalConfig, score_external, score_given
from harness.metrics.names import parse_metric
from harness.metrics.score import score
from results.schema import Entry, TaskFacts
from results.systems import System

TASK_FIELD = "{task}"
"""Stands in the path of a run file for the task's name, so that one path names a whole system."""

CANDIDATES = "candidates"
"""Names a task's own candidate lists as a part: `candidates:NAME`, or alone where there is one."""

SUFFIXES = (".json", ".jsonl", ".trec", ".run", ".txt", ".score")
"""Taken off a run file's name to get its system's."""


@dataclass(frozen=True, slots=True)
class Part:
    """One system to be fused: its entry by task.

    For a part of run files, `files` holds the path and `judged` the judgements of each task; for
    one of candidate lists `lists` holds the runs.
    """

    system: System
    files: Mapping[str, Path] = field(default_factory=dict)
    judged: Mapping[str, Task] = field(default_factory=dict)
    lists: Mapping[str, Run] = field(default_factory=dict)

    @property
    def is_stored(self) -> bool:
        """Tell whether the part is a measured system."""
        return not self.files and not self.lists

    @property
    def label(self) -> str:
        """What the part is called."""
        return self.system.label

    @property
    def name(self) -> str:
        """The system's full name: with its configuration where it is stored."""
        return self.system.name if self.is_stored else self.system.model

    def run_hash(self, task: str, run: Run) -> str:
        """Return the SHA-256 of the part's run on a task, as TREC lines."""
        stored = self.system.entries[task].files
        return stored.run_sha256 if stored else sha256_text(write_run(run, self.system.model))

    def run(self, task: str, reader: EntryReader) -> Run:
        """Return the part's run on a task."""
        if task in self.lists:
            return self.lists[task]
        if task in self.files:
            return read_run(self.files[task])
        return reader.run(self.system.entries[task])


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts on common ground, cut to the tasks that all of them have, and notes on the rest."""

    parts: tuple[Part, ...]
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def judgements(self, task: str, reader: EntryReader) -> Task:
        """Return the judgements of a task: those of a stored part, or as they were loaded."""
        for part in self.parts:
            if task in part.judged:
                return part.judged[task]
        return reader.judgements(self.parts[0].system.entries[task])

    def values(
        self, part: Part, task: str, metric: str, reader: EntryReader
    ) -> Mapping[str, float]:
        """Return a part's values by query id."""
        if part.is_stored:
            return reader.values(part.system.entries[task], metric)
        judged = self.judgements(task, reader)
        wanted = [parse_metric(metric)]
        scores = score(part.run(task, reader), judged.qrels, wanted, judged.aspects)
        return scores.per_query[metric]

    def facts(self, task: str) -> TaskFacts:
        """Return what the fused run stands on: the facts of the part that knows most."""
        every = [part.system.entries[task].task for part in self.parts]
        return max(
            every,
            key=lambda facts: (
                facts.corpus_fingerprint is not None,
                facts.queries_fingerprint != NO_TEXTS,
            ),
        )


@dataclass(frozen=True, slots=True)
class PartSource:
    """Where parts are looked for.

    `load_task` loads a task without documents for run files, where no stored entry has its
    judgements; `query_set` is the one that run files were made with.
    """

    entries: Sequence[Entry]
    reader: EntryReader
    load_task: Callable[[str], Task]
    reporter: Reporter
    query_set: str = ""


def is_run_file(name: str) -> bool:
    """Tell whether a part is named by a path: with `{task}` in it, or of a run that exists."""
    return TASK_FIELD in name or Path(name).is_file() or is_run_folder(Path(name))


def is_candidates(name: str) -> bool:
    """Tell whether a part is a task's own candidate lists."""
    return name.partition(":")[0] == CANDIDATES


def find_parts(
    names: Sequence[str], only: EntryFilter, source: PartSource, *, least: int = 2
) -> Parts:
    """Return the parts that names stand for, `least` or more, checked to stand on the same ground.

    A name is that of a measured system, a run file (then a single task must be named), the path of
    several with `{task}` in it, or `candidates:NAME` for a task's own lists. Raises `UnknownName`,
    `BadInput` and `NotComparable`.
    """
    if len(names) < least:
        raise BadInput("one run has nothing to be fused with", fix="Name two or more.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"{twice[0]!r} is named twice", fix="Name different runs.")
    stored_names = [name for name in names if not is_run_file(name) and not is_candidates(name)]
    notes: tuple[str, ...] = ()
    tasks = only.tasks
    stored: dict[str, System] = {}
    if stored_names:
        chosen = select_named(source.entries, stored_names, only)
        stored = dict(zip(stored_names, chosen.systems, strict=True))
        tasks, notes = chosen.tasks, chosen.notes
    grounds = {
        task: next((system.entries[task] for system in stored.values()), None) for task in tasks
    }
    if len(stored) < len(names):
        _check_tasks(names, tasks)
    judged: dict[str, Task] = {}
    parts = tuple(
        Part(stored[name])
        if name in stored
        else (_from_lists if is_candidates(name) else _from_files)(name, grounds, source, judged)
        for name in names
    )
    check_comparable([part.system for part in parts], tasks, source.reader.store.root)
    return Parts(parts, tasks, notes)


def _check_tasks(names: Sequence[str], tasks: Sequence[str]) -> None:
    """Raise `BadInput` unless each run file can stand for the tasks."""
    if not tasks:
        raise BadInput("a run file or list does not say its task", fix="Name it with --tasks.")
    for name in names:
        if is_run_file(name) and TASK_FIELD not in name and len(tasks) > 1:
            raise BadInput(
                f"{name} is the run of one task, and {len(tasks)} are named",
                fix=f"Name one task, or write the path with {TASK_FIELD} for the task's name.",
            )


def _from_files(
    name: str, grounds: Mapping[str, Entry | None], source: PartSource, judged: dict[str, Task]
) -> Part:
    """Return a part of run files, each scored on its task without being stored.

    Tasks that are not in `judged` yet are loaded into it.
    """
    label = _label(name)
    entries: dict[str, Entry] = {}
    files: dict[str, Path] = {}
    for task, ground in grounds.items():
        path = files[task] = Path(name.replace(TASK_FIELD, task))
        if task not in judged:
            judged[task] = _task(task, ground, source)
        entries[task] = score_external(
            path, label, judged[task], None, EvalConfig(), source.reporter
        ).entry
    return Part(System(label, label, "", entries), files, judged)


def _from_lists(
    name: str, grounds: Mapping[str, Entry | None], source: PartSource, judged: dict[str, Task]
) -> Part:
    """Return a part of candidate lists, each scored on its task without being stored."""
    entries: dict[str, Entry] = {}
    lists: dict[str, Run] = {}
    for task, ground in grounds.items():
        loaded = source.load_task(task)
        lists[task] = candidate_run(loaded, name.partition(":")[2])
        if task not in judged:
            judged[task] = _task(task, ground, source)
        entries[task] = score_given(lists[task], name, judged[task], None, EvalConfig()).entry
    return Part(System(name, name, "", entries), judged=judged, lists=lists)


def _task(name: str, ground: Entry | None, source: PartSource) -> Task:
    """Return a task to score a run file on: the judgements of a stored part, else loaded."""
    if ground is None:
        loaded = source.load_task(name)
        return replace(loaded, query_set=source.query_set or loaded.query_set, queries=())
    facts = ground.task
    return replace(
        source.reader.judgements(ground),
        group=facts.group,
        revision=facts.revision,
        query_set=source.query_set or facts.query_set,
    )


def _label(name: str) -> str:
    """Return what a system of run files is called: the folder above `{task}`, or the file."""
    path = Path(name)
    if TASK_FIELD in path.name:
        own = path.name.replace(TASK_FIELD, "").removesuffix(".gz")
        own = _bare(own).strip("-_. ")
        return own or path.parent.name or "runs"
    return _bare(path.name.removesuffix(".gz")) or "run"


def _bare(name: str) -> str:
    """Return a file's name without the suffixes of run files."""
    while name.endswith(SUFFIXES):
        name = name.rpartition(".")[0]
    return name
