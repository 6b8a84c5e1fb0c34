"""Compare measured systems, report on them, and hold them against published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.session import Session, open_session
from harness.api.tables import TableResult
from harness.compare.comparison import Comparison, selected_head_metric
from harness.compare.comparison import compare as compare_selected
from harness.compare.differences import ComparisonSettings, Difference, verdict
from harness.compare.reproduce import Reproduction, published_as
from harness.compare.reproduce import reproduce as reproduce_system
from harness.compare.selection import EntryFilter, named_tasks, select_all, select_named
from harness.compare.task_context import TaskContextLoader
from harness.core.distribution import installed_version
from harness.core.errors import BadInput, NotComparable, StoreError
from harness.core.paths import check_folder
from harness.core.protocols import Reporter
from harness.data.local_tasks import DataLocations
from harness.stats.conventions import SEED
from results.schema import Entry
from results.systems import split_name

if TYPE_CHECKING:
    from harness.compare.selection import SelectedSystems


@dataclass(frozen=True, slots=True)
class ComparisonResult(TableResult):
    """Tested differences of systems; every value is a fraction of 1."""

    comparison: Comparison

    @property
    def overall(self) -> tuple[Difference, ...]:
        """One difference per pair, over all tasks; `p_corrected` is corrected over all tests."""
        return self.comparison.headline

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One sentence or two per pair."""
        return tuple(verdict(each, self.comparison.settings) for each in self.overall)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per pair and task, then one per pair for the mean over several tasks."""
        found = self.comparison
        scoped = [(task, each) for task in found.tasks for each in found.by_task[task]]
        scoped += [("", each) for each in found.overall]
        return [
            {
                "a": each.a,
                "b": each.b,
                "task": task or f"mean of {len(found.tasks)} tasks",
                "queries": each.queries,
                "mean a": each.mean_a,
                "mean b": each.mean_b,
                "difference": each.delta,
                "low": each.interval.low if each.interval else None,
                "high": each.interval.high if each.interval else None,
                "p": each.p,
                "corrected p": each.p_corrected,
            }
            for task, each in scoped
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as `compare --json` prints it."""
        from harness.compare.as_json import comparison_json

        return comparison_json(self.comparison)

    def markdown(self) -> str:
        """Return the verdicts, and a table per pair in points of 100."""
        from harness.render.markdown import escape
        from harness.reports.sections import difference_tables

        lines = [line for text in self.verdicts for line in (f"**{escape(text)}**", "")]
        for block in difference_tables(self.comparison):
            lines += [*block, ""]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class ReproductionResult(TableResult):
    """A system's measured means beside published ones."""

    reproduction: Reproduction

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per source and task."""
        return [
            {
                "source": source.source,
                "task": line.task or "mean",
                "measured": line.measured,
                "low": line.interval.low if line.interval else None,
                "high": line.interval.high if line.interval else None,
                "published": line.published,
                "difference": line.difference,
                "inside": line.inside,
            }
            for source in self.reproduction.sources
            for line in source.lines
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `reproduce --json` prints it."""
        from harness.compare.as_json import reproduction_json

        return reproduction_json(self.reproduction)


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The files of a report, the Markdown first, and the comparison it is about."""

    paths: tuple[Path, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class _Measured:
    """The entries of a store, what to compare on, and where tasks are read from."""

    session: Session
    entries: tuple[Entry, ...]
    only: EntryFilter
    contexts: TaskContextLoader


def compare(
    *systems: str,
    tasks: str = "",
    metric: str = "",
    query_set: str = "",
    fold: int | None = None,
    settings: ComparisonSettings | None = None,
    results: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> ComparisonResult:
    """Compare two measured systems or more: paired tests, intervals, and where they differ.

    A system is a model's name, or a label of the leaderboard. `tasks` are names of tasks and
    groups, `hub:ORG/NAME`, or folders, with commas between them (empty: the group that is shared
    most); `metric` is instead of the tasks' head metric, `fold` takes the queries of one fold of
    five (0 to 4). Raises `NotComparable` for systems that
    were evaluated on different data, `UnknownName`, `BadInput` or `StoreError`.
    """
    if len(systems) < 2:
        named = f"only {systems[0]!r} is named" if systems else "no system is named"
        raise BadInput(
            f"{named}, and one system has nothing to be compared with",
            fix="Name two or more; `rebench leaderboard --measured` lists them.",
        )
    session = open_session(results=results, data=data, progress=progress)
    measured = _measured(session, tasks, query_set, fold)
    _refuse_published(systems, measured.entries)
    selected = select_named(measured.entries, systems, measured.only)
    return ComparisonResult(
        compare_selected(
            selected, _metric(metric), settings or ComparisonSettings(), measured.contexts
        )
    )


def report(
    output: str | Path,
    *systems: str,
    tasks: str = "",
    metric: str = "",
    query_set: str = "",
    settings: ComparisonSettings | None = None,
    texts: bool = False,
    command: tuple[str, ...] = (),
    results: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> ReportFiles:
    """Write a Markdown report with figures on systems (none: all), compared with the first.

    `output` is a folder or a file ending in `.md`. `texts` shows the texts of queries that are
    here. A report that is there and was not written whole, or was changed since, is named before
    it is replaced. Raises what `compare` raises.
    """
    from harness.api.boards import model_facts
    from harness.derived import EntryReader
    from harness.reports.headroom import lost_by_system
    from harness.reports.report_data import Report, facts_of
    from harness.reports.write import report_problems, write_report

    if Path(output).suffix != ".md":
        check_folder(Path(output))
    session = open_session(results=results, data=data, progress=progress)
    measured = _measured(session, tasks, query_set)
    _refuse_published(systems, measured.entries)
    selected = _selected(systems, measured)
    plan = settings or ComparisonSettings(pairs="first")
    comparison = compare_selected(selected, _metric(metric), plan, measured.contexts)
    known = model_facts()
    content = Report(
        comparison=comparison,
        reproductions=_reproductions(comparison, session),
        facts={system.label: facts_of(system, known) for system in comparison.systems},
        command=command,
        version=installed_version(),
        texts=texts,
        lost=lost_by_system(comparison, EntryReader(session.store)),
    )
    for problem in report_problems(Path(output)):
        session.reporter.warn(f"{problem.message}: the report is written anew")
    return ReportFiles(write_report(content, Path(output)), comparison)


def check_report(output: str | Path) -> tuple[StoreError, ...]:
    """Return an error for each file of a written report that does not fit its manifest.

    `output` is what `report` was given. Raises `BadInput` where no report was written.
    """
    from harness.reports.write import REPORT, report_problems

    path = Path(output)
    if not (path if path.suffix == ".md" else path / REPORT).is_file():
        raise BadInput(f"no report at {path}", fix="Name the folder or the .md file of a report.")
    return report_problems(path)


def reproduce(
    system: str,
    *,
    published_name: str = "",
    tasks: str = "",
    metric: str = "",
    query_set: str = "",
    seed: int = SEED,
    results: str | Path | None = None,
    progress: Reporter | None = None,
) -> ReproductionResult:
    """Compare a system's measured means with the numbers published for its model.

    `published_name` is the name it was published under, if that is another. Raises
    `NotComparable` if no published number is on the same data, `UnknownName` for a model that
    was never published.
    """
    from results.published import load_published

    session = open_session(results=results, progress=progress)
    measured = _measured(session, tasks, query_set)
    _refuse_published([system], measured.entries)
    selected = select_named(measured.entries, [system], measured.only)
    chosen = selected.systems[0]
    rows = published_as(published_name or chosen.model, load_published())
    return ReproductionResult(
        reproduce_system(
            chosen,
            rows,
            session.store,
            ComparisonSettings(seed=seed),
            _metric(metric) or selected_head_metric(selected),
        )
    )


def _selected(systems: Sequence[str], measured: _Measured) -> SelectedSystems:
    if systems:
        return select_named(measured.entries, systems, measured.only)
    return select_all(measured.entries, measured.only)


def _measured(session: Session, tasks: str, query_set: str, fold: int | None = None) -> _Measured:
    entries = session.entries()
    named = named_tasks(tasks, entries)
    locations = DataLocations(session.settings.data_dir, named.folders)
    contexts = TaskContextLoader(session.store, entries, locations, session.reporter, fold)
    return _Measured(session, entries, named.only(query_set), contexts)


def _refuse_published(names: Sequence[str], entries: Sequence[Entry]) -> None:
    """Raise `NotComparable` for a model that was published but never measured here.

    A label of a published row (`bm25 (anserini)`) counts as its model's name.
    """
    from results.published import load_published

    measured = {entry.model for entry in entries}
    published = {row.model for row in load_published()}
    for name in names:
        model, _ = split_name(name, published)
        if model in published and split_name(name, measured)[0] not in measured:
            raise NotComparable(
                f"{name!r} was published but not measured, and published numbers have no "
                "per-query values to test",
                fix=f"Measure it with `rebench eval --model {model}`, or see it beside others with "
                "`rebench leaderboard`.",
            )


def _reproductions(comparison: Comparison, session: Session) -> tuple[Reproduction, ...]:
    """Return each system beside its published rows, if there are any on the same data."""
    from results.published import load_published

    rows = load_published()
    reproductions = []
    for system in comparison.systems:
        of_model = tuple(row for row in rows if row.model == system.model)
        try:
            reproductions.append(
                reproduce_system(
                    system, of_model, session.store, comparison.settings, comparison.metric
                )
            )
        except NotComparable:
            continue
    return tuple(reproductions)


def _metric(text: str) -> str:
    """Return the one name of a metric, empty for none; raises `UnknownName`."""
    from harness.metrics.names import parse_metric

    return str(parse_metric(text)) if text else ""
