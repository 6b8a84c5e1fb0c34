"""How numbers and lists of names are written, everywhere a comparison is shown."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.contrast import Difference, Plan
from harness.stats.bootstrap import Interval

DASH = "–"
MINUS = "−"


def points(value: float | None) -> str:
    """Return a fraction as points of 100 with two decimals."""
    return DASH if value is None else f"{100 * value:.2f}"


def signed(value: float | None) -> str:
    """Return a difference in points with its sign; what rounds to 0 has none."""
    if value is None:
        return DASH
    text = f"{100 * abs(value):.2f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def interval(value: Interval | None) -> str:
    """Return the ends of an interval of means, in points."""
    return DASH if value is None else f"{points(value.low)} to {points(value.high)}"


def signed_interval(value: Interval | None) -> str:
    """Return the ends of an interval of differences, in points with their signs."""
    return DASH if value is None else f"{signed(value.low)} to {signed(value.high)}"


def p_value(value: float | None) -> str:
    """Return a p-value with four decimals, or in powers of ten where those would be zeros."""
    if value is None:
        return DASH
    return f"{value:.4f}" if value == 0 or value >= 0.00005 else f"{value:.1e}"


def decimal(value: float | None) -> str:
    """Return a plain number with two decimals and its sign where it is below 0."""
    if value is None:
        return DASH
    return f"{value:.2f}".replace("-", MINUS)


def counts(each: Difference) -> str:
    """Return queries won, tied and lost."""
    return f"{each.counts.wins}/{each.counts.ties}/{each.counts.losses}"


def few(names: Sequence[str]) -> str:
    """Return a list of names, the end of a long one as a count."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def percent(level: float) -> str:
    """Return a level as `95 %`."""
    return f"{100 * level:g} %"


def verdict(each: Difference, plan: Plan) -> str:
    """Return one sentence on a difference, plain where it is not distinguishable from zero."""
    size = f"{signed(each.delta)} points"
    if each.interval is not None:
        size += f" ({percent(plan.level)} interval {signed_interval(each.interval)})"
    told = f"{each.a} {MINUS} {each.b}: {size}"
    if each.p_corrected is None:
        return f"{told}; not tested."
    tested = f"corrected p = {p_value(each.p_corrected)}"
    if each.p_corrected <= plan.alpha:
        better = each.a if each.delta > 0 else each.b
        return f"{told}, {tested}: {better} is better."
    seen = ""
    if each.detectable:
        seen = (
            f" A true difference of {points(each.detectable)} points would be seen in "
            f"{percent(plan.power)} of cases."
        )
    return f"{told}, {tested}: not distinguishable from zero.{seen}"
