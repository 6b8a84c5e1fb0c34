"""Reranking killed at any moment and resumed: the same run byte for byte, nothing done twice."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.chat_server import chat_server
from tests.helpers.rerank_driver import CHUNK, CONCURRENCY, DOCUMENTS, QUERIES

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("REBENCH_KILLS", "4"))
"""`REBENCH_KILLS=20` is the count that the design asks for; it takes longer."""


def start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.rerank_driver", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed_and_resumed(arguments: Sequence[str], begun: Path) -> int:
    """Kill the driver at random moments of its work, then let it end; return the kills."""
    draw = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        size = begun.stat().st_size if begun.exists() else 0
        process = start(arguments)
        while process.poll() is None and (not begun.exists() or begun.stat().st_size == size):
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.12))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert start(arguments).wait() == 0
    return killed


def test_scores_of_pairs_survive(tmp_path: Path):
    for part in ("alone", "killed"):
        (tmp_path / part).mkdir()
    assert start(["pairs", str(tmp_path / "alone")]).wait() == 0
    killed = killed_and_resumed(["pairs", str(tmp_path / "killed")], tmp_path / "killed" / "log")
    assert killed >= 1
    runs = [(tmp_path / part / "run.trec").read_bytes() for part in ("alone", "killed")]
    assert runs[0] == runs[1]
    asked = Counter((tmp_path / "killed" / "log").read_text(encoding="utf-8").splitlines())
    assert len(asked) == QUERIES * DOCUMENTS
    assert sum(count - 1 for count in asked.values()) <= killed * CHUNK


def test_replies_of_a_chat_model_survive(tmp_path: Path):
    def by_number(prompt: str) -> str:
        found = re.findall(r"^\[(\d+)\] text number (\d+)", prompt, re.M)
        return " > ".join(f"[{at}]" for at, _ in sorted(found, key=lambda pair: -int(pair[1])))

    for part in ("alone", "killed"):
        (tmp_path / part).mkdir()
    with chat_server() as server:
        server.reply, server.delay = by_number, 0.03
        assert start(["chat", str(tmp_path / "alone"), server.url]).wait() == 0
        alone = len(server.asked)
        server.asked.clear()
        arguments = ["chat", str(tmp_path / "killed"), server.url]
        killed = killed_and_resumed(arguments, tmp_path / "killed" / "journal.jsonl")
        assert killed >= 1
        assert len(server.asked) == alone
        # What was under way at a kill is asked once more, and nothing else: no reply that is kept.
        ahead = CONCURRENCY + 1
        assert sum(count - 1 for count in server.asked.values()) <= killed * ahead
    runs = [(tmp_path / part / "run.trec").read_bytes() for part in ("alone", "killed")]
    assert runs[0] == runs[1]
