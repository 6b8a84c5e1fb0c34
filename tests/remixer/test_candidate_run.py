"""Mining from a run file: excluded documents go before the cut, ids that do not fit are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BadInput
from harness.core.hashing import sha256_file
from harness.core.progress import SilentReporter
from harness.core.types import Query
from remixer.candidate_run import CandidateRun
from remixer.config import MineOptions
from remixer.rows import QueryRow
from remixer.stages.mine import mine_candidates
from tests.helpers.command_run import Done, runner
from tests.helpers.remix_corpus import make_task

QUIET = SilentReporter()
RANKED = ("d0003", "d0001", "d0002", "d0005", "d0004")


class Warned(SilentReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def write_candidates(path: Path, *queries: str, ranked: tuple[str, ...] = RANKED) -> Path:
    lines = [
        f"{query}\tQ0\t{doc}\t{rank}\t{1 / rank}\tx\n"
        for query in queries
        for rank, doc in enumerate(ranked, start=1)
    ]
    path.write_text("".join(lines))
    return path


def asked(*ids: str):
    task = make_task()
    hidden = {name: frozenset({name, "d0002"}) for name in ids}
    return replace(task, queries=tuple(Query(name, "why") for name in ids), excluded=hidden)


def test_excluded_documents_are_masked_before_the_cut(tmp_path):
    run = CandidateRun(write_candidates(tmp_path / "a.trec", "d0001", "d0003"))
    rankings = run.search(asked("d0001", "d0003"), 2, QUIET).run.rankings
    assert rankings["d0001"].doc_ids == ("d0003", "d0005")
    assert rankings["d0003"].doc_ids == ("d0001", "d0005")
    assert rankings["d0001"].scores.tolist() == pytest.approx([1, 1 / 4])


def test_the_identity_is_the_files_hash(tmp_path):
    path = write_candidates(tmp_path / "a.trec", "d0001")
    assert CandidateRun(path).identity(make_task()) == {"candidates": sha256_file(path)}
    with pytest.raises(BadInput, match="no run at"):
        CandidateRun(tmp_path / "none").identity(make_task())


def test_ids_that_do_not_fit_are_refused_by_name(tmp_path):
    run = CandidateRun(write_candidates(tmp_path / "a.trec", "d0001"))
    with pytest.raises(BadInput, match="nothing for 1 of 2 queries, such as 'd0009'"):
        run.search(asked("d0001", "d0009"), 2, QUIET)
    path = write_candidates(tmp_path / "b.trec", "d0001", ranked=("d0003", "away", "gone"))
    with pytest.raises(BadInput, match="2 documents that notes lacks, such as 'away'"):
        CandidateRun(path).search(asked("d0001"), 2, QUIET)


def test_a_tolerant_run_leaves_them_out_and_says_so(tmp_path):
    path = write_candidates(tmp_path / "b.trec", "d0001", ranked=("away", "d0003"))
    reporter = Warned()
    run = CandidateRun(path, tolerant=True)
    rankings = run.search(asked("d0001", "d0009"), 5, reporter).run.rankings
    assert rankings["d0001"].doc_ids == ("d0003",)
    assert len(rankings["d0009"]) == 0
    assert ["1 of 2 queries" in text or "1 documents" in text for text in reporter.warnings] == [
        True, True,
    ]  # fmt: skip


def test_the_source_is_no_candidate_though_the_run_ranks_it(tmp_path):
    path = write_candidates(tmp_path / "a.trec", "d0001")
    query = QueryRow("d0001", "100 words", "PhD", "why", "m", "v")
    mined = mine_candidates(make_task(), [query], CandidateRun(path), MineOptions(depth=3), QUIET)
    assert mined.rows[0].candidates == ("d0003", "d0002", "d0005")
    assert mined.rows[0].retriever == "a.trec"


def stage_rows(stage: str) -> list[dict]:
    lines = Path("run", f"{stage}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def remix(capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    return runner(capfd, monkeypatch, tmp_path, "remix")


def test_the_stage_mines_from_a_run_and_again_when_it_changes(remix, server, tmp_path):
    task = make_task()
    assert task.corpus is not None
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "corpus.jsonl").write_text(
        "".join(
            json.dumps({"_id": key, "text": text}) + "\n"
            for key, text in zip(task.corpus.ids, task.corpus.texts, strict=True)
        )
    )
    corpus = ["--corpus", tmp_path / "notes", "--out", "run"]
    asking = ["--llm", server.url, "--llm-model", "m"]
    assert remix("select", *corpus, "--limit", 3, "--no-domain-filter").code == 0
    assert remix("generate", *corpus, *asking).code == 0
    sources = [row["doc_id"] for row in stage_rows("2-generate")]
    path = write_candidates(tmp_path / "a.trec", *sources)
    mine = ["mine", *corpus, "--no-reason", "--candidates", path]
    assert remix(*mine).code == 0
    rows = stage_rows("4-mine")
    assert {row["retriever"] for row in rows} == {"a.trec"}
    assert all(set(row["candidates"]) == set(RANKED) - {row["doc_id"]} for row in rows)
    assert "done before" in remix(*mine).err
    write_candidates(path, *sources, ranked=RANKED[:3])
    assert "done before" not in remix(*mine).err
    refused = remix(*mine, "--embedder", "bm25")
    assert refused.code == 2
    assert "both given" in refused.err
    assert "--candidates RUN" in remix("mine", *corpus, "--no-reason").err
