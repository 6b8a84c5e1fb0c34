"""The settings of the loss: the formula's constants, its controls and its mask."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import BadInput

KINDS = ("redapter", "infonce", "shuffled", "static")
"""`redapter` weighs by reasoning intensity; `infonce` is the plain mean; `shuffled` deals the
Redapter weights out at random within the batch (a control); `static` weighs by a difficulty that
each row brings along."""

READS_REASONING = ("redapter", "shuffled")
"""Kinds whose weights need the loss of the reasoning query."""


@dataclass(frozen=True, slots=True)
class LossOptions:
    """The loss of one run.

    `temperature` 0.02 and `kappa` 5 (the largest reasoning intensity; 0: no cap, which is ours: the
    released code would cap at 0) are the released code's; the paper's own kappa is not known.
    `normalize` divides the weights by their sum over the global batch (released default); without
    it the loss is the mean of intensity times loss (ours: the released code sums). `warmup_steps`
    forward passes with gradient are plain means before the weights set in (100 in the released
    script). `mask_other_positives` leaves the positives of other queries out of a query's
    negatives, `mask_near_duplicates` those passages whose cosine with the query's own positive is
    at least that value (0: off); the released code masks nothing.
    Raises `BadInput` for a value out of range.
    """

    kind: str = "redapter"
    temperature: float = 0.02
    kappa: float = 5.0
    normalize: bool = True
    warmup_steps: int = 100
    mask_other_positives: bool = False
    mask_near_duplicates: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no loss can be computed with."""
        if self.kind not in KINDS:
            raise BadInput(f"loss kind {self.kind!r}", fix=f"Choose one of {', '.join(KINDS)}.")
        if not self.temperature > 0:
            raise BadInput(f"temperature = {self.temperature}", fix="It must be above 0.")
        if self.kappa < 0 or self.warmup_steps < 0:
            raise BadInput(
                f"kappa = {self.kappa}, warmup_steps = {self.warmup_steps}",
                fix="They must be 0 or more (kappa 0: no cap).",
            )
        if not 0 <= self.mask_near_duplicates <= 1:
            raise BadInput(
                f"mask_near_duplicates = {self.mask_near_duplicates}",
                fix="It is a cosine: above 0 and at most 1, or 0 for no mask.",
            )

    @property
    def reads_reasoning(self) -> bool:
        """Return whether the loss needs the reasoning-augmented query."""
        return self.kind in READS_REASONING
