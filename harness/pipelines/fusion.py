"""Fusing runs: settings that are checked once, and one fused run for all queries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import BadInput, UnknownName
from harness.core.types import Json, Ranking, Run
from harness.pipelines.methods import Matrix, Method, QueryLists, method_named
from harness.pipelines.norms import Missing, Norm, Scores64, missing_rule, norm_named

DEFAULT_NORM = "min-max"
"""Of methods that read scores, as in `ranx.fuse`."""

EMPTY = Ranking((), np.empty(0, dtype=np.float32))


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How runs are fused, as asked for; `checked` gives the settings in full.

    `norm` and `missing` are empty for the default; `depth` cuts each list before it is fused
    (`None`: lists count whole). `weights` holds one number a run, or none for equal ones.
    """

    method: str = "rrf"
    norm: str = ""
    missing: str = ""
    weights: tuple[float, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class Fusion:
    """Settings that were checked for a number of runs; `Fusion.of` makes it."""

    method: Method
    norm: Norm
    missing: Missing
    weights: tuple[float, ...]
    parameters: Mapping[str, float]
    depth: int | None

    @classmethod
    def of(cls, settings: FusionSettings, runs: int) -> Fusion:
        """Check settings for so many runs; raises `BadInput` and `UnknownName`."""
        if runs < 2:
            raise BadInput(f"{runs} run cannot be fused", fix="Name two runs or more.")
        if settings.depth is not None and settings.depth < 1:
            raise BadInput(f"--depth is {settings.depth}", fix="Give at least 1 document a list.")
        method = method_named(settings.method)
        norm = _norm(method, settings)
        return cls(
            method=method,
            norm=norm,
            missing=_missing(method, norm, settings.missing),
            weights=_weights(method, settings.weights, runs),
            parameters=_parameters(method, settings.parameters),
            depth=settings.depth,
        )

    @property
    def json(self) -> dict[str, Json]:
        """The settings as an entry's identity holds them; those without effect are left out."""
        said: dict[str, Json] = {"method": self.method.name}
        if not self.method.by_rank:
            said |= {"norm": self.norm.name, "missing": self.missing}
        if self.method.weighted:
            said["weights"] = list(self.weights)
        if self.parameters:
            said["parameters"] = dict(self.parameters)
        if self.depth is not None:
            said["depth"] = self.depth
        return said


@dataclass(frozen=True, slots=True)
class Fused:
    """A fused run, and what happened that a reader should know.

    `only_in` counts, per run, the queries that no other run ranks anything for; `flat` counts the
    lists, one a run and query, whose scores are all equal (or that hold one document), where
    the norm turns such a list into zeros.
    """

    run: Run
    only_in: tuple[int, ...]
    flat: int
    lists: int


def fuse_runs(runs: Sequence[Run], fusion: Fusion, k: int) -> Fused:
    """Fuse runs over the union of their queries; each query keeps its best `k` documents.

    Lists are taken in the protocol's order (float32 score, equal ones by id descending), whatever
    order they came in. A query that a run lacks is an empty list of that run.
    """
    queries = dict.fromkeys(qid for run in runs for qid in run.rankings)
    rankings: dict[str, Ranking] = {}
    only_in = [0] * len(runs)
    flat = lists = 0
    for qid in queries:
        found = [_cut(run.rankings.get(qid, EMPTY), fusion.depth) for run in runs]
        filled = [place for place, ranking in enumerate(found) if len(ranking)]
        if len(filled) == 1:
            only_in[filled[0]] += 1
        lists += len(filled)
        if fusion.norm.flat_is_zero and not fusion.method.by_rank:
            flat += sum(not np.ptp(found[place].scores) for place in filled)
        ids, scores = fused_scores(found, fusion)
        rankings[qid] = ranked(ids, scores, k)
    return Fused(Run(rankings), tuple(only_in), flat, lists)


def fused_scores(rankings: Sequence[Ranking], fusion: Fusion) -> tuple[tuple[str, ...], Scores64]:
    """Return one query's candidates, unordered, and their fused scores in float64."""
    ordered = [in_protocol_order(ranking) for ranking in rankings]
    places: dict[str, int] = {}
    for ranking in ordered:
        for doc in ranking.doc_ids:
            places.setdefault(doc, len(places))
    ids = tuple(places)
    if not ids:
        return ids, np.empty(0)
    ranks = np.full((len(ordered), len(ids)), np.nan)
    scores = np.full((len(ordered), len(ids)), np.nan)
    for row, ranking in enumerate(ordered):
        if not len(ranking):
            continue
        columns = [places[doc] for doc in ranking.doc_ids]
        ranks[row, columns] = np.arange(1, len(ranking) + 1)
        if not fusion.method.by_rank:
            scores[row, columns] = fusion.norm.apply(ranking.scores.astype(np.float64))
    if not fusion.method.by_rank:
        scores = _filled(scores, ranks, fusion)
    query = QueryLists(scores, ranks, np.asarray(fusion.weights, dtype=np.float64))
    return ids, fusion.method.combine(query, fusion.parameters)


def _filled(scores: Matrix, ranks: Matrix, fusion: Fusion) -> Matrix:
    """Return the scores with missing documents filled in where the settings ask for it."""
    counts = (~np.isnan(ranks)).sum(axis=1, keepdims=True)
    total = ranks.shape[1]
    if fusion.norm.fills:
        unranked = 0.5 - (counts - 1) / (2 * total)
        return np.asarray(np.where(np.isnan(ranks), unranked, 1.0 - (ranks - 1.0) / total))
    if fusion.missing == "zero":
        return scores
    if fusion.norm.name == "neg-log-rank":
        lowest = -np.log(counts + 1.0)
    else:
        lowest = np.min(np.where(np.isnan(scores), np.inf, scores), axis=1, keepdims=True)
        lowest[~np.isfinite(lowest)] = 0.0  # an empty list says nothing of any document
    return np.asarray(np.where(np.isnan(scores), lowest, scores))


def in_protocol_order(ranking: Ranking) -> Ranking:
    """Return a ranking by float32 score, equal scores by document id descending.

    One that stands so already, as all read and stored rankings do, is returned as it is.
    """
    scores = ranking.scores
    steps = np.diff(scores)
    if (steps < 0).all():
        return ranking
    if (steps <= 0).all():
        ties = np.flatnonzero(steps == 0)
        ids = ranking.doc_ids
        if all(ids[place] > ids[place + 1] for place in ties.tolist()):
            return ranking
    return ranked(ranking.doc_ids, scores, len(ranking))


def ranked(ids: Sequence[str], scores: NDArray[np.float32] | Scores64, k: int) -> Ranking:
    """Return the best `k` documents as a ranking in the protocol's order."""
    single = np.asarray(scores, dtype=np.float32)
    order = np.argsort(-single, kind="stable")
    if len(single) > 1 and not np.diff(single[order]).all():
        order = np.array(
            sorted(range(len(ids)), key=lambda at: (single[at], ids[at]), reverse=True)
        )
    kept = order[:k]
    return Ranking(tuple(ids[at] for at in kept.tolist()), single[kept])


def _cut(ranking: Ranking, depth: int | None) -> Ranking:
    """Return the first documents of a ranking in the protocol's order."""
    ordered = in_protocol_order(ranking)
    if depth is None or len(ordered) <= depth:
        return ordered
    return Ranking(ordered.doc_ids[:depth], ordered.scores[:depth])


def _norm(method: Method, settings: FusionSettings) -> Norm:
    """Return the norm; a method that reads ranks takes none."""
    if not method.by_rank:
        return norm_named(settings.norm or DEFAULT_NORM)
    if settings.norm:
        norm_named(settings.norm)
        raise BadInput(
            f"{method.name} reads ranks only, so the norm {settings.norm} would change nothing",
            fix="Leave --norm out, or take a method that reads scores, such as wsum.",
        )
    return norm_named("none")


def _missing(method: Method, norm: Norm, asked: str) -> Missing:
    """Return the rule for missing documents; a method that reads ranks has its own."""
    if method.by_rank and asked:
        raise BadInput(
            f"{method.name} reads ranks only, and has a rule of its own for missing documents",
            fix="Leave --missing out, or take a method that reads scores, such as wsum.",
        )
    if norm.fills and asked:
        raise BadInput(
            f"the norm {norm.name} scores every candidate in every list, so none is missing",
            fix="Leave --missing out.",
        )
    return missing_rule(norm, asked)


def _weights(method: Method, given: Sequence[float], runs: int) -> tuple[float, ...]:
    """Return one weight a run; equal ones where none are given."""
    if not given:
        return (1.0 / runs,) * runs if method.weighted else (1.0,) * runs
    if not method.weighted:
        raise BadInput(
            f"{method.name} has no weights, and {len(given)} were given",
            fix="Leave --weights out, or take wsum, mixed, wmnz or w_bordafuse.",
        )
    if len(given) != runs:
        raise BadInput(
            f"{len(given)} weights for {runs} runs", fix="Give one weight a run, in their order."
        )
    for weight in given:
        if not math.isfinite(weight) or weight < 0:
            raise BadInput(f"a weight is {weight}", fix="Weights are numbers from 0.")
    if not math.fsum(given) > 0:
        raise BadInput("all weights are 0", fix="Give at least one run a weight above 0.")
    return tuple(map(float, given))


_RANGES: Mapping[str, tuple[float, float]] = {
    "k": (0.0, 1e9), "gamma": (0.0, 100.0), "sigma": (0.0, 1.0), "phi": (0.0, 1.0),
}  # fmt: skip
"""Allowed values of parameters, ends included (`phi`: below 1)."""


def _parameters(method: Method, given: Mapping[str, float]) -> dict[str, float]:
    """Return a method's parameters in full."""
    known = method.parameters or {}
    for name, value in given.items():
        if name not in known:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise BadInput(f"{method.name} has no parameter {name!r}", fix=takes)
        low, high = _RANGES[name]
        if not low <= value <= high or (name == "phi" and value == high):
            raise BadInput(f"{name} is {value}", fix=f"Give a number from {low:g} to {high:g}.")
    complete: dict[str, float] = {}
    for name, default in known.items():
        chosen = given.get(name, default)
        if chosen is None:
            raise BadInput(
                f"{method.name} needs its parameter {name}",
                fix=f"Give --param {name}=NUMBER, or choose it out of fold with --tune.",
            )
        complete[name] = float(chosen)
    return complete


def read_weights(text: str, labels: Sequence[str]) -> tuple[float, ...]:
    """Return one weight a run from `0.5,0.5` (in the runs' order) or `NAME=0.75,NAME=0.25`.

    Nothing for an empty text. Raises `BadInput` for what is no number, and for a name that is none
    of `labels` or that is left out.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not any("=" in part for part in parts):
        return tuple(_number("a weight", part) for part in parts)
    named = dict(_named_number("a weight", part) for part in parts)
    for name in named:
        if name not in labels:
            raise UnknownName("run", name, labels, listing=f"Fused are {', '.join(labels)}.")
    for label in labels:
        if label not in named:
            raise BadInput(f"{label} has no weight", fix=f"Add {label}=NUMBER, which may be 0.")
    return tuple(named[label] for label in labels)


def read_parameters(texts: Sequence[str]) -> dict[str, float]:
    """Return parameters from `NAME=NUMBER` each; raises `BadInput`."""
    return dict(_named_number("a parameter", text) for text in texts)


def _named_number(what: str, text: str) -> tuple[str, float]:
    """Return the two sides of `NAME=NUMBER`."""
    name, _, value = text.rpartition("=")
    return name.strip(), _number(f"{what} ({name.strip() or 'without a name'})", value)


def _number(what: str, text: str) -> float:
    """Return a number; raises `BadInput`."""
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"{what} is {text!r}", fix="Give a number.") from error
