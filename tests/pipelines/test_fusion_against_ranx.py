"""Every norm and method against ranx's own code, to 1e-9, on lists without ties."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.core.types import Ranking, Run
from harness.pipelines.fusion import Fusion, FusionSettings, fused_scores
from harness.pipelines.methods import METHODS
from harness.pipelines.norms import NORMS

DRIVER = Path(__file__).with_name("ranx_driver.py")
WEIGHTS = (0.2, 0.5, 0.3)
PARAMETERS = {"gmnz": {"gamma": 0.7}, "rbc": {"phi": 0.8}, "logn_isr": {"sigma": 0.3},
              "rrf": {"k": 11.0}}  # fmt: skip


def random_lists(rng: random.Random) -> list[dict[str, dict[str, float]]]:
    """Three runs over the same queries: no ties, negative scores, lists of 0 to 12 documents."""
    runs = []
    for _ in range(3):
        run = {}
        for query in range(6):
            docs = rng.sample([f"d{at}" for at in range(15)], rng.randint(0 if query else 1, 12))
            values = rng.sample(range(-40, 60), len(docs))
            run[f"q{query}"] = {doc: value / 8 for doc, value in zip(docs, values, strict=True)}
        runs.append(run)
    runs[0]["q0"] = {"d1": 2.5}  # a single document
    return runs


def raised(runs: list[dict[str, dict[str, float]]]) -> list[dict[str, dict[str, float]]]:
    """The runs with scores above 0, which the norm `max` needs."""
    return [
        {qid: {doc: score + 6 for doc, score in docs.items()} for qid, docs in run.items()}
        for run in runs
    ]


def ours(run: dict[str, dict[str, float]]) -> Run:
    """The same run as ours, in no order at all."""
    return Run(
        {
            qid: Ranking(tuple(docs), np.array(list(docs.values()), dtype=np.float32))
            for qid, docs in run.items()
        }
    )


def cases() -> list[tuple[str, str]]:
    return [
        (name, norm)
        for name, method in METHODS.items()
        for norm in (("none",) if method.by_rank else NORMS)
        if norm != "neg-log-rank"
    ]


@pytest.fixture(scope="module")
def by_ranx() -> tuple[list[dict], list[dict]]:
    """Random runs, and what ranx makes of them by method and norm."""
    runs = random_lists(random.Random(7))
    asked = [
        {
            "runs": raised(runs) if norm == "max" else runs,
            "norm": None if norm == "none" else norm,
            "method": name,
            "params": (
                {"weights": list(WEIGHTS)} if METHODS[name].weighted else PARAMETERS.get(name, {})
            ),
        }
        for name, norm in cases()
    ]
    done = subprocess.run(
        [sys.executable, str(DRIVER)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    return runs, json.loads(done.stdout)


@pytest.mark.parametrize("at", range(len(cases())), ids=lambda at: "-".join(cases()[at]))
def test_equals_ranx(at: int, by_ranx: tuple[list[dict], list[dict]]):
    runs, expected = by_ranx[0], by_ranx[1][at]
    name, norm = cases()[at]
    method = METHODS[name]
    fusion = Fusion.of(
        FusionSettings(
            method=name,
            norm="" if method.by_rank else norm,
            missing="" if method.by_rank or norm == "borda" else "zero",
            weights=WEIGHTS if method.weighted else (),
            parameters=PARAMETERS.get(name, {}),
        ),
        runs=3,
    )
    mine = [ours(run) for run in (raised(runs) if norm == "max" else runs)]
    assert set(expected) == {f"q{query}" for query in range(6)}
    for qid, wanted in expected.items():
        ids, scores = fused_scores([run.rankings[qid] for run in mine], fusion)
        assert set(ids) == set(wanted)
        for doc, score in zip(ids, scores.tolist(), strict=True):
            assert score == pytest.approx(wanted[doc], abs=1e-9, rel=1e-9), (qid, doc)


def test_every_method_and_norm_of_ranx_is_offered_or_named_as_left_out():
    import inspect

    from ranx.fusion import fusion_switch
    from ranx.normalization import norm_switch

    from harness.pipelines.methods import NOT_OFFERED
    from harness.pipelines.norms import ALIASES

    quoted = set(inspect.getsource(fusion_switch).split('"')[1::2]) - {
        "Fusion method {method} not supported."
    }
    assert quoted == set(METHODS) | set(NOT_OFFERED)
    norms = set(inspect.getsource(norm_switch).split('"')[1::2]) - {
        "Normalization method {method} not supported."
    }
    assert norms == (set(NORMS) | set(ALIASES)) - {"none", "neg-log-rank"}
