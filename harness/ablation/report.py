"""The Markdown report of an ablation, its data and its figures, written to disk."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.ablation.figures import alt_text, draw
from harness.ablation.findings import (
    cautions,
    findings,
    p_text,
    scope_title,
    seeds_line,
    variance_line,
)
from harness.ablation.method import method
from harness.ablation.plan import TrainingRun
from harness.ablation.results import AblationResult, result_json
from harness.ablation.table import LEVEL
from harness.core.files import write_text
from harness.metrics.names import label, parse_metric
from harness.render import numbers
from harness.render.figures import write_figure
from harness.render.markdown import bullets, escape, fenced, figure, section, table

REPORT = "report.md"
FIGURES = "figures"


def write_report(ablation: AblationResult, folder: Path) -> Path:
    """Write `report.md`, `report.json` and `figures/` into a folder; returns the Markdown.

    The same ablation gives the same bytes. Raises `StoreError` where nothing can be written.
    """
    drawn = draw(ablation.spec, ablation.table, ablation.metric, ablation.curves)
    for name, files in drawn.items():
        write_figure(folder / FIGURES, name, files)
    data = json.dumps(result_json(ablation), ensure_ascii=False, indent=1, allow_nan=False)
    write_text(folder / "report.json", data + "\n")
    write_text(folder / REPORT, report_text(ablation, drawn))
    return folder / REPORT


def report_text(ablation: AblationResult, figures: Mapping[str, object]) -> str:
    """Return the report as Markdown; `figures` names those that were drawn."""
    spec = ablation.spec
    lines = [f"# {escape(spec.title or spec.name)}", ""]
    if spec.about:
        lines += [escape(spec.about), ""]
    lines += section("What was found", bullets(findings(spec, ablation.table)),
                     bullets(cautions(spec, ablation.table)), _failures(ablation))  # fmt: skip
    lines += section("Means", [_means_words(ablation)], _means_table(ablation))
    lines += section("Differences", [_deltas_words(ablation)], _deltas_table(ablation),
                     _shown("deltas", ablation, figures))  # fmt: skip
    lines += section("By reasoning intensity", *_intensity(ablation, figures))
    lines += section("Training", *_training(ablation, figures))
    lines += section("Data", *_data(ablation))
    if ablation.published:
        lines += section("Published numbers", *_published(ablation))
    lines += section("How this was made", bullets(method(ablation)), _commands(ablation))
    return "\n".join(lines).rstrip() + "\n"


def _shown(name: str, ablation: AblationResult, figures: Mapping[str, object]) -> list[str]:
    """Return the lines of a figure, if it was drawn."""
    if name not in figures:
        return []
    metric = label(parse_metric(ablation.metric))
    pairs = list(dict.fromkeys((each.one, each.other) for each in ablation.table.deltas))
    return figure(name, FIGURES, alt_text(name, ablation.spec, metric, pairs))


def _failures(ablation: AblationResult) -> list[str]:
    """Return the runs that failed, with why."""
    return bullets(
        f"Failed: {ablation.spec.title_of(each.run.variant)}, seed {each.run.seed}: "
        f"{each.record.failure}"
        for each in ablation.failed
    )


def _means_words(ablation: AblationResult) -> str:
    """Return the sentence above the table of means."""
    metric = label(parse_metric(ablation.metric))
    return escape(
        f"{metric} × 100; the mean over seeds, and the standard deviation between them (n − 1)."
    )


def _means_table(ablation: AblationResult) -> list[str]:
    """Return a row per side and task: mean ± sd, and every seed's own value."""
    spec = ablation.spec
    rows = []
    for each in ablation.table.means:
        spread = "" if each.deviation is None else f" ± {numbers.points(each.deviation)}"
        seeds = ", ".join(numbers.points(value) for value in each.seeds.values())
        rows.append(
            (
                spec.title_of(each.side),
                scope_title(spec, each.task),
                f"{numbers.points(each.mean)}{spread}",
                seeds or numbers.DASH,
            )
        )
    seeds_head = f"by seed ({', '.join(map(str, spec.seeds))})"
    return table(("variant", "task", "mean ± sd", seeds_head), rows, texts=2)


def _deltas_words(ablation: AblationResult) -> str:
    """Return the sentence above the table of differences."""
    return escape(
        f"Paired by query and seed; {numbers.percent(LEVEL)} intervals and p take both for "
        f"sources of variance; p corrected (Holm) over the {ablation.table.tests} tests of this "
        "table."
    )


