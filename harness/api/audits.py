"""Audits: of a training file, of rewritten queries, and of a run; counts, never a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache as load_once
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.session import Session, open_session
from harness.api.tables import TableResult

if TYPE_CHECKING:
    from harness.core.protocols import Reporter
    from harness.core.types import Task
    from harness.pipelines.permutation import ChanceMeasure
    from remixer.audit.run import Audit

SAMPLE = 300
SEED = 42


@dataclass(frozen=True, slots=True)
class AuditResult(TableResult):
    """All measures of an audit by task, and the limits that are exceeded."""

    audit: Audit

    @property
    def violations(self) -> tuple[str, ...]:
        """One sentence per limit that is exceeded."""
        from remixer.audit.report import violation_lines

        return tuple(violation_lines(self.audit))

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per measure; tasks are columns."""
        from remixer.audit.report import columns, measure_rows

        return measure_rows(self.audit, columns(self.audit))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `remix audit --json` prints it."""
        from remixer.audit.report import audit_json

        return audit_json(self.audit)

    def report(self, notes: Sequence[str] = ()) -> str:
        """Return the Markdown report, with paragraphs `notes` at its top."""
        from remixer.audit.report import render_audit

        return render_audit(self.audit, notes)


@dataclass(frozen=True, slots=True)
class MeasuresResult(TableResult):
    """The measures of an audit, each beside its chance level where it has one."""

    measures: tuple[ChanceMeasure, ...]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per measure."""
        from dataclasses import asdict

        return [asdict(measure) for measure in self.measures]

    def to_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"measures": list(self.rows())}


def audit_queries(
    file: str | Path,
    task: str,
    *,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> MeasuresResult:
    """Hold rewritten queries against the answers they may know, and against other queries'.

    `file` holds `.jsonl` rows, an array of rows, or `{original text: rewrite}`. Raises `BadInput`.
    """
    from harness.data.query_sets import read_rewrites
    from harness.data.registry import TaskOptions, load_task
    from harness.pipelines.answers import known_of
    from harness.pipelines.audit_queries import audit_queries as measures

    session = open_session(data=data, progress=progress)
    folder = session.settings.data_dir
    loaded = load_task(task, TaskOptions(folder, with_corpus=False), session.reporter)
    rewrites = read_rewrites(loaded, Path(file))
    return MeasuresResult(tuple(measures(loaded, rewrites, known_of(loaded, folder))))


def audit_run(
    run: str | Path,
    task: str,
    *,
    query_set: str = "",
    results: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> MeasuresResult:
    """Tell how far a run is from a list that never read the query, and what is odd about it.

    `run` is a run file or the name of a measured system. Raises `BadInput` or `UnknownName`.
    """
    from harness.compare.selection import named_tasks, select_named
    from harness.data.bright_tasks import TASKS
    from harness.data.registry import TaskOptions, load_task
    from harness.data.trec import read_run
    from harness.derived import EntryReader
    from harness.pipelines.audit_run import audit_run as measures

    session = open_session(results=results, data=data, progress=progress)
    if Path(run).is_file():
        options = TaskOptions(session.settings.data_dir, with_corpus=task not in TASKS)
        loaded = load_task(task, options, session.reporter)
        return MeasuresResult(tuple(measures(read_run(Path(run)), loaded)))
    entries = session.entries()
    only = named_tasks(task, entries).only(query_set)
    entry = select_named(entries, [str(run)], only).systems[0].entries[only.tasks[0]]
    reader = EntryReader(session.store)
    return MeasuresResult(tuple(measures(reader.run(entry), reader.judgements(entry))))


def audit_rows(
    file: str | Path,
    *,
    tasks: Sequence[str] = (),
    corpus: str | Path | None = None,
    embedder: str = "",
    sample: int = SAMPLE,
    seed: int = SEED,
    limits: Sequence[str] = (),
    data: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Reporter | None = None,
) -> AuditResult:
    """Audit a training file, or a folder of them: triviality, contamination, false negatives, ….

    Rows are compared with `tasks`; `corpus` is a folder with the documents that rows were made
    from, `embedder` a model that also looks for false negatives, `sample` how many rows a task
    are ranked (0: all). `limits` are `MEASURE=SHARE`. Raises `BadInput` for a file that cannot
    be read or an unknown measure.
    """
    from harness.api.named_models import scorer_for
    from remixer.audit.measures import parse_limits, with_limits
    from remixer.audit.run import AuditTools, audit
    from remixer.audit.scan import AuditSampling

    session = open_session(data=data, cache=cache, progress=progress)
    loaders = _loaders(tasks, None if corpus is None else Path(corpus), session)
    documents = loaders[-1] if corpus is not None else None
    scorer = scorer_for("embedding", embedder, session.settings) if embedder else None
    tools = AuditTools(session.reporter, loaders, scorer, documents)
    sampling = AuditSampling(rows=sample, seed=seed)
    return AuditResult(audit(Path(file), tools, sampling, with_limits(parse_limits(limits))))


def _loaders(
    tasks: Sequence[str], corpus: Path | None, session: Session
) -> list[Callable[[], Task]]:
    """Return a loader for each task; a single task is loaded once and kept."""
    from harness.data.registry import resolve_tasks
    from remixer.corpus import folder_task

    names = resolve_tasks(",".join(tasks)) if tasks else ()
    loaders = [_task_loader(name, session) for name in names]
    if corpus is not None:
        folder = corpus
        loaders.append(lambda: folder_task(folder, session.reporter))
    return [load_once(loaders[0])] if len(loaders) == 1 else loaders


def _task_loader(name: str, session: Session) -> Callable[[], Task]:
    """Return a loader of a task; without its documents if they are not available."""
    from harness.core.errors import DataUnavailable
    from harness.data.registry import TaskOptions, load_task

    data = session.settings.data_dir

    def load() -> Task:
        try:
            return load_task(name, TaskOptions(data_dir=data), session.reporter)
        except DataUnavailable as error:
            options = TaskOptions(data_dir=data, with_corpus=False)
            task = load_task(name, options, session.reporter)
            session.reporter.warn(f"{name} is compared without its documents: {error.message}")
            return task

    return load
