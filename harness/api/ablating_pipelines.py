"""What each stage of a pipeline brings: the pipeline against itself without each part, tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.comparing import ComparisonResult, compare
from harness.api.evaluating import Evaluation, evaluate
from harness.api.tables import TableResult
from harness.compare.differences import ComparisonSettings, verdict
from harness.core.errors import BadInput
from harness.leaderboard.cost import work_of_entries
from harness.pipelines.staged.leave_out import LeftOut, parts_of, without
from results.systems import MARK, configuration_hash

if TYPE_CHECKING:
    from harness.compare.differences import Difference
    from harness.core.protocols import Reporter
    from harness.pipelines.staged.pipeline import Pipeline
    from results.schema import Entry
    from results.work import Work

SCORING = "score"
"""The timing of an entry that is no stage's."""


@dataclass(frozen=True, slots=True)
class PipelineCost:
    """What a pipeline takes over all tasks.

    `seconds` are those of its stages when they ran, which may have read some of the work from a
    store; `work` counts all of it whole, and is `None` if an entry does not tell.
    """

    seconds: float
    work: Work | None


@dataclass(frozen=True, slots=True)
class PipelineAblation(TableResult):
    """The pipeline against itself without each part: what was lost is what the part brings.

    `differences` are the whole less the part left out, fractions of 1, p corrected by Holm over
    all tests. `costs` holds the whole first, then one a part.
    """

    pipeline: str
    parts: tuple[LeftOut, ...]
    comparison: ComparisonResult
    costs: tuple[PipelineCost, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """One difference a part, in the order of the parts."""
        return self.comparison.overall

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One sentence or two a part."""
        settings = self.comparison.comparison.settings
        return tuple(
            verdict(replace(each, a=self.pipeline, b=f"without {part.label}"), settings)
            for part, each in zip(self.parts, self.differences, strict=True)
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the whole pipeline, then one row for each part that is left out."""
        whole, *others = self.costs
        first = self.differences[0]
        rows = [_row(self.pipeline, first.mean_a, None, whole)]
        for part, difference, cost in zip(self.parts, self.differences, others, strict=True):
            rows.append(_row(f"without {part.label}", difference.mean_b, difference, cost))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the rows and the comparison in full."""
        return {
            "pipeline": self.pipeline,
            "rows": self.rows(),
            "comparison": self.comparison.to_dict(),
        }


def _row(
    name: str, mean: float, difference: Difference | None, cost: PipelineCost
) -> dict[str, Any]:
    interval = difference.interval if difference else None
    work = cost.work
    return {
        "pipeline": name,
        "mean": mean,
        "brings": difference.delta if difference else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "corrected p": difference.p_corrected if difference else None,
        "detectable": difference.detectable if difference else None,
        "tokens per query": work.tokens_per_query if work else None,
        "calls per query": work.calls / work.queries if work and work.queries else None,
        "money per thousand": work.cost_per_thousand if work else None,
        "seconds": cost.seconds,
        "work": work.json if work else None,
    }


def ablate_pipeline(
    pipeline: Pipeline,
    tasks: str = "bright",
    *,
    force: bool = False,
    results: str | Path | None = None,
    cache: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> PipelineAblation:
    """Evaluate a pipeline whole and without each of its parts, and test what each part brings.

    Parts are every rewrite, every reranking, and every list that a fuse stage joins. Stages that
    the variants share run once. Each variant is an entry of its own, NAME-without-PART. Raises
    `BadInput` for a pipeline of a single part, and what evaluating and comparing raise.
    """
    parts = parts_of(pipeline)
    if not parts:
        raise BadInput(
            f"{pipeline.name} has one retriever and nothing else",
            fix="There is nothing to leave out; measure it with `rebench eval --pipeline`.",
        )
    measured: list[Evaluation] = []
    for variant in (pipeline, *(without(pipeline, part) for part in parts)):
        measured.append(
            evaluate(
                variant, tasks, force=force, results=results, cache=cache, data=data,
                progress=progress,
            )
        )  # fmt: skip
    names = [_name(each.entries[0]) for each in measured]
    compared = compare(
        *names,
        tasks=",".join(entry.task.name for entry in measured[0].entries),
        settings=ComparisonSettings(pairs="first", changes=0),
        results=results,
        data=data,
        progress=progress,
    )
    return PipelineAblation(
        pipeline.name, parts, compared, tuple(_cost(each.entries) for each in measured)
    )


def _name(entry: Entry) -> str:
    """Return what finds an entry's system, whatever else was measured under its name."""
    return f"{entry.model}{MARK}{configuration_hash(entry)}"


def _cost(entries: Sequence[Entry]) -> PipelineCost:
    """Return what the stages of entries took; a stage that was there counts as when it ran."""
    seconds = sum(
        value for entry in entries for name, value in entry.timings.items() if name != SCORING
    )
    return PipelineCost(seconds, work_of_entries(entries))


def report_text(done: PipelineAblation) -> str:
    """Return the ablation as a Markdown page."""
    from harness.render.markdown import table
    from harness.render.numbers import p_value as shown_p
    from harness.render.numbers import points, signed, signed_interval

    metric = done.comparison.comparison.metric
    tasks = done.comparison.comparison.tasks
    heads = ("", f"{metric} × 100", "brings", "95 %", "p (Holm)", "tokens", "LLM calls", "money")
    whole, *others = done.costs
    first = done.differences[0]
    lines = [(done.pipeline, points(first.mean_a), "", "", "", *_shown(whole))]
    for part, each, cost in zip(done.parts, done.differences, others, strict=True):
        lines.append(
            (
                f"without {part.label}",
                points(each.mean_b),
                signed(each.delta),
                signed_interval(each.interval),
                shown_p(each.p_corrected),
                *_shown(cost),
            )
        )
    return "\n".join(
        [
            f"# What each stage of {done.pipeline} brings",
            "",
            f"Mean over {', '.join(tasks)}. A part brings what is lost without it; intervals are "
            "over resampled queries, p is Holm's over all tests. Tokens through models and calls "
            "of chat models are means for a query, computed or stored; money is for a thousand "
            "queries, where prices are given.",
            "",
            *table(heads, lines),
            "",
            *(f"- {sentence}" for sentence in done.verdicts),
            "",
        ]
    )


def _shown(cost: PipelineCost) -> tuple[str, str, str]:
    from harness.render.numbers import DASH

    work = cost.work
    if work is None:
        return DASH, DASH, DASH
    tokens, price = work.tokens_per_query, work.cost_per_thousand
    return (
        DASH if tokens is None else f"{tokens:,.1f}",
        f"{work.calls / (work.queries or 1):,.1f}",
        DASH if price is None else f"{price:,.2f}",
    )