def _deltas_table(ablation: AblationResult) -> list[str]:
    """Return a row per comparison and task."""
    spec = ablation.spec
    rows = [
        (
            f"{spec.title_of(each.one)} {numbers.MINUS} {spec.title_of(each.other)}",
            scope_title(spec, each.task),
            numbers.signed(each.delta),
            numbers.signed_interval(each.test.interval),
            p_text(each.test.p_mixed),
            p_text(each.test.p_queries),
            p_text(each.test.p_seeds),
            p_text(each.p_corrected),
            numbers.points(each.test.detectable),
            f"{each.counts.wins}/{each.counts.ties}/{each.counts.losses}",
            seeds_line(each),
            variance_line(each),
        )
        for each in ablation.table.deltas
    ]
    heads = (
        "comparison", "task", "difference", f"{numbers.percent(LEVEL)} interval",
        "p, both", "p, queries", "p, seeds", "corrected p", "detectable", "won/tied/lost",
        "by seed", "variance of the mean",
    )  # fmt: skip
    return table(heads, rows, texts=2)


def _intensity(ablation: AblationResult, figures: Mapping[str, object]) -> list[list[str]]:
    """Return the table and figure by bin, or why there is none."""
    spec, found = ablation.spec, ablation.table.bins
    if not found:
        return [["It is not known for these queries: see the notes at the end."]]
    told = escape(
        "A query needs the more reasoning, the less a lexical match explains of its gold: the rank "
        "that BM25 (BRIGHT's recipe) gives the best gold document. Differences in points, with "
        f"{numbers.percent(LEVEL)} intervals; nothing is tested here: bins show where to look."
    )
    names = list(dict.fromkeys(each.bin for each in found))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    counts = {each.bin: each.queries for each in found}
    for each in found:
        reach = ""
        if each.low is not None and each.high is not None:
            reach = f" ({numbers.signed(each.low)} to {numbers.signed(each.high)})"
        cells.setdefault((each.one, each.other), {})[each.bin] = (
            f"{numbers.signed(each.delta)}{reach}"
        )
    rows = [
        (
            f"{spec.title_of(one)} {numbers.MINUS} {spec.title_of(other)}",
            *(own.get(name, numbers.DASH) for name in names),
        )
        for (one, other), own in cells.items()
    ]
    heads = ("comparison", *(f"{name} ({counts[name]:,})" for name in names))
    return [[told], table(heads, rows), _shown("intensity", ablation, figures)]


def _training(ablation: AblationResult, figures: Mapping[str, object]) -> list[list[str]]:
    """Return seconds and steps of each variant, and the curves."""
    rows = []
    for name in ablation.spec.variants:
        own = [each for each in ablation.results if each.run.variant == name and not each.failed]
        if own:
            rows.append(
                (
                    ablation.spec.title_of(name),
                    str(len(own)),
                    f"{own[0].run.inputs.rows:,}",
                    f"{own[0].run.inputs.steps:,}",
                    f"{_mean([each.record.train_seconds for each in own]):.1f}",
                    f"{_mean([each.record.measure_seconds for each in own]):.1f}",
                )
            )
    heads = ("variant", "runs", "rows", "steps", "training, s a run", "measuring, s a run")
    words = (
        "Curves are means over seeds, smoothed over a twelfth of the steps; bands go from the "
        "least to the most of the seeds. The loss shown is the plain InfoNCE loss of the batch, "
        "whatever is minimised. The effective sample size is (Σw)² / Σw² over the batch: 1 where "
        "all queries count alike."
    )
    losses, weights = (_shown(name, ablation, figures) for name in ("losses", "weights"))
    return [table(heads, rows), [words] if losses or weights else [], losses, weights]


def _mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def _data(ablation: AblationResult) -> list[list[str]]:
    """Return what each training file holds, variants that share one together."""
    sharing: dict[str, list[TrainingRun]] = {}
    for each in ablation.results:
        sharing.setdefault(str(each.run.data.path), []).append(each.run)
    lines = []
    for runs in sharing.values():
        made = runs[0].data
        titles = dict.fromkeys(ablation.spec.title_of(run.variant) for run in runs)
        hashed = (f"sha256 {made.sha256[:16]}…",) if made.sha256 else ()
        facts = (f"{name}: {text}" for name, text in made.facts.items())
        told = (f"{runs[0].inputs.rows:,} rows", *hashed, *facts)
        lines.append(f"{', '.join(titles)}: {'; '.join(told)}")
    return [bullets(lines)]


def _published(ablation: AblationResult) -> list[list[str]]:
    """Return published averages beside, and what sets them apart."""
    rows = [
        (
            row.model,
            f"{row.group}, {row.query_set} queries",
            row.metric,
            row.source,
            numbers.DASH if row.overall is None else f"{100 * row.overall:.1f}",
        )
        for row in ablation.published
    ]
    words = (
        "From papers, on other models, data and tasks: for orientation, not comparable with the "
        "numbers above, and without per-query values to test."
    )
    return [[words], table(("model", "group", "metric", "source", "average"), rows, texts=4)]


def _commands(ablation: AblationResult) -> list[str]:
    """Return the command that made the report."""
    return fenced([f"$ {shlex.join(ablation.command)}"])
