"""Vectors within a bound of memory: the same run, a mapped file, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cache.store import EmbeddingStore
from harness.core import memory
from harness.core.errors import BadInput, StoreError
from harness.core.memory import LEAST, UNITS, Room, parse_size
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.retrieval.dense import DenseRetriever
from tests.helpers.cache_embedders import Asleep, Recorder, Watched, some_texts

ROOT = Path(__file__).resolve().parents[2]
TIGHT = Room(limit=4000)
"""Less than two vectors, so that everything is mapped, and scores come a few rows at a time."""

PROBE = """
import json, sys
from pathlib import Path
import numpy as np
from harness.core.memory import Room
from harness.search.dense import DenseSearch, search_dense

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return 1024 * (int(kib["RssAnon"]) + int(kib["RssShmem"]))

limit = int(sys.argv[1])
room = Room(limit, Path(sys.argv[2]))
rows, width = 60_000, 512
documents = room.matrix(rows, width)
draw = np.random.default_rng(0)
before = most = held()
for start in range(0, rows, 2000):
    documents[start : start + 2000] = draw.standard_normal((2000, width), dtype=np.float32)
    most = max(most, held())
queries = draw.standard_normal((40, width), dtype=np.float32)
ids = [f"d{row}" for row in range(rows)]
asked = [(str(row), frozenset()) for row in range(40)]
how = DenseSearch("numpy", score_bytes=room.score_bytes or 1 << 28)
run = search_dense(queries, documents, ids, asked, 5, how)
most = max(most, held())
first = {qid: list(ranking.doc_ids) for qid, ranking in run.rankings.items()}
print(json.dumps([most - before, documents.nbytes, first]))
"""


def small_task() -> Task:
    texts = some_texts(50)
    return Task(
        name="tides", group="test", revision="1", query_set="original",
        queries=tuple(Query(f"q{at}", texts[at]) for at in range(9)),
        qrels={f"q{at}": {f"d{at}": 1} for at in range(9)},
        excluded={"q1": frozenset({"d1", "d2"})}, head_metric="ndcg@10",
        prompt_fields=PromptFields("tides", "Tides", "Tides post", "post", "passages"),
        corpus=Corpus(tuple(f"d{row}" for row in range(50)), tuple(texts)),
    )  # fmt: skip


@pytest.mark.parametrize("index", ["", "Flat"])
def test_a_bounded_search_ranks_as_an_unbounded_one(tmp_path: Path, index: str):
    store = EmbeddingStore(tmp_path)
    free = DenseRetriever(Watched(), store, index=index).search(small_task(), 50, Recorder())
    room = Room(TIGHT.limit, tmp_path / "mapped")
    tight = DenseRetriever(Asleep(), store, index=index, room=room)
    found = tight.search(small_task(), 50, Recorder())
    for query, ranking in free.run.rankings.items():
        assert found.run.rankings[query].doc_ids == ranking.doc_ids
        assert np.allclose(found.run.rankings[query].scores, ranking.scores, atol=1e-6)
    assert found.facts["memory"] == {"limit": TIGHT.limit, "mapped": True}
    assert "memory" not in free.facts
    assert os.listdir(tmp_path / "mapped") == [], "the mapped file has no name"


def test_what_is_mapped_takes_no_memory_of_its_own(tmp_path: Path):
    def probe(limit: int) -> list:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, str(limit), str(tmp_path)],
            capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        return json.loads(done.stdout)

    bounded, nbytes, first = probe(LEAST)
    free, _, expected = probe(0)
    assert nbytes > 1.5 * LEAST
    assert bounded < LEAST
    assert free > nbytes
    assert first == expected


def test_without_a_bound_what_is_free_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:  100 kB\nMemAvailable:    10 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", told)
    assert Room().is_mapped(9 * 1024)
    assert not Room().is_mapped(8 * 1024)
    told.write_text("MemAvailable: many\n")
    assert not Room().is_mapped(1 << 40), "where nothing is known nothing is mapped"


def test_a_full_disk_is_said_and_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StoreError, match=r"0\.0 GB of vectors .* No space left"):
        Room(100, tmp_path).matrix(10, 10)
    assert os.listdir(tmp_path) == []


@given(st.integers(LEAST, 10**15), st.sampled_from(sorted(UNITS)))
def test_sizes_are_read_with_their_units(size: int, unit: str):
    number = size // UNITS[unit] + 1
    if number < 10**12 and number * UNITS[unit] >= LEAST:
        assert (
            parse_size(f"{number}{unit}")
            == parse_size(f" {number} {unit.lower()}")
            == (number * UNITS[unit])
        )


@pytest.mark.parametrize(
    "text", ["4 GX", "GB", "-1GB", "1e9", "nan", "4GB4GB", "10MB", "0", "9" * 30, "１２GB"]
)
def test_what_is_no_size_is_refused(text: str):
    with pytest.raises(BadInput, match=r"size|too little"):
        parse_size(text)
