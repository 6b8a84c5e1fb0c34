"""Choosing weights, parameters and depth out of fold: what is reported was never looked at.

For each fold, the setting with the best mean over tasks on the *other* folds is chosen and used for
the queries of that fold alone. One setting serves all tasks, so that a hundred queries of one task
do not choose for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from harness.core.errors import BadInput
from harness.core.types import Json, Run
from harness.data.folds import FOLDS, FOLDS_VERSION, fold_of
from harness.derived import EntryReader
from harness.metrics.headroom import run_depth
from harness.metrics.names import Metric, parse_metric
from harness.metrics.score import score
from harness.pipelines.fusion import Fused, Fusion, FusionSettings, fuse_runs
from harness.pipelines.methods import method_named
from harness.pipelines.parts import Parts
from results.schema import Entry

DEPTHS = (10, 20, 50, 100)
"""Depths of the lists that tuning tries, beside their whole length."""

WEIGHT_STEPS = {2: 10, 3: 10, 4: 5}
"""Parts -> steps that the weight 1 is shared out in; more parts take 4, which keeps the grid to
some hundred settings."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The fusion chosen for each fold, and how: over `tried` settings by `metric`."""

    by_fold: Mapping[int, Fusion]
    metric: str
    tried: int

    @property
    def json(self) -> dict[str, Json]:
        """What an entry's identity says: that it was tuned, on which folds, to what."""
        return {
            "tuned": {
                "folds": FOLDS,
                "folds_version": FOLDS_VERSION,
                "metric": self.metric,
                "tried": self.tried,
                "by_fold": {str(fold): fusion.json for fold, fusion in self.by_fold.items()},
            }
        }


def was_tuned(entry: Entry) -> bool:
    """Tell whether a setting of an entry, or of its parts, was chosen by looking at gold."""
    return "tuned" in entry.identity or bool(entry.identity.get("of_tuned"))


def choose_by_fold(parts: Parts, settings: FusionSettings, reader: EntryReader) -> Tuned:
    """Choose a fusion for each fold on the queries of the other folds, by the head metric.

    Of equally good settings the first of the grid is taken. Raises `BadInput` where nothing is left
    to choose, where the queries of a fold have no others to choose on, and for a part that was
    tuned itself: its values on the other folds were chosen with a look at the reported one.
    """
    for part in parts.parts:
        if any(was_tuned(part.system.entries[task]) for task in parts.tasks):
            raise BadInput(
                f"{part.label} was tuned itself: on the other folds its settings were chosen with "
                "a look at the queries that would be reported",
                fix="Fuse what it was made of, or give the settings instead of --tune.",
            )
    metric = _metric(parts)
    runs = {task: [part.run(task, reader) for part in parts.parts] for task in parts.tasks}
    deepest = max(run_depth(run) for own in runs.values() for run in own)
    grid = list(fusion_grid(settings, len(parts.parts), deepest))
    if len(grid) < 2:
        raise BadInput(
            "there is nothing to tune: all settings are given, or the method has none",
            fix="Leave out what is to be chosen (--weights, --param, --depth), or --tune.",
        )
    sums = _fold_means(parts, runs, grid, metric, reader)
    by_fold = {}
    for fold in range(FOLDS):
        if not any(fold in own for own in sums[0].values()):
            continue
        values = [_mean_without(fold, own) for own in sums]
        by_fold[fold] = grid[max(range(len(grid)), key=lambda at: (values[at], -at))]
    return Tuned(by_fold, str(metric), len(grid))


