"""Fusion methods under ranx's names: from the scores that lists give to one score a document.

Formulas are those of ranx 0.3.21 (`ranx.fusion`), which tests hold them against. A method sees one
query at a time: `[lists, documents]`, NaN where a list does not rank a document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import UnknownName

Matrix: TypeAlias = NDArray[np.float64]
Parameters: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class QueryLists:
    """What the lists say of one query's candidates.

    `scores` are normalised, `ranks` count from 1; both `[lists, documents]` with NaN where a list
    lacks a document (for `scores`: unless missing documents were filled in). `weights` has one
    number a list.
    """

    scores: Matrix
    ranks: Matrix
    weights: Matrix


@dataclass(frozen=True, slots=True)
class Method:
    """One fusion method.

    `combine` returns float64 `[documents]`. `by_rank` methods look at ranks only, so neither a
    norm nor a rule for missing documents changes them. `parameters` maps each parameter to its
    default (`None`: it must be given), `grid` to the values that tuning tries.
    """

    name: str
    combine: Callable[[QueryLists, Parameters], Matrix]
    help: str
    by_rank: bool = False
    weighted: bool = False
    parameters: Mapping[str, float | None] | None = None
    grid: Mapping[str, tuple[float, ...]] | None = None


def _counts(scores: Matrix) -> Matrix:
    """Return how many lists score each document."""
    return np.asarray((~np.isnan(scores)).sum(axis=0), dtype=np.float64)


def _rrf(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(np.nansum(1.0 / (given["k"] + query.ranks), axis=0))


def _rbc(query: QueryLists, given: Parameters) -> Matrix:
    phi = given["phi"]
    return np.asarray(np.nansum((1.0 - phi) * phi ** (query.ranks - 1.0), axis=0))


def _inverse_squares(query: QueryLists) -> Matrix:
    return np.asarray(np.nansum(1.0 / query.ranks**2, axis=0))


def _isr(query: QueryLists, given: Parameters) -> Matrix:
    return _inverse_squares(query) * _counts(query.ranks)


def _log_isr(query: QueryLists, given: Parameters) -> Matrix:
    return _inverse_squares(query) * np.log(_counts(query.ranks))


def _logn_isr(query: QueryLists, given: Parameters) -> Matrix:
    return _inverse_squares(query) * np.log(_counts(query.ranks) + given["sigma"])


def _borda_points(query: QueryLists) -> Matrix:
    """Return Borda's points; unranked documents share what the list has left."""
    total = query.ranks.shape[1]
    ranked = (~np.isnan(query.ranks)).sum(axis=1, keepdims=True)
    unranked = (total - ranked + 1) / 2
    return np.asarray(np.where(np.isnan(query.ranks), unranked, total + 1 - query.ranks))


def _bordafuse(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(_borda_points(query).sum(axis=0))


def _weighted_bordafuse(query: QueryLists, given: Parameters) -> Matrix:
    return query.weights @ _borda_points(query)


def _wsum(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(query.weights @ np.nan_to_num(query.scores))


def _sum(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(np.nansum(query.scores, axis=0))


def _mnz(query: QueryLists, given: Parameters) -> Matrix:
    return _sum(query, given) * _counts(query.scores)


def _gmnz(query: QueryLists, given: Parameters) -> Matrix:
    return _sum(query, given) * _counts(query.scores) ** given["gamma"]


def _anz(query: QueryLists, given: Parameters) -> Matrix:
    return _sum(query, given) / _counts(query.scores)


def _max(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(np.nanmax(query.scores, axis=0))


def _min(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(np.nanmin(query.scores, axis=0))


def _med(query: QueryLists, given: Parameters) -> Matrix:
    return np.asarray(np.nanmedian(query.scores, axis=0))


def _mixed(query: QueryLists, given: Parameters) -> Matrix:
    return _wsum(query, given) * np.sqrt(_counts(query.scores))


def _wmnz(query: QueryLists, given: Parameters) -> Matrix:
    return _sum(query, given) * (query.weights @ ~np.isnan(query.scores))


METHODS = {
    method.name: method
    for method in (
        Method(
            "rrf", _rrf, "reciprocal ranks: sum of 1 / (k + rank)", by_rank=True,
            parameters={"k": 60.0}, grid={"k": (1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 100.0)},
        ),
        Method("wsum", _wsum, "weighted sum", weighted=True),
        Method("sum", _sum, "CombSUM: sum"),
        Method("mnz", _mnz, "CombMNZ: sum × lists that rank it"),
        Method(
            "gmnz", _gmnz, "CombGMNZ: sum × lists ^ gamma", parameters={"gamma": None},
            grid={"gamma": (0.0, 0.25, 0.5, 1.0, 2.0)},
        ),
        Method("anz", _anz, "CombANZ: mean over the lists that rank it"),
        Method("max", _max, "CombMAX: highest score"),
        Method("min", _min, "CombMIN: lowest score"),
        Method("med", _med, "CombMED: median score"),
        Method("mixed", _mixed, "weighted sum × root of lists", weighted=True),
        Method("wmnz", _wmnz, "sum × weights of the lists that rank it", weighted=True),
        Method("isr", _isr, "inverse square ranks × lists", by_rank=True),
        Method("log_isr", _log_isr, "inverse square ranks × ln lists", by_rank=True),
        Method(
            "logn_isr", _logn_isr, "inverse square ranks × ln(lists + sigma)", by_rank=True,
            parameters={"sigma": 0.01}, grid={"sigma": (0.0, 0.01, 0.1, 0.5, 1.0)},
        ),
        Method(
            "rbc", _rbc, "rank-biased centroid, persistence phi", by_rank=True,
            parameters={"phi": None}, grid={"phi": (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)},
        ),
        Method("bordafuse", _bordafuse, "Borda count", by_rank=True),
        Method(
            "w_bordafuse", _weighted_bordafuse, "weighted Borda count", by_rank=True,
            weighted=True,
        ),
    )
}  # fmt: skip
"""Methods by ranx's names."""

_LEARNED = "it learns from the judgements of whole runs, and what is reported must be out of fold"
_BY_CHANCE = "in ranx it orders documents that the lists tie by the order of a hash table"
NOT_OFFERED = {
    **dict.fromkeys(
        ("bayesfuse", "mapfuse", "posfuse", "probfuse", "segfuse", "slidefuse"), _LEARNED
    ),
    "condorcet": _BY_CHANCE,
    "w_condorcet": _BY_CHANCE,
}
"""Methods of ranx that are left out, with the reason."""


def method_named(name: str) -> Method:
    """Return a method; raises `UnknownName`, with the reason for one of ranx that is left out."""
    if name in METHODS:
        return METHODS[name]
    listing = f"Methods are {', '.join(METHODS)}."
    if name in NOT_OFFERED:
        listing = f"ranx has it, but {NOT_OFFERED[name]}. {listing}"
    raise UnknownName("fusion method", name, METHODS, listing=listing)
