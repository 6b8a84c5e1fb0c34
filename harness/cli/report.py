"""`rebench report`: a Markdown report with figures on chosen entries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.options import DataOption, ResultsOption, command_line, settings_from

if TYPE_CHECKING:
    from harness.compare.comparison import Comparison
    from harness.compare.differences import ComparisonSettings
    from harness.compare.reproduce import Reproduction
    from results.store import ResultStore


def run(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE.md", help="Where to; absent folders are made."
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="Measured models, the first the baseline [default: all]."
        ),
    ] = None,
    tasks: shared.TasksChoice = "",
    metric: shared.MetricChoice = "",
    query_set: shared.QuerySetChoice = "",
    permutations: shared.PermutationsChoice = 0,
    seed: shared.SeedChoice = None,
    changes: Annotated[
        int, typer.Option("--changes", metavar="N", help="Queries shown for gains and losses.")
    ] = 5,
    texts: Annotated[
        bool, typer.Option("--texts", help="Show the texts of queries, where they are here.")
    ] = False,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Write a report: means, tested differences, where they lie, cost, published numbers.

    Every system is compared with the first that is named. Each number of the text is in the JSON
    file beside it.

    Example: rebench report reasonir-8b rader-gte-qwen2-7b --query-set gpt4 -o report
    """
    from harness.cli.console import print_text
    from harness.cli.leaderboard import model_facts
    from harness.compare.comparison import compare
    from harness.compare.differences import ComparisonSettings
    from harness.compare.selection import select_all, select_named
    from harness.reports.report_data import Report, facts_of
    from harness.reports.write import write_report
    from harness.stats.conventions import SEED

    settings = settings_from(results=results, data=data)
    start = SEED if seed is None else seed
    plan = ComparisonSettings(permutations=permutations, seed=start, changes=changes, pairs="first")
    store, entries = shared.opened(settings)
    shared.refuse_published(models or (), entries)
    named = shared.named_tasks(tasks, entries)
    wanted = shared.entry_filter(named, query_set)
    chosen = select_named(entries, models, wanted) if models else select_all(entries, wanted)
    library = shared.library_of(settings, store, entries, named)
    found = compare(chosen, shared.metric_name(metric), plan, library)
    known = model_facts(settings)
    report = Report(
        comparison=found,
        reproductions=_reproductions(found, store, plan),
        facts={system.label: facts_of(system, known) for system in found.systems},
        command=command_line(),
        version=_version(),
        texts=texts,
    )
    print_text("\n".join(map(str, write_report(report, output))))


def _reproductions(
    found: Comparison, store: ResultStore, plan: ComparisonSettings
) -> tuple[Reproduction, ...]:
    """Return each system held against its published rows, where there are any on its ground."""
    from harness.compare.reproduce import reproduce
    from harness.core.errors import NotComparable
    from results.published import load_published

    rows = load_published()
    reproductions = []
    for system in found.systems:
        own = tuple(row for row in rows if row.model == system.model)
        try:
            reproductions.append(reproduce(system, own, store, plan, found.metric))
        except NotComparable:
            continue
    return tuple(reproductions)


def _version() -> str:
    """Return the installed version of rebench."""
    from importlib.metadata import version

    return version("rebench")
