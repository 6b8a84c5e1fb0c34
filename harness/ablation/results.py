"""A finished ablation as data: everything that its report and its JSON show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.ablation.curves import Curves
from harness.ablation.execute import RunResult
from harness.ablation.findings import cautions, findings
from harness.ablation.spec import AblationSpec
from harness.ablation.table import LEVEL, POWER, SEED, AblationTable, SeededDifference, SideMean
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
    table: AblationTable
    curves: Mapping[str, Curves]
    published: tuple[PublishedRow, ...]
    notes: tuple[str, ...]
    code: str
    version: str
    command: tuple[str, ...]

    @property
    def failed(self) -> tuple[RunResult, ...]:
        """Return the runs that failed."""
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
        "level": LEVEL,
        "power": POWER,
        "random_seed": SEED,
        "code": ablation.code,
        "tests": table.tests,
        "findings": [*findings(spec, table), *cautions(spec, table)],
        "means": [_mean_json(each, spec) for each in table.means],
        "differences": [_delta_json(each) for each in table.deltas],
        "intensity": [
            {
                "one": each.one, "other": each.other, "bin": each.bin, "queries": each.queries,
                "delta": each.delta, "low": each.low, "high": each.high,
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
    """Return one mean."""
    return {
        "side": each.side,
        "title": spec.title_of(each.side),
        "task": each.task or None,
        "mean": each.mean,
        "deviation": each.deviation,
        "seeds": {str(seed): value for seed, value in each.seeds.items()},
    }


def _delta_json(each: SeededDifference) -> dict[str, Any]:
    """Return one tested difference."""
    found = each.test.crossed
    return {
        "one": each.one,
        "other": each.other,
        "task": each.task or None,
        "queries": each.queries,
        "delta": each.delta,
        "by_seed": {str(seed): value for seed, value in each.by_seed.items()},
        "interval": _interval_json(each.test.interval),
        "error": found.error,
        "degrees": found.degrees,
        "variance": {"seeds": found.seeds, "queries": found.queries, "rest": found.rest},
        "p_mixed": each.test.p_mixed,
        "p_queries": each.test.p_queries,
        "p_seeds": each.test.p_seeds,
        "p": each.test.p,
        "p_corrected": each.p_corrected,
        "detectable": each.test.detectable,
        "won_tied_lost": [each.counts.wins, each.counts.ties, each.counts.losses],
    }


def _interval_json(interval: Interval | None) -> Sequence[float] | None:
    """Return both ends."""
    return None if interval is None else [interval.low, interval.high]


def _run_json(result: RunResult) -> dict[str, Any]:
    """Return one run."""
    return {
        "variant": result.run.variant,
        "seed": result.run.seed,
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
