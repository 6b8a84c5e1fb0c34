"""Score normalisation of one query's list, under ranx's names, and `neg-log-rank`.

Formulas are those of ranx 0.3.21 (`ranx.normalization`), which tests hold them against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import BadInput, UnknownName

Scores64: TypeAlias = NDArray[np.float64]
Missing: TypeAlias = Literal["zero", "lowest"]

LEAST_SPREAD = 1e-9
"""Divisors are no smaller than this, as in ranx: an all-equal list becomes all zeros."""


@dataclass(frozen=True, slots=True)
class Norm:
    """One normalisation.

    `apply` maps a query's float64 scores `[n]`, best first, to as many; `flat_is_zero` tells that
    a list of equal scores comes out as zeros; `missing` is how a document that the list lacks
    counts unless somebody says otherwise, and `refused` what must not be said, with the reason.
    `fills` tells that every list is filled up to all candidates, so that nothing is missing.
    """

    name: str
    apply: Callable[[Scores64], Scores64]
    help: str
    flat_is_zero: bool = False
    missing: Missing = "zero"
    refused: Mapping[Missing, str] | None = None
    fills: bool = False


def _same(scores: Scores64) -> Scores64:
    return scores


def _min_max(scores: Scores64) -> Scores64:
    return np.asarray((scores - scores.min()) / max(float(np.ptp(scores)), LEAST_SPREAD))


def _min_max_inverted(scores: Scores64) -> Scores64:
    return np.asarray((scores.max() - scores) / max(float(np.ptp(scores)), LEAST_SPREAD))


def _max(scores: Scores64) -> Scores64:
    highest = float(scores.max())
    if highest <= 0:
        raise BadInput(
            f"the norm max divides by the highest score of a list, and one has {highest:g}",
            fix="Take min-max, zmuv or rank: they hold for scores of any sign.",
        )
    return scores / highest


def _sum(scores: Scores64) -> Scores64:
    shifted = scores - scores.min()
    return np.asarray(shifted / max(float(shifted.sum()), LEAST_SPREAD))


def _zmuv(scores: Scores64) -> Scores64:
    return np.asarray((scores - scores.mean()) / max(float(scores.std()), LEAST_SPREAD))


def _rank(scores: Scores64) -> Scores64:
    return np.asarray(1.0 - np.arange(len(scores)) / len(scores))


def _neg_log_rank(scores: Scores64) -> Scores64:
    return np.asarray(-np.log(np.arange(1, len(scores) + 1, dtype=np.float64)))


_BEST_IS_ZERO = "0 is the score of the first rank there, so a missing document would come first"

NORMS = {
    norm.name: norm
    for norm in (
        Norm("none", _same, "scores as they are"),
        Norm("min-max", _min_max, "lowest score 0, highest 1", flat_is_zero=True),
        Norm(
            "min-max-inverted", _min_max_inverted, "min-max of distances: lowest is best",
            flat_is_zero=True,
        ),
        Norm("max", _max, "divided by the highest score"),
        Norm("sum", _sum, "lowest score 0, sum 1", flat_is_zero=True),
        Norm(
            "zmuv", _zmuv, "mean 0, variance 1", flat_is_zero=True, missing="lowest",
        ),
        Norm("rank", _rank, "1 - (rank - 1) / documents"),
        Norm("borda", _same, "share of all candidates ranked below", fills=True),
        Norm(
            "neg-log-rank", _neg_log_rank, "-ln(rank), as DIVER merges rerankers",
            missing="lowest", refused={"zero": _BEST_IS_ZERO},
        ),
    )
}  # fmt: skip
"""Norms by name. `neg-log-rank` is DIVER's (AQ-MedAI/Diver 95b111b), the others are ranx's."""

ALIASES = {"min_max": "min-max", "min_max_inverted": "min-max-inverted"}


def norm_named(name: str) -> Norm:
    """Return a norm; raises `UnknownName`."""
    known = ALIASES.get(name, name)
    if known not in NORMS:
        raise UnknownName("norm", name, NORMS, listing=f"Norms are {', '.join(NORMS)}.")
    return NORMS[known]


def missing_rule(norm: Norm, asked: str) -> Missing:
    """Return how missing documents count: as asked, or the norm's own rule for an empty text.

    Raises `UnknownName` for another rule and `BadInput` for one that the norm refuses.
    """
    if not asked:
        return norm.missing
    rules: dict[str, Missing] = {"zero": "zero", "lowest": "lowest"}
    if asked not in rules:
        raise UnknownName("rule for missing documents", asked, rules, listing="zero or lowest.")
    reason = (norm.refused or {}).get(rules[asked])
    if reason is not None:
        raise BadInput(
            f"--missing {asked} does not go with the norm {norm.name}: {reason}",
            fix=f"Leave --missing out; {norm.name} takes {norm.missing}.",
        )
    return rules[asked]
