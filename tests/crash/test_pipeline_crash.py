"""Pipelines killed in each kind of stage, and resumed: the same run, no kept call repeated."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers.chat_server import ChatServer, chat_server, number_of
from tests.helpers.dying import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("REBENCH_KILLS", "0"))
"""Kills at any moment, beside those that are aimed; `REBENCH_KILLS=20` takes minutes."""

QUERIES = 16
CONCURRENCY = 4
UNDER_WAY = CONCURRENCY + 1
"""Requests that `HttpChat` has taken at once: an eighth of its workers, at least 1, in advance."""
COMMAND = """
from tests.helpers.dying import install
install()
from harness.cli.main import main
main()
"""
DIES_AT = {
    "rewrite": "models.chat.journal:Journal.append#8",
    "retrieve": "harness.search.bm25:Bm25Retriever.search#2",
    "fuse": "harness.pipelines.staged.run:fuse_runs#1",
    "fuse, written in part": "harness.pipelines.staged.outputs:write_manifest#1",
    "rerank": "models.chat.journal:Journal.append#10",
}
"""Kind of stage -> where in its midst the command dies; one after the other, in the same folder."""


def reply(prompt: str) -> str:
    if "<score>" in prompt:
        return f"<score>{number_of(prompt) % 10 + 1}</score>"
    return f"A text on word{number_of(prompt) % 40} and word{number_of(prompt) % 7}."


def prepare(folder: Path, url: str) -> Path:
    """Write a task of 40 documents and a pipeline of four stages."""
    task = folder / "small"
    (task / "qrels").mkdir(parents=True)
    rows = {
        "corpus.jsonl": [
            {"_id": f"d{at}", "title": "", "text": f"word{at} word{at % 9} word{at % 5}"}
            for at in range(40)
        ],
        "queries.jsonl": [
            {"_id": f"q{at}", "text": f"what is word{at} to word{at + 1}"} for at in range(QUERIES)
        ],
    }
    for name, values in rows.items():
        (task / name).write_text("".join(json.dumps(row) + "\n" for row in values))
    judged = "".join(f"q{at}\td{at}\t1\n" for at in range(QUERIES))
    (task / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    chat = f'llm = "{url}"\nllm_model = "m"\nconcurrency = {CONCURRENCY}\n'
    (folder / "p.toml").write_text(
        "[[pipelines.p.stage]]\nname = 'ask'\nkind = 'rewrite'\nmethod = 'hyde'\n"
        f"{chat}"
        "[[pipelines.p.stage]]\nname = 'find'\nkind = 'retrieve'\nmodels = ['bm25', 'bm25-bow']\n"
        "[[pipelines.p.stage]]\nname = 'join'\nkind = 'fuse'\n"
        "[[pipelines.p.stage]]\nname = 'order'\nkind = 'rerank'\nmodel = 'llm-score'\n"
        f"depth = 4\n{chat}"
    )
    return folder


def start(folder: Path, dies_at: str = "") -> subprocess.Popen[bytes]:
    arguments = ["eval", "--pipeline", "p.toml", "--tasks", "small"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "REBENCH_RESULTS": str(folder / "measured"),
            "REBENCH_CACHE": str(folder / "cache"),
            VARIABLE: dies_at,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_in_mid_work(folder: Path, server: ChatServer, draw: random.Random) -> bool:
    """Start the command, kill it after its first call or a little later; tell whether it was."""
    before = sum(server.asked.values())
    process = start(folder)
    while process.poll() is None and sum(server.asked.values()) == before:
        time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.3))
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def stored_run(folder: Path) -> bytes:
    (path,) = (folder / "measured").rglob("run-*.trec.gz")
    return path.read_bytes()


def test_a_pipeline_killed_in_each_kind_of_stage_goes_on(tmp_path: Path):
    draw = random.Random(11)
    with chat_server() as server:
        server.reply, server.delay = reply, 0.02
        alone = prepare(tmp_path / "alone", server.url)
        assert start(alone).wait() == 0
        calls = len(server.asked)
        assert calls == QUERIES + QUERIES * 4
        server.asked.clear()
        folder = prepare(tmp_path / "killed", server.url)
        for kind, place in DIES_AT.items():
            assert start(folder, place).wait() == -signal.SIGKILL, kind
        killed = 2 + sum(kill_in_mid_work(folder, server, draw) for _ in range(KILLS))
        assert start(folder).wait() == 0
        assert stored_run(folder) == stored_run(alone)
        assert len(server.asked) == calls
        twice = sum(count - 1 for count in server.asked.values())
        assert twice <= killed * UNDER_WAY, "no more than were under way"
        asked = sum(server.asked.values())
        assert start(folder).wait() == 0
        assert sum(server.asked.values()) == asked, "what is measured asks nothing"
