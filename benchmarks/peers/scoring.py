"""Sides that start from rankings in memory: metrics, significance and fusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.types import Run

Work = Callable[[], Sequence[float]]
NAMES = ("ndcg@10", "recall@100", "map@1000")


def ranked(size: int) -> tuple[Run, dict[str, dict[str, int]]]:
    """Return a run of `size` queries and its judgements."""
    from benchmarks.metrics_vs_pytrec_eval import make_data

    run, qrels = make_data()
    kept = list(run.rankings)[:size]
    return Run({qid: run.rankings[qid] for qid in kept}), {qid: qrels[qid] for qid in kept}


def as_dicts(run: Run) -> dict[str, dict[str, float]]:
    """Return a run as the peers read it."""
    from benchmarks.metrics_vs_pytrec_eval import dictionaries

    return dictionaries(run)


def metrics(size: int, _: Path) -> Work:
    from harness.metrics.names import parse_metric
    from harness.metrics.score import score

    run, qrels = ranked(size)
    wanted = [parse_metric(name) for name in NAMES]

    def work() -> Sequence[float]:
        means = score(run, qrels, wanted).means
        return [means[name] for name in NAMES]

    return work


def metrics_ranx(size: int, _: Path) -> Work:
    import ranx

    run, qrels = ranked(size)
    given = as_dicts(run)
    wanted = ["ndcg@10", "recall@100", "map"]

    def evaluated(rankings: dict[str, dict[str, float]]) -> Any:
        judged = ranx.Qrels({qid: qrels[qid] for qid in rankings})
        return ranx.evaluate(judged, ranx.Run(rankings), wanted)

    evaluated(given)  # compiles, anew for each length of an id

    def work() -> Sequence[float]:
        found = evaluated(given)
        return [found[name] for name in wanted]

    return work


def metrics_ir_measures(size: int, _: Path) -> Work:
    import ir_measures
    from ir_measures import AP, R, nDCG

    run, qrels = ranked(size)
    given = as_dicts(run)
    wanted = [nDCG @ 10, R @ 100, AP]

    def work() -> Sequence[float]:
        found = ir_measures.calc_aggregate(wanted, qrels, given)
        return [found[name] for name in wanted]

    return work


def systems(size: int) -> Any:
    """Return values of the first systems."""
    from benchmarks.permutation_vs_ranx import make_values

    return make_values()[:size]


def significance(size: int, _: Path) -> Work:
    from harness.stats.paired import sign_flip_pairs

    values = systems(size)

    def work() -> Sequence[float]:
        p = sign_flip_pairs(values, np.random.default_rng(1), permutations=10_000)
        return [float(p[pair]) for pair in combinations(range(size), 2)]

    return work


def significance_ranx(size: int, _: Path) -> Work:
    from harness.stats.ranx_tests import fisher

    values = systems(size)
    fisher(values[0], values[1], permutations=10)  # compiles
    return lambda: [
        fisher(values[one], values[two], permutations=10_000)
        for one, two in combinations(range(size), 2)
    ]


def pair_of_runs(size: int) -> Any:
    """Return two runs of `size` queries in all."""
    from benchmarks.fuse_vs_ranx import made_up

    runs: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for at, pair in enumerate(made_up()):
        for kept, run in zip(runs, pair, strict=True):
            kept.update({f"{at}-{qid}": each for qid, each in run.rankings.items()})
    return tuple(Run({qid: kept[qid] for qid in list(kept)[:size]}) for kept in runs)


def best_scores(run: Run, queries: Sequence[str]) -> list[float]:
    """Return the best 10 scores of each query, in the order of the queries."""
    best = (np.sort(run.rankings[qid].scores)[::-1][:10].tolist() for qid in queries)
    return [score for each in best for score in each]


def fusion(size: int, _: Path) -> Work:
    from harness.pipelines.fusion import Fusion, FusionSettings, fuse_runs

    runs = pair_of_runs(size)
    how = Fusion.of(FusionSettings(method="rrf"), 2)
    return lambda: best_scores(fuse_runs(runs, how, 100).run, list(runs[0].rankings))


def fusion_ranx(size: int, _: Path) -> Work:
    from benchmarks.fuse_vs_ranx import by_ranx

    runs = pair_of_runs(size)
    by_ranx([runs], None, "rrf", {"k": 60})  # compiles, anew for each length of an id
    queries = list(runs[0].rankings)
    return lambda: best_scores(by_ranx([runs], None, "rrf", {"k": 60})[0], queries)
