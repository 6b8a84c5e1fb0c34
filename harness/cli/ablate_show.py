"""What `rebench ablate` prints: the plan, and the tables of what came out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.ablation.plan import Preview
    from harness.ablation.results import AblationResult


def print_preview(planned: Preview, *, as_json: bool) -> None:
    """Print the runs with their states, what is reused and how long the rest may take."""
    from harness.cli.console import print_json, print_table, print_text
    from harness.cli.progress import duration
    from harness.render.numbers import percent, points
    from harness.stats.conventions import POWER

    if as_json:
        print_json(asdict(planned))
        return
    for fact in planned.needs:
        print_text(fact)
    rows = [
        {
            "variant": row.variant,
            "seed": row.seed,
            "fold": row.fold or None,
            "state": row.state,
            "rows": row.rows,
            "steps": row.steps,
            "run": row.key[:16] if row.key else None,
        }
        for row in planned.runs
    ]
    print_table("runs", rows, as_json=False)
    reused = sum(row.state == "finished" for row in planned.runs)
    data = (
        "training data is there" if planned.data_made else "training data is made or fetched first"
    )
    if planned.seconds is None:
        left = "how long is not known before the first run"
    else:
        left = f"about {duration(planned.seconds)} left, by the runs that are finished"
    print_text(f"{len(planned.runs)} runs, {reused} of them reused; {data}; {left}")
    if planned.detectable is not None:
        source = "the pilot" if planned.by_pilot else "the last report"
        print_text(
            f"By {source}, differences of {points(planned.detectable)} points are seen in "
            f"{percent(POWER)} of cases after Holm's first step"
        )


def print_result(ablation: AblationResult, report: Path) -> None:
    """Print means, differences, what they say, and where the report is."""
    from harness.ablation.findings import cautions, findings, pair_title, scope_title
    from harness.cli.console import print_aligned, print_text
    from harness.render import numbers

    spec = ablation.spec
    print_aligned(
        [
            {
                "variant": spec.title_of(each.side),
                "task": scope_title(spec, each.task),
                f"{ablation.metric} × 100": numbers.points(each.mean),
                "sd": numbers.points(each.deviation),
                "seeds": str(len(each.seeds)) if each.seeds else numbers.DASH,
            }
            for each in ablation.table.means
        ]
    )
    print_text("")
    if ablation.table.differences:
        print_aligned(
            [
                {
                    "difference": pair_title(spec, each.difference.a, each.difference.b),
                    "task": scope_title(spec, each.task),
                    "points": numbers.signed(each.difference.delta),
                    numbers.percent(0.95): numbers.signed_interval(each.difference.interval),
                    "p": numbers.p_value(each.difference.p),
                    "corrected": numbers.p_value(each.difference.p_corrected),
                    "detectable": numbers.points(each.difference.detectable),
                }
                for each in ablation.table.differences
            ]
        )
        print_text("")
    for line in (*findings(spec, ablation.table), *cautions(spec, ablation.table)):
        print_text(line)
    print_text(str(report))
