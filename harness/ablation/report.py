"""The Markdown report of an ablation, its data and its figures, written to disk."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.ablation.curves import Curves
from harness.ablation.figures import alt_text, draw
from harness.ablation.findings import (
    cautions,
    findings,
    pair_title,
    scope_title,
    variance_line,
)
from harness.ablation.plan import TrainingRun
from harness.ablation.records import REPORT_DATA
from harness.ablation.results import AblationResult, result_json
from harness.ablation.table import SETTINGS
from harness.core.file_sets import MANIFEST_SUFFIX, write_file_set
from harness.metrics.names import label, parse_metric
from harness.render import numbers
from harness.render.figures import figure_files
from harness.render.markdown import bullets, escape, fenced, figure, section, table
from results.schema import Entry

REPORT = "report.md"
FIGURES = "figures"


def write_report(ablation: AblationResult, folder: Path) -> Path:
    """Write `report.md`, `report.json` and `figures/` into a folder; returns the Markdown.

    Their manifest is written last. The same ablation gives the same bytes. Raises `StoreError` if
    nothing can be written.
    """
    drawn = draw(ablation.spec, ablation.table, ablation.metric, ablation.curves)
    data = json.dumps(result_json(ablation), ensure_ascii=False, indent=1, allow_nan=False)
    files = {
        REPORT: report_text(ablation, drawn).encode("utf-8"),
        REPORT_DATA: f"{data}\n".encode(),
        **figure_files(FIGURES, drawn),
    }
    return write_file_set((folder / REPORT).with_suffix(MANIFEST_SUFFIX), files)[0]


def report_text(ablation: AblationResult, figures: Mapping[str, object]) -> str:
    """Return the report as Markdown; `figures` names those that were drawn."""
    spec = ablation.spec
    lines = [f"# {escape(spec.title or spec.name)}", ""]
    if spec.about:
        lines += [escape(spec.about), ""]
    lines += section("What was found", bullets(findings(spec, ablation.table)),
                     bullets(cautions(spec, ablation.table)), _failures(ablation))  # fmt: skip
    lines += section("Means", [_means_words(ablation)], _means_table(ablation))
    lines += section("Differences", [_differences_words(ablation)], _differences_table(ablation),
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
    pairs = list(
        dict.fromkeys((e.difference.a, e.difference.b) for e in ablation.table.differences)
    )
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


def _differences_words(ablation: AblationResult) -> str:
    """Return the sentence above the table of differences."""
    return escape(
        f"Paired by query and seed; {numbers.percent(SETTINGS.level)} intervals and p take both as "
        f"sources of variance; p corrected (Holm) over the {ablation.table.tests} tests of this "
        "table."
    )


def _differences_table(ablation: AblationResult) -> list[str]:
    """Return a row per comparison and task."""
    spec = ablation.spec
    rows = [
        (
            pair_title(spec, each.difference.a, each.difference.b),
            scope_title(spec, each.task),
            numbers.signed(each.difference.delta),
            numbers.signed_interval(each.difference.interval),
            numbers.p_value(each.test.p_mixed),
            numbers.p_value(each.test.p_queries),
            numbers.p_value(each.test.p_seeds),
            numbers.p_value(each.difference.p_corrected),
            numbers.points(each.difference.detectable),
            numbers.win_tie_loss(each.difference.counts),
            ", ".join(numbers.signed(value) for value in each.by_seed.values()),
            variance_line(each),
        )
        for each in ablation.table.differences
    ]
    heads = (
        "comparison", "task", "difference", f"{numbers.percent(SETTINGS.level)} interval",
        "p, both", "p, queries", "p, seeds", "corrected p", "detectable", "won/tied/lost",
        "by seed", "variance of the mean",
    )  # fmt: skip
    return table(heads, rows, texts=2)


def _intensity(ablation: AblationResult, figures: Mapping[str, object]) -> list[list[str]]:
    """Return the table and figure by bin, or why there is none."""
    bins = ablation.table.bins
    if not bins:
        return [["It is not known for these queries: see the notes at the end."]]
    words = escape(
        "The less a lexical match explains of a query's gold, the more reasoning it needs: bins "
        "are the rank that BM25 (BRIGHT's recipe) gives the best gold document. Differences in "
        f"points, with {numbers.percent(SETTINGS.level)} intervals; nothing is tested here: bins "
        "show where to look."
    )
    counts = {each.bin: each.queries for each in bins}
    cells: dict[str, dict[str, str]] = {}
    for each in bins:
        reach = "" if each.interval is None else f" ({numbers.signed_interval(each.interval)})"
        row = cells.setdefault(pair_title(ablation.spec, each.a, each.b), {})
        row[each.bin] = f"{numbers.signed(each.delta)}{reach}"
    rows = [
        (title, *(own.get(name, numbers.DASH) for name in counts)) for title, own in cells.items()
    ]
    heads = ("comparison", *(f"{name} ({count:,})" for name, count in counts.items()))
    return [[words], table(heads, rows), _shown("intensity", ablation, figures)]


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
                    *_weights_cells(ablation.curves.get(name)),
                )
            )
    heads = ("variant", "runs", "rows", "steps", "training, s a run", "measuring, s a run",
             "weights at κ", "effective sample")  # fmt: skip
    words = (
        "Curves are means over seeds, smoothed over a twelfth of the steps; bands go from the "
        "least to the most of the seeds. The loss shown is the plain InfoNCE loss of the batch, "
        "whatever is minimised. The effective sample size is (Σw)² / Σw² over the batch: 1 where "
        "all queries count alike."
    )
    losses, weights = (_shown(name, ablation, figures) for name in ("losses", "weights"))
    return [table(heads, rows), [words] if losses or weights else [], losses, weights]


def _weights_cells(curves: Curves | None) -> tuple[str, str]:
    """Return the share of queries at the cap, and the effective sample, over weighted steps."""
    if curves is None or "at_cap" not in curves.values:
        return numbers.DASH, numbers.DASH
    capped, even = curves.values["at_cap"], curves.values["ess_share"]
    weighted = ~np.isnan(capped)
    return numbers.percent(round(float(capped[weighted].mean()), 3)), numbers.percent(
        round(float(even[weighted].mean()), 3)
    )


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
        said = (f"{runs[0].inputs.rows:,} rows", *hashed, *facts)
        lines.append(f"{', '.join(titles)}: {'; '.join(said)}")
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


def method(ablation: AblationResult) -> list[str]:
    """Return the sentences of the report's last section: statistics, runs, versions, notes."""
    spec, tests = ablation.spec, ablation.table.tests
    power = numbers.percent(SETTINGS.power)
    return [
        f"rebench {ablation.version}; training code {ablation.code[:16]}…; recipe "
        f"{Path(spec.base).name} with each variant's keys on top",
        f"Seeds {', '.join(map(str, spec.seeds))}, the same for every variant: with equal data a "
        "seed draws the same batches and negatives in each, so differences are paired by seed as "
        "well as by query.",
        "Interval and p, both: two-way crossed random effects of seeds and queries on the "
        "differences (mean squares; parts below zero cut off), t with Satterthwaite's degrees of "
        f"freedom; {numbers.percent(SETTINGS.level)} intervals. With several tasks: macro-mean, "
        "queries within tasks. The variance between seeds is pooled over all variants, which "
        "assumes that seeds scatter alike in each.",
        "p, queries: signs flipped query by query of the difference averaged over seeds, "
        f"{SETTINGS.permutations:,} permutations, seed {SETTINGS.seed}: would it hold for other "
        "queries, given these very trainings? p, seeds: t over seeds with the pooled variance: "
        "would it hold for other seeds, given these very queries?",
        "The largest of the three p counts, and is what Holm corrects (simulated levels: "
        "docs/ablation.md).",
        f"detectable: the smallest true difference that the test of both sees in {power} of cases "
        f"by the same variances, at the level of Holm's first step ({SETTINGS.alpha:g} / {tests})",
        "variance of the mean: which part of it comes from seeds, queries, and neither (the rest)",
        *_hardware(ablation.first_done.entries),
        *ablation.notes,
    ]


def _hardware(entries: Mapping[str, Entry]) -> list[str]:
    """Return what the runs were measured on, as the first entry says."""
    first = next(iter(entries.values()), None)
    if first is None:
        return []
    machine = first.environment
    return [
        f"Measured on {machine.get('cpu')}, {machine.get('usable_cores')} cores, "
        f"Python {machine.get('python')}"
    ]
