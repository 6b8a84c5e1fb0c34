"""The page of a positive control: does training help, does intensity know, does weight move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ablation.control.watch import (
    Estimate,
    IntensityByHops,
    WatchedTraining,
    intensity_by_hops,
    watch_training,
    watch_untrained,
    weight_by_hops,
)
from harness.ablation.control.world import FAMILIES, HOPS, REGIONS, TOPICS, TOWNS, hops_of
from harness.ablation.findings import pair_title
from harness.ablation.results import AblationResult
from harness.ablation.table import SETTINGS
from harness.core.files import write_text
from harness.render import numbers
from harness.render.markdown import escape, fenced, section, table
from harness.stats.bootstrap import Interval
from harness.stats.crossed import crossed_variance

if TYPE_CHECKING:
    from redapter.head import TextVectors

PAGE = "control.md"


@dataclass(frozen=True, slots=True)
class ControlResult:
    """What a control found besides the ablation's own table.

    `gains` maps a pair of sides to its mean difference for each number of hops, as fractions;
    `weights` maps a variant that weights its queries to its mean weights; `training` is `None` if
    there is no such variant.
    """

    gains: Mapping[tuple[str, str], Mapping[int, Estimate]]
    untrained: IntensityByHops
    training: IntensityByHops | None
    weights: Mapping[str, Mapping[int, Estimate]]


def measure_control(ablation: AblationResult, vectors: TextVectors) -> ControlResult:
    """Return the control's figures; trainings that weight queries are watched once more.

    Raises what training raises.
    """
    watched = _watched(ablation, vectors)
    first = next(iter(watched.values()), ())
    recipe = ablation.first_done.run.recipe
    return ControlResult(
        gains={
            pair: {hops: _gain(*pair, hops, ablation) for hops in HOPS}
            for pair in ablation.spec.pairs
            if pair not in ablation.table.skipped
        },
        untrained=intensity_by_hops([watch_untrained(recipe, vectors)]),
        training=intensity_by_hops(first) if first else None,
        weights={name: weight_by_hops(each) for name, each in watched.items()},
    )


def _watched(
    ablation: AblationResult, vectors: TextVectors
) -> dict[str, tuple[WatchedTraining, ...]]:
    """Return the watched trainings of each variant that weights its queries, Redapter first."""
    runs: dict[str, list[WatchedTraining]] = {}
    kinds: dict[str, str] = {}
    for result in ablation.results:
        recipe = result.run.recipe
        if recipe.loss.reads_reasoning and not result.failed:
            kinds[result.run.variant] = recipe.loss.kind
            runs.setdefault(result.run.variant, []).append(watch_training(recipe, vectors))
    order = sorted(runs, key=lambda name: kinds[name] != "redapter")
    return {name: tuple(runs[name]) for name in order}


def _gain(one: str, other: str, hops: int, ablation: AblationResult) -> Estimate:
    """Return one comparison over the questions of so many hops, with the crossed interval."""
    from scipy.stats import t

    values = ablation.values
    seeds = values.shared_seeds(one, other, ablation.spec)
    rows = values.rows(one, seeds, "") - values.rows(other, seeds, "")
    columns = [at for at, query in enumerate(values.columns.queries) if hops_of(query) == hops]
    variance = crossed_variance(rows[:, columns])
    reach = 0.0
    if variance.error is not None and variance.degrees is not None:
        reach = float(t.ppf((1 + SETTINGS.level) / 2, variance.degrees)) * variance.error
    interval = Interval(variance.mean - reach, variance.mean + reach, SETTINGS.level)
    return Estimate(variance.mean, interval)


def write_page(ablation: AblationResult, result: ControlResult, folder: Path) -> Path:
    """Write the control's page beside the report; the same control gives the same bytes."""
    write_text(folder / PAGE, page_text(ablation, result))
    return folder / PAGE


