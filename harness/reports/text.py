"""The report as Markdown. Every number in it is in `content.report_json` of the same report."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from harness.compare.changes import TOP
from harness.compare.comparison import Comparison
from harness.compare.differences import verdict
from harness.leaderboard.cost import HEADS, NOTE, cost_cells
from harness.metrics.names import label, parse_metric
from harness.render import numbers
from harness.render.markdown import bullets, escape, fenced, figure, section, table
from harness.reports.commands import command_lines
from harness.reports.headroom import headroom_table
from harness.reports.report_data import Report
from harness.reports.sections import changes_lists, difference_tables, slice_tables
from harness.reports.sources import reproduction_sections
from results.systems import System

FIGURES = {
    "tasks": "heat map of systems by tasks",
    "differences": "forest plot of differences by task with intervals",
    "levels": "quality by wording of the query",
    "intensity": "quality by reasoning-intensity bin",
    "headroom": "points won, ranked too low and not retrieved",
    "cost": "quality against tokens through models for a query, and money where prices are known",
    "quality": "quality against documents per second and parameters",
}
"""Figure -> what it shows, in words."""


def report_text(report: Report, figures: Collection[str], folder: str) -> str:
    """Return the report; `figures` are the names that were drawn into `folder`."""
    found = report.comparison

    def shown(name: str) -> list[str]:
        return figure(name, folder, FIGURES[name]) if name in figures else []

    lines = [f"# {escape(_title(found))}", "", _subtitle(found), ""]
    lines += [line for text in _verdicts(found) for line in (text, "")]
    lines += section("Systems", _systems(report))
    if "tasks" in figures:
        lines += section("Tasks", shown("tasks"))
    if found.headline:
        lines += section("Differences", shown("differences"), *difference_tables(found))
        if found.slices:
            lines += section(
                "Where the difference lives",
                ["Nothing here is tested: parts show where to look, not what is proven."],
                *slice_tables(found),
            )
        if "levels" in figures:
            lines += section("Wordings", shown("levels"))
        lines += section("Reasoning intensity", *_intensity(found, shown("intensity")))
        if found.changes:
            lines += section("Largest changes", *changes_lists(found, texts=report.texts))
    if "headroom" in figures:
        lines += section("Where points go", shown("headroom"), headroom_table(report.lost))
    lines += section("Quality and cost", *_costs(report, shown("cost")))
    lines += section("Quality, speed and size", shown("quality") or [_no_speed(found)])
    if report.reproductions:
        lines += section("Measured and published", *reproduction_sections(report.reproductions))
    lines += section("How it was made", *_how(report))
    return "\n".join(lines).rstrip() + "\n"


def _title(found: Comparison) -> str:
    """Return the report's heading."""
    labels = [system.label for system in found.systems]
    return " against ".join(labels) if len(labels) <= 2 else f"{len(labels)} systems compared"


def _subtitle(found: Comparison) -> str:
    """Return what was measured, in one line."""
    first = found.systems[0].entries
    queries = sum(entry.task.n_queries for entry in first.values())
    tasks = found.tasks[0] if len(found.tasks) == 1 else f"{len(found.tasks)} tasks"
    metric = label(parse_metric(found.metric))
    noun = "query" if queries == 1 else "queries"
    return escape(f"{tasks} · {queries:,} {found.query_set} {noun} · {metric} × 100")


def _verdicts(found: Comparison) -> list[str]:
    """Return one sentence per pair."""
    return [f"**{escape(verdict(each, found.settings))}**" for each in found.headline]


def _systems(report: Report) -> list[str]:
    """Return the table of systems: mean, interval, and what is known besides."""
    found = report.comparison
    last = "" if len(found.tasks) > 1 else found.tasks[0]
    means = {each.system: each for each in found.means if each.task == last}
    rows = []
    for system in found.systems:
        facts, mean = report.facts[system.label], means[system.label]
        trained = {True: "yes", False: "no", None: numbers.DASH}[facts.trained_on_bright]
        speed = facts.documents_per_second
        rows.append(
            (
                system.label,
                numbers.points(mean.mean),
                numbers.interval(mean.interval),
                f"{facts.parameters:,}" if facts.parameters else numbers.DASH,
                f"{speed:,.1f}" if speed else numbers.DASH,
                facts.hardware or numbers.DASH,
                trained,
            )
        )
    heads = (
        "system", "mean", f"{numbers.percent(found.settings.level)} interval", "parameters",
        "documents/s", "hardware", "trained on BRIGHT",
    )  # fmt: skip
    return table(heads, rows)


