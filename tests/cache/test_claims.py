"""Several processes on the same texts: each batch is encoded once, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.cache.claims import BatchClaims, is_held
from tests.helpers.claim_driver import TEXTS

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from harness.cache.claims import BatchClaims
with BatchClaims(Path(sys.argv[1])) as claims:
    assert claims.take("a")
    print("held", flush=True)
    sys.stdin.read()
"""


def start(cache: Path, log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.claim_driver", str(cache), str(log)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
    )


def encoded(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("processes", [2, 4])
def test_evals_at_once_encode_at_most_a_batch_each_twice(tmp_path: Path, processes: int):
    log = tmp_path / "log"
    running = [start(tmp_path / "cache", log) for _ in range(processes)]
    for each in running:
        _, said = each.communicate()
        assert each.returncode == 0, said
    batches = encoded(log)
    counts = Counter(text for batch in batches for text in batch["texts"])
    assert set(counts) == set(TEXTS)
    largest = max(len(batch["texts"]) for batch in batches)
    assert sum(counts.values()) - len(TEXTS) <= (processes - 1) * largest
    assert not list((tmp_path / "cache").rglob("*.claim"))
    assert not list((tmp_path / "cache").rglob("*.owner"))


def test_what_a_killed_process_claimed_is_encoded_by_the_others(tmp_path: Path):
    log = tmp_path / "log"
    first, second = start(tmp_path / "cache", log), start(tmp_path / "cache", log)
    while not log.exists() and first.poll() is None:
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _, said = second.communicate()
    assert second.returncode == 0, said
    assert {text for batch in encoded(log) for text in batch["texts"]} == set(TEXTS)


def test_a_claim_lasts_as_long_as_its_owner(tmp_path: Path):
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert owner.stdout.readline() == "held\n"
    with BatchClaims(tmp_path) as claims:
        assert not claims.take("a")
        assert not claims.free("a")
        assert claims.take("b")
        assert claims.take("b")
        os.kill(owner.pid, signal.SIGKILL)
        owner.communicate()
        assert claims.free("a")
        assert claims.take("a")
        assert is_held(tmp_path / "a.claim")
    with BatchClaims(tmp_path) as later:
        assert later.take("c")
    assert list(tmp_path.iterdir()) == []


def test_two_holders_in_one_process_respect_each_other(tmp_path: Path):
    with BatchClaims(tmp_path) as one, BatchClaims(tmp_path) as other:
        assert one.take("x")
        assert not other.take("x")
        one.release()
        assert other.take("x")
        other.ignore()
        assert other.take("y")


def test_without_a_folder_to_write_there_are_no_claims(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with BatchClaims(tmp_path / "file" / "claims") as claims:
        assert claims.take("x")
