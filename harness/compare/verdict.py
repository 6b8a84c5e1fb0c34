"""What a tested difference shows, in one sentence or two."""

from __future__ import annotations

from harness.compare.contrast import Difference, Plan
from harness.render.numbers import MINUS, p_value, percent, points, signed, signed_interval


def verdict(tested: Difference, plan: Plan) -> str:
    """Return a sentence on a difference; one that cannot be told from zero is said to be so."""
    size = f"{signed(tested.delta)} points"
    if tested.interval is not None:
        size += f" ({percent(plan.level)} interval {signed_interval(tested.interval)})"
    sentence = f"{tested.a} {MINUS} {tested.b}: {size}"
    if tested.p_corrected is None:
        return f"{sentence}; not tested."
    sentence += f", corrected p = {p_value(tested.p_corrected)}"
    if tested.p_corrected <= plan.alpha:
        better = tested.a if tested.delta > 0 else tested.b
        return f"{sentence}: {better} is better."
    sentence += ": not distinguishable from zero."
    if tested.detectable:
        sentence += (
            f" A true difference of {points(tested.detectable)} points would be seen in "
            f"{percent(plan.power)} of cases."
        )
    return sentence