def page_text(ablation: AblationResult, result: ControlResult) -> str:
    """Return the page as Markdown."""
    lines = ["# A positive control: known reasoning intensity", ""]
    lines += section("What was generated", _generated(ablation))
    lines += section("Does training help?", *_gains(ablation, result))
    lines += section("Does measured intensity rise with true hops?", *_intensity(result))
    lines += section("Does Redapter move weight to them?", *_weights(ablation, result))
    command = f"$ {' '.join(ablation.command)}"
    lines += section("How this was made", ["The whole ablation: [report](report.md)."],
                     fenced([command]))  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def _generated(ablation: AblationResult) -> list[str]:
    options = ablation.spec.control
    return [
        escape(
            f"{REGIONS} invented regions of {TOWNS} towns with {FAMILIES} families each, and "
            f"{len(TOPICS)} topics, from seed {options.seed}. What holds in a region stands in one "
            "document a topic; which town lies where and which family lives where are documents "
            "too. A question asks a topic of a region (1 hop), of a town (2) or of a family (3), "
            "and only the region's document answers. Training has "
            f"{options.rows:,} questions of each kind, {options.queries} of each are held out: no "
            "entity is asked there about a topic that training asks it about. A reasoning states "
            "the linking facts and names the region. Nothing was set by what came out."
        )
    ]


def _gains(ablation: AblationResult, result: ControlResult) -> list[list[str]]:
    spec = ablation.spec
    overall = {(e.difference.a, e.difference.b): e for e in ablation.table.headline(spec)}
    rows = []
    for pair, by_hops in result.gains.items():
        if pair in overall:
            each = overall[pair].difference
            rows.append(
                (
                    pair_title(spec, *pair),
                    f"{numbers.signed(each.delta)} ({numbers.signed_interval(each.interval)})",
                    numbers.p_value(each.p_corrected),
                    numbers.points(each.detectable),
                    *(_points(by_hops[hops]) for hops in HOPS),
                )
            )
    words = (
        "Points of nDCG@10 on the held-out questions, with "
        f"{numbers.percent(SETTINGS.level)} intervals over seeds and questions; p after Holm's "
        f"correction over {ablation.table.tests} tests, detectable at the level of its first step. "
        "By hops nothing is tested."
    )
    heads = ("comparison", "all questions", "corrected p", "detectable", *map(_hops, HOPS))
    return [[words], table(heads, rows)]


def _points(estimate: Estimate) -> str:
    return f"{numbers.signed(estimate.value)} ({numbers.signed_interval(estimate.interval)})"


def _hops(count: int) -> str:
    return "1 hop" if count == 1 else f"{count} hops"


def _intensity(result: ControlResult) -> list[list[str]]:
    rows = []
    seen = [("before training", result.untrained)]
    if result.training is not None:
        seen.append(("in training", result.training))
    for name, each in seen:
        cells = (
            f"{each.means[hops]:.2f} ({numbers.percent(round(each.at_cap[hops], 3))})"
            for hops in HOPS
        )
        rows.append(
            (name, f"{each.rows:,}", *cells, _number(each.correlation), _number(each.uncapped))
        )
    words = (
        "Reasoning intensity min(L_q / L_q', κ) of the training rows, each the mean over its "
        "draws: mean by hops, and the share of draws at κ. Correlation: Spearman's with the hops "
        "over rows, 95 % interval by resampling rows; also of intensity without κ (its logarithm)."
    )
    heads = ("when", "rows", *map(_hops, HOPS), "correlation", "without κ")
    return [[escape(words)], table(heads, rows)]


def _number(estimate: Estimate) -> str:
    low, high = estimate.interval.low, estimate.interval.high
    return f"{estimate.value:.2f} ({low:.2f} to {high:.2f})"


def _weights(ablation: AblationResult, result: ControlResult) -> list[list[str]]:
    if not result.weights:
        return [["No variant weights its queries."]]
    rows: Sequence[Sequence[str]] = [
        (ablation.spec.title_of(name), *(_number(by_hops[hops]) for hops in HOPS))
        for name, by_hops in result.weights.items()
    ]
    words = (
        "Mean weight of a question in its step, 1 where all count alike, over the steps after the "
        "warm-up; 95 % t intervals over seeds. Shuffled weights are the same numbers dealt out at "
        "random."
    )
    return [[words], table(("variant", *map(_hops, HOPS)), rows)]
