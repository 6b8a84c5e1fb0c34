"""Numbers and lists of names as text, the same in every table and sentence.

Values are fractions of 1 and are shown in points of 100; `None` is shown as a dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.stats.bootstrap import Interval
    from harness.stats.effect import WinTieLoss

DASH = "–"
MINUS = "−"


def points(value: float | None) -> str:
    """Return a fraction in points of 100, with two decimals."""
    return DASH if value is None else f"{100 * value:.2f}"


def short_points(value: float | None) -> str:
    """Return a fraction in points of 100 with one decimal, as papers print it."""
    return DASH if value is None else f"{100 * value:.1f}"


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
    """Return a p-value with four decimals, or as a power of ten if those would be zeros."""
    if value is None:
        return DASH
    return f"{value:.4f}" if value == 0 or value >= 0.00005 else f"{value:.1e}"


def decimal(value: float | None) -> str:
    """Return a plain number with two decimals."""
    if value is None:
        return DASH
    return f"{value:.2f}".replace("-", MINUS)


def percent(level: float) -> str:
    """Return a level as `95 %`."""
    return f"{100 * level:g} %"


def win_tie_loss(counts: WinTieLoss) -> str:
    """Return `12/3/5`: queries won, tied and lost."""
    return f"{counts.wins}/{counts.ties}/{counts.losses}"


def counted(count: int, singular: str, plural: str) -> str:
    """Return `1 query` or `1,384 queries`."""
    return f"{count:,} {singular if count == 1 else plural}"


def yes_no(value: bool | None) -> str:
    """Return `yes` or `no`."""
    return DASH if value is None else "yes" if value else "no"


def few(names: Sequence[str]) -> str:
    """Return a list of names, the end of a long one as a count."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"
