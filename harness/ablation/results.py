"""A finished ablation as data: everything that its report and its JSON show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.ablation.curves import Curves
from harness.ablation.execute import RunResult
from harness.ablation.findings import cautions, findings
from harness.ablation.spec import AblationSpec
from harness.ablation.table import SETTINGS, AblationTable, SeededDifference, SideMean
from harness.ablation.values import MeasuredValues
from harness.stats.bootstrap import Interval
from results.published import PublishedRow


@dataclass(frozen=True, slots=True)
class AblationResult:
    """A whole ablation.

    `notes` say what could not be shown and why; `models` maps a side to the hash of the weights
    it ended in, one a seed.
    """

    spec: AblationSpec
    results: tuple[RunResult, ...]
    metric: str
    values: MeasuredValues
    table: AblationTable
    curves: Mapping[str, Curves]
    published: tuple[PublishedRow, ...]
    notes: tuple[str, ...]
    code: str
    version: str
    command: tuple[str, ...]

    @property
    def failed(self) -> tuple[RunResult, ...]:
        """Return the failed runs."""
        return tuple(result for result in self.results if result.failed)

    @property
    def first_done(self) -> RunResult:
        """Return the first run that did not fail."""
        return next(result for result in self.results if not result.failed)


def result_json(ablation: AblationResult) -> dict[str, Any]:
    """Return the JSON object in which every number of the report stands; fractions, unrounded."""
    spec, table = ablation.spec, ablation.table
    return {
        "rebench": ablation.version,
        "command": list(ablation.command),
        "ablation": spec.name,
        "metric": ablation.metric,
        "tasks": list(spec.tasks),
        "seeds": list(spec.seeds),
        "level": SETTINGS.level,
        "power": SETTINGS.power,
        "random_seed": SETTINGS.seed,
        "code": ablation.code,
        "tests": table.tests,
        "findings": [*findings(spec, table), *cautions(spec, table)],
        "means": [_mean_json(each, spec) for each in table.means],
        "differences": [_difference_json(each) for each in table.differences],
        "intensity": [
            {
                "one": each.a, "other": each.b, "bin": each.bin, "queries": each.queries,
                "delta": each.delta,
                "low": None if each.interval is None else each.interval.low,
                "high": None if each.interval is None else each.interval.high,
            }
            for each in table.bins
        ],
        "runs": [_run_json(result) for result in ablation.results],
        "published": [
            {
                "model": row.model, "group": row.group, "metric": row.metric,
                "overall": row.overall, "source": row.source,
            }
            for row in ablation.published
        ],
        "notes": list(ablation.notes),
    }  # fmt: skip


def _mean_json(each: SideMean, spec: AblationSpec) -> dict[str, Any]:
    return {
        "side": each.side,
        "title": spec.title_of(each.side),
        "task": each.task or None,
        "mean": each.mean,
        "deviation": each.deviation,
        "seeds": {str(seed): value for seed, value in each.seeds.items()},
    }


def _difference_json(each: SeededDifference) -> dict[str, Any]:
    """Return one tested difference; `detectable` is before correction."""
    difference, crossed = each.difference, each.test.crossed
    counts = difference.counts
    return {
        "one": difference.a,
        "other": difference.b,
        "task": each.task or None,
        "queries": difference.queries,
        "delta": difference.delta,
        "by_seed": {str(seed): value for seed, value in each.by_seed.items()},
        "interval": _interval_json(difference.interval),
        "error": crossed.error,
        "degrees": crossed.degrees,
        "variance": {"seeds": crossed.seeds, "queries": crossed.queries, "rest": crossed.rest},
        "p_mixed": each.test.p_mixed,
        "p_queries": each.test.p_queries,
        "p_seeds": each.test.p_seeds,
        "p": difference.p,
        "p_corrected": difference.p_corrected,
        "detectable": each.test.detectable,
        "detectable_corrected": difference.detectable,
        "won_tied_lost": [counts.wins, counts.ties, counts.losses],
    }


def _interval_json(interval: Interval | None) -> Sequence[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _run_json(result: RunResult) -> dict[str, Any]:
    return {
        "variant": result.run.variant,
        "seed": result.run.seed,
        "fold": result.run.fold,
        "model": result.run.name,
        "key": result.run.key,
        "data": result.run.inputs.data,
        "rows": result.run.inputs.rows,
        "steps": result.run.inputs.steps,
        "train_seconds": result.record.train_seconds,
        "measure_seconds": result.record.measure_seconds,
        "reused": result.reused,
        "failure": result.record.failure,
        "entries": {task: entry.identity_hash for task, entry in result.entries.items()},
    }