def fuse_by_fold(runs: Sequence[Run], task: str, tuned: Tuned, k: int) -> Fused:
    """Fuse the runs of a task, each query with the settings chosen for its fold."""
    fused = []
    for fold, fusion in tuned.by_fold.items():
        own = [
            Run({q: r for q, r in run.rankings.items() if fold_of(task, q) == fold}) for run in runs
        ]
        fused.append(fuse_runs(own, fusion, k))
    by_query = {q: r for each in fused for q, r in each.run.rankings.items()}
    order = dict.fromkeys(q for run in runs for q in run.rankings)
    return Fused(
        run=Run({qid: by_query[qid] for qid in order}),
        only_in=tuple(map(sum, zip(*(each.only_in for each in fused), strict=True))),
        flat=sum(each.flat for each in fused),
        lists=sum(each.lists for each in fused),
    )


def fusion_grid(settings: FusionSettings, runs: int, deepest: int) -> Iterator[Fusion]:
    """Yield every fusion that the open settings allow: given ones stay as they are.

    Weights that are shared out more equally, and deeper lists, come first, so that they win ties.
    """
    method = method_named(settings.method)
    weights: list[tuple[float, ...]] = [settings.weights]
    if method.weighted and not settings.weights:
        weights = weight_grid(runs)
    depths: list[int | None] = [settings.depth]
    if settings.depth is None:
        depths = [None, *sorted((depth for depth in DEPTHS if depth < deepest), reverse=True)]
    grid = method.grid or {}
    names = list(method.parameters or {})
    values = [
        (settings.parameters[name],) if name in settings.parameters else grid[name]
        for name in names
    ]
    for depth, own, given in product(depths, weights, product(*values)):
        parameters = {**settings.parameters, **dict(zip(names, given, strict=True))}
        asked = replace(settings, weights=own, parameters=parameters, depth=depth)
        yield Fusion.of(asked, runs)


def weight_grid(runs: int) -> list[tuple[float, ...]]:
    """Return weights that sum to 1 in equal steps, the most equal ones first."""
    steps = WEIGHT_STEPS.get(runs, 4)
    shares = [s for s in product(range(steps + 1), repeat=runs) if sum(s) == steps]
    shares.sort(key=lambda share: (sum(part * part for part in share), share))
    return [tuple(part / steps for part in share) for share in shares]


def _metric(parts: Parts) -> Metric:
    """Return the head metric of the tasks; raises `BadInput` where they have several."""
    heads = dict.fromkeys(parts.facts(task).head_metric for task in parts.tasks)
    if len(heads) > 1:
        raise BadInput(
            f"these tasks are headed by different metrics: {', '.join(heads)}",
            fix="Tune on tasks of one metric, chosen with --tasks.",
        )
    return parse_metric(next(iter(heads)))


ByFold = Mapping[str, Mapping[int, Sequence[float]]]
"""Task -> fold -> the values of its queries."""


def _fold_means(
    parts: Parts,
    runs: Mapping[str, Sequence[Run]],
    grid: Sequence[Fusion],
    metric: Metric,
    reader: EntryReader,
) -> list[dict[str, dict[int, list[float]]]]:
    """Return, for each fusion of a grid, its values by task and fold."""
    k = metric.cutoff or 1_000_000
    found: list[dict[str, dict[int, list[float]]]] = [{} for _ in grid]
    for task in parts.tasks:
        judged = parts.judgements(task, reader)
        for at, fusion in enumerate(grid):
            fused = fuse_runs(runs[task], fusion, k).run
            values = score(fused, judged.qrels, (metric,), judged.aspects).per_query[str(metric)]
            by_fold: dict[int, list[float]] = {}
            for qid, value in values.items():
                by_fold.setdefault(fold_of(task, qid), []).append(value)
            found[at][task] = by_fold
    return found


def _mean_without(fold: int, values: ByFold) -> float:
    """Return the mean over tasks of the means over queries outside a fold."""
    means = []
    for by_fold in values.values():
        others = [value for other, own in by_fold.items() if other != fold for value in own]
        if others:
            means.append(math.fsum(others) / len(others))
    if not means:
        raise BadInput(
            f"all queries are in fold {fold}, so none is left to choose settings on",
            fix="Tune over more queries or more tasks, or give the settings.",
        )
    return math.fsum(means) / len(means)