def _intensity(found: Comparison, shown: list[str]) -> list[list[str]]:
    """Return the figure with what it means, or why there is none."""
    if not shown:
        return [
            [
                "No figure: BM25's ranks are not known here (that takes a stored BM25 run of the "
                "task or its documents), or all queries stand in one bin."
            ]
        ]
    told = (
        "A query needs the more reasoning, the less a lexical match explains of its gold: the "
        "rank that BM25 (BRIGHT's recipe, original wording) gives the best gold document."
    )
    if any(_is_bm25(system) for system in found.systems):
        told += " BM25's own values follow from its bins."
    return [[told], shown]


def _is_bm25(system: System) -> bool:
    """Tell whether a system is BM25 itself."""
    return any(entry.identity.get("retriever") == "bm25" for entry in system.entries.values())


def _costs(report: Report, shown: list[str]) -> list[list[str]]:
    """Return the figure and the table of work, or why there is none."""
    systems = report.costs
    if all(each.work is None for each in systems):
        return [["Nothing is known of the work behind these systems: run files do not tell it."]]
    told = [f"{NOTE} All but the documents' tokens are means for a query."]
    kept = [
        f"{escape(each.name)}: {', '.join(each.work.kept)}"
        for each in systems
        if each.work is not None and each.work.kept
    ]
    if kept:
        told.append(
            "Seconds are not compared: some of the work was read from a store when it was measured "
            f"({'; '.join(kept)})."
        )
    return [*([shown] if shown else []), table(HEADS, cost_cells(systems)), told]


def _no_speed(found: Comparison) -> str:
    """Return why there is no figure of quality against speed and size."""
    if len(found.systems) < 2:
        return "One system alone makes no picture of quality against speed."
    return (
        "No figure: neither the speed nor the number of parameters is known of two systems or "
        "more. Runs that were scored from a file say nothing of speed."
    )


def _how(report: Report) -> list[list[str]]:
    """Return versions, seeds and commands: all that is needed to make the report again."""
    found, plan = report.comparison, report.comparison.settings
    facts = [f"rebench {report.version}; seed {plan.seed}"]
    facts.append(
        f"{numbers.percent(plan.level)} intervals: BCa bootstrap over queries within tasks, "
        f"{plan.resamples:,} resamples"
    )
    if found.headline:
        facts += _tested(found)
    for system in found.systems:
        missing = sum(len(entry.missing_queries) for entry in system.entries.values())
        if missing:
            facts.append(f"{system.label}: {missing} queries without a ranking, counted as 0")
    commands = [
        (task, entry.command)
        for system in found.systems
        for task, entry in system.entries.items()
        if entry.command  # an object that was evaluated from Python has none
    ]
    lines = [*command_lines(commands), shlex.join(report.command)]
    return [
        bullets([*facts, *found.notes]),
        ["Commands that measured the entries, and the one that made this report:"],
        fenced(lines),
    ]


def _tested(found: Comparison) -> list[str]:
    """Return how differences were tested."""
    plan = found.settings
    drawn = f" with {found.permutations:,} permutations" if found.permutations else ""
    correction = "Tukey's, then Bonferroni's over tasks" if plan.test == "tukey" else "Holm's"
    tests = "test" if found.tests == 1 else "tests"
    strata = "; the mean over tasks is tested stratified by task" if len(found.tasks) > 1 else ""
    return [
        f"test: {plan.test}, paired, two-sided{drawn}{strata}",
        f"p are corrected over the {found.tests} {tests} shown ({correction} correction)",
        f"detectable: the smallest true difference that the test sees in "
        f"{numbers.percent(plan.power)} of cases at p ≤ {plan.alpha:g}, before correction",
        "effect: Cohen's d of the differences by query"
        + ("; over tasks, with the mean of the tasks' variances" if len(found.tasks) > 1 else ""),
        f"the first {TOP} documents of each system are shown for the largest changes",
    ]
