"""What an ablation found, in sentences made from its numbers; plain where nothing was found."""

from __future__ import annotations

from collections.abc import Iterator

from harness.ablation.spec import AblationSpec
from harness.ablation.table import LEVEL, OVERALL, POWER, AblationTable, SeededDifference
from harness.render import numbers

FEW_SEEDS = 3


def findings(spec: AblationSpec, table: AblationTable) -> list[str]:
    """Return one sentence or two per comparison over all that was measured."""
    return [finding(spec, each) for each in table.headline(spec)]


def finding(spec: AblationSpec, each: SeededDifference) -> str:
    """Return what one difference shows."""
    one, other = spec.title_of(each.one), spec.title_of(each.other)
    size = f"{numbers.signed(each.delta)} points"
    if each.test.interval is not None:
        level = numbers.percent(LEVEL)
        size += f" ({level} interval {numbers.signed_interval(each.test.interval)})"
    told = f"{one} {numbers.MINUS} {other}: {size}, corrected p = {p_text(each.p_corrected)}"
    if each.separable:
        return f"{told}: {one if each.delta > 0 else other} is better."
    seen = ""
    if each.test.detectable:
        seen = (
            f" A true difference of {numbers.points(each.test.detectable)} points would have been "
            f"seen in {numbers.percent(POWER)} of cases (before correction)."
        )
    return f"{told}: not distinguishable from zero.{seen}"


def p_text(value: float | None) -> str:
    """Return a p-value, 1 without decimals."""
    return "1" if value == 1 else numbers.p_value(value)


def cautions(spec: AblationSpec, table: AblationTable) -> Iterator[str]:
    """Yield what a reader must know of the table's limits."""
    seeds = len(spec.seeds)
    if seeds == 1:
        yield (
            "One seed: nothing is known of how much another seed would change. Intervals and p "
            "are over queries only, given this one training of each variant."
        )
    elif seeds < FEW_SEEDS:
        yield (
            f"{seeds} seeds say little of how seeds differ, so that only large differences could "
            "be told from zero. Train at least three."
        )
    for one, other in table.skipped:
        yield (
            f"{spec.title_of(one)} {numbers.MINUS} {spec.title_of(other)} is not shown: failed "
            "runs left no seed that both have."
        )
    short = {
        each.one if len(each.by_seed) < seeds else ""
        for each in table.deltas
        if len(each.by_seed) < seeds
    }
    if short:
        yield "Failed runs leave some comparisons with fewer seeds; each row says how many it has."


def seeds_line(each: SeededDifference) -> str:
    """Return every seed's own difference."""
    return ", ".join(f"{numbers.signed(value)}" for value in each.by_seed.values())


def variance_line(each: SeededDifference) -> str:
    """Return which part of the mean's variance comes from where."""
    found = each.test.crossed
    if found.seeds is None or found.queries is None or found.rest is None:
        return "queries only"
    parts = {
        "seeds": max(0.0, found.seeds),
        "queries": max(0.0, found.queries),
        "rest": found.rest,
    }
    total = sum(parts.values())
    if total == 0:
        return numbers.DASH
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in parts.items())


def scope_title(spec: AblationSpec, task: str) -> str:
    """Return what a table calls a task, or all of them."""
    return task if task != OVERALL else f"mean of {len(spec.tasks)} tasks"
