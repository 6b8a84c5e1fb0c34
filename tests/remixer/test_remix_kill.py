"""Killed at random moments and started again: equal files, and no answer paid for twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.helpers.chat_server import ChatServer
from tests.helpers.remix_corpus import contents

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("REBENCH_KILLS", "5"))
"""`REBENCH_KILLS=20` is the count that the design asks for; it takes longer."""


def start(folder: Path, server: ChatServer) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.remix_driver", str(folder), server.url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen) -> None:
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()


def wait_for_answers(server: ChatServer, count: int, process: subprocess.Popen) -> None:
    """Wait until so many answers were given, or the process ended."""
    while sum(server.answered.values()) < count and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.003)


def kept(folder: Path) -> dict[tuple[str, int], str]:
    """Return the (prompt, seed) and key of each whole line of a journal, torn end left out."""
    found = {}
    for line in (folder / "journal.jsonl").read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            record = json.loads(line)
            request = record["request"]
            found[request["messages"][-1]["content"], request["seed"]] = record["key"]
    return found


def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(
    server: ChatServer, tmp_path: Path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole, server))
    total = sum(server.answered.values())
    assert set(server.asked.values()) == {1}
    server.asked.clear()
    server.answered.clear()
    server.delay = 0.005
    moments = np.random.default_rng(11).integers(1, total - 1, KILLS)
    settled: dict[tuple[str, int], int] = {}
    for moment in sorted(moments.tolist()):
        process = start(killed, server)
        wait_for_answers(server, moment, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What the journal holds at a kill has been asked as often as it ever will be.
        for call in kept(killed):
            settled.setdefault(call, server.asked[call])
    finish(start(killed, server))
    assert contents(whole, ("journal.jsonl",)) == contents(killed, ("journal.jsonl",))
    assert kept(whole) == kept(killed)
    assert len((killed / "journal.jsonl").read_bytes().splitlines()) == total
    assert len(settled) > total // 2
    assert {call: server.asked[call] for call in settled} == settled
