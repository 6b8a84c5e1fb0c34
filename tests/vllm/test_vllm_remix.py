"""ReMixer's whole pipeline on a real `vllm serve`: what the model writes is noise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli.errors import run_guarded
from harness.cli.remix import app
from harness.core.training_row import read_rows
from tests.helpers.remix_tiny import ENDS, make_chatter
from tests.helpers.vllm_server import Proxy, failing_proxy, vllm_serve

pytestmark = pytest.mark.vllm

CONTEXT = 16_384
"""Characters, each a token: the longest prompt here has some 10,000."""
SCORES = tuple(
    f"{before}<score>{score}</score>{after}"
    for score in range(1, 6)
    for before in ("", "\n")
    for after in ("", "\n")
)
"""What the model may say in one token, so that its noise has scores in it."""
STAGES = ["select", "generate", "reason", "mine", "annotate", "format"]

Remix = Callable[..., dict[str, dict[str, int]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a tiny random Qwen3 that chats; return the root URL."""
    # Of these weights' answers to "does it fit?" most are Yes, and some No.
    folder = make_chatter(tmp_path_factory.mktemp("chatter"), CONTEXT, SCORES, 11, ENDS)
    log = tmp_path_factory.mktemp("serve") / "log"
    # vLLM 0.32 dies on a CPU of a seeded request whose prompt it takes in pieces.
    whole = ("--no-enable-chunked-prefill", "--max-num-batched-tokens", str(4 * CONTEXT))
    with vllm_serve(
        folder, log, "--served-model-name", "tiny", "--max-model-len", str(CONTEXT), *whole
    ) as url:
        yield url


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with failing_proxy(server) as running:
        yield running


@pytest.fixture
def remix(
    capsys: pytest.CaptureFixture[str], proxy: Proxy, tmp_path: Path, monkeypatch: Any
) -> Remix:
    """Return a function that runs `remix run ARGS…` and returns the counts of its stages."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, llm: str = "") -> dict[str, dict[str, int]]:
        flags = [
            *("run", "--llm", llm or f"{proxy.url}/v1", "--llm-model", "tiny", "--concurrency", 4),
            *(
                "--embedder",
                "bm25",
                "--depth",
                5,
                "--max-reply-tokens",
                200,
                "--max-unusable",
                1,
                "--json",
            ),
        ]
        capsys.readouterr()
        code = run_guarded(
            lambda: app(list(map(str, (*flags, *arguments))), prog_name="rebench remix")
        )
        captured = capsys.readouterr()
        assert code == 0, captured.err
        counts: dict[str, dict[str, int]] = json.loads(captured.out)
        with capsys.disabled():
            print(json.dumps(counts), f"passed on {proxy.passed}, failed {proxy.failed}")
        return counts

    return run


def check(counts: dict[str, dict[str, int]], folder: Path, sources: int) -> None:
    """Check what must hold whatever the model wrote."""
    assert list(counts) == STAGES
    assert counts["select"]["selected"] == sources
    generate, annotate = counts["generate"], counts["annotate"]
    lost = generate["duplicates"] + generate.get("left_unusable", 0)
    assert generate["queries"] + lost == generate["sources"] == sources
    labels = [annotate[f"label_{label}"] for label in (1, 2, 3, 4, 5, "none")]
    assert sum(labels) == annotate["pairs"] == counts["mine"]["candidates"]
    assert annotate["label_none"] == annotate.get("left_unusable", 0)
    for stage in STAGES:
        assert "unanswered" not in counts[stage]
    replies = sum(each.get("replies", 0) for each in counts.values())
    journal = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    # Equal questions are asked once: two candidates of one text, or two of one query.
    assert 0 < len(journal) <= replies
    rows = list(read_rows(folder / "training.jsonl.gz"))
    assert len(rows) == counts["format"]["rows"] > 0
    assert all(row.pos and row.neg and row.query and row.reasoning_query for row in rows)
    assert all(min(row.pos_scores) >= 3 > max(row.neg_scores) for row in rows)


def test_stdlib_through_a_server_that_fails_now_and_then(
    remix: Remix, proxy: Proxy, tmp_path: Path
) -> None:
    counts = remix("--task", "stdlib-oblique", "--limit", 5, "--out", "run")
    check(counts, tmp_path / "run", 5)
    # Yes, No and the scores are held to their form by the engine.
    assert counts["select"]["fitting"] == 5 <= counts["select"]["asked"]
    assert counts["annotate"].get("unparsable", 0) < counts["annotate"]["pairs"] / 2
    assert proxy.failed == (proxy.passed + proxy.failed) // proxy.every >= 6
    asked = proxy.passed + proxy.failed
    assert remix("--task", "stdlib-oblique", "--limit", 5, "--out", "run") == counts
    replay = f"replay:{tmp_path / 'run' / 'journal.jsonl'}"
    assert remix("--task", "stdlib-oblique", "--limit", 5, "--out", "again", llm=replay) == counts
    assert proxy.passed + proxy.failed == asked, "what is in the journal is not asked again"
    for name in ("training.jsonl.gz", "training.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_junk_is_counted_where_nothing_holds_the_model_to_a_form(
    remix: Remix, tmp_path: Path
) -> None:
    """The standard settings only: no pattern, thinking not turned off."""
    counts = remix(
        *("--task", "stdlib-oblique", "--limit", 5, "--out", "run", "--no-clean"),
        *("--llm-dialect", "openai"),
    )
    check(counts, tmp_path / "run", 5)
    annotate = counts["annotate"]
    assert annotate["unparsable"] > 0
    assert annotate["unparsable"] == annotate["retried"] + annotate["label_none"]
    assert annotate["replies"] == annotate["pairs"] + annotate["retried"]


def test_theoremqa_mini(remix: Remix, shared_data: Path, tmp_path: Path) -> None:
    corpus = shared_data / "collections" / "theoremqa-mini"
    flags = ("--corpus", corpus, "--domain", "mathematics", "--limit", 4)
    check(remix(*flags, "--out", "run"), tmp_path / "run", 4)
