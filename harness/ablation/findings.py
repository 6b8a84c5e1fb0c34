"""What an ablation found, in sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.ablation.spec import AblationSpec
from harness.ablation.table import OVERALL, SETTINGS, AblationTable, SeededDifference
from harness.compare.differences import verdict
from harness.render import numbers

FEW_SEEDS = 3


def pair_title(spec: AblationSpec, a: str, b: str) -> str:
    """Return what tables and figures call a comparison."""
    return f"{spec.title_of(a)} {numbers.MINUS} {spec.title_of(b)}"


def scope_title(spec: AblationSpec, task: str) -> str:
    """Return what a table calls a task, or all of them."""
    return task if task != OVERALL else f"mean of {len(spec.tasks)} tasks"


def findings(spec: AblationSpec, table: AblationTable) -> list[str]:
    """Return a sentence or two per comparison over all that was measured."""
    several = len({each.task for each in table.headline(spec)}) > 1
    return [
        (f"On {each.task}: " if several else "")
        + verdict(
            replace(
                each.difference,
                a=spec.title_of(each.difference.a),
                b=spec.title_of(each.difference.b),
            ),
            SETTINGS,
        )
        for each in table.headline(spec)
    ]


def cautions(spec: AblationSpec, table: AblationTable) -> Iterator[str]:
    """Yield the limits of the table that its reader must know."""
    seeds = len(spec.seeds)
    if seeds == 1:
        yield (
            "One seed: nothing is known of how much another seed would change. Intervals and p "
            "are over queries only, given this one training of each variant."
        )
    elif seeds < FEW_SEEDS:
        yield (
            f"{seeds} seeds say little of how seeds differ, so only large differences could be "
            "distinguished from zero. Train at least three."
        )
    for a, b in table.skipped:
        yield (f"{pair_title(spec, a, b)} is not shown: failed runs left no seed that both have.")
    if any(len(each.by_seed) < seeds for each in table.differences):
        yield "Failed runs leave some comparisons with fewer seeds; each row says how many it has."


def variance_line(each: SeededDifference) -> str:
    """Return which part of the mean's variance comes from where."""
    crossed = each.test.crossed
    if crossed.seeds is None or crossed.queries is None or crossed.rest is None:
        return "queries only"
    parts = {
        "seeds": max(0.0, crossed.seeds),
        "queries": max(0.0, crossed.queries),
        "rest": crossed.rest,
    }
    total = sum(parts.values())
    if total == 0:
        return numbers.DASH
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in parts.items())
